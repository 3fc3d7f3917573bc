# No line of the sources ends in white space.
! grep -rn '[[:space:]]$' src
