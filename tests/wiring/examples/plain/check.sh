test -s manual.txt
