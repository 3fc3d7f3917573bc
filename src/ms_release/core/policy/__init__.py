"""The rules of SPEC 1 for repositories: what holds, what would repair it, and the record of both."""
