"""Random hostile input for every parser of text and bytes from outside: `./dev fuzz`."""
