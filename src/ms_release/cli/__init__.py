"""The command line: argv to one command, and everything that people see of it."""
