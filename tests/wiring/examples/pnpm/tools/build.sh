# One file: the messages, sorted.
mkdir -p dist
LC_ALL=C sort src/messages.txt > dist/panel.txt
