# The panel greets.
grep -q '^hello=Hello' src/messages.txt
