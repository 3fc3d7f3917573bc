# DecisionRef D-0001: a key was there twice once.
test -z "$(cut -d= -f1 ../src/messages.txt | sort | uniq -d)"
