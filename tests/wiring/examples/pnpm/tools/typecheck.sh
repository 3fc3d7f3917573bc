# Every message has a key and a text.
! grep -vn '^[a-z]*=..*$' src/messages.txt
