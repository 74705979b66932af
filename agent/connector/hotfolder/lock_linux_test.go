package hotfolder

import "golang.org/x/sys/unix"

// lockOfOthers is a lock that belongs to the open file, so that a test can hold
// it against itself.
const lockOfOthers = unix.F_OFD_SETLK
