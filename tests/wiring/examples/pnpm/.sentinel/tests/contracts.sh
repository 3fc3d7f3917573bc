# The contract: every key that it names is there.
while read -r key; do grep -q "^$key=" ../src/messages.txt || { echo "no $key"; exit 1; }; done < contracts/messages.v1.txt
