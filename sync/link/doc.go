// Package link knows which lines out of this machine there are: which came up,
// which went down, which changed, and which cost money by the byte.
//
// [Tracker] is the pure core: it is told what interfaces there are and what
// time it is, and says what that means. [Monitor] is its shell: it asks the
// operating system to be told of changes (netlink on Linux, the IP helper on
// Windows, a look every second elsewhere) and reads the present state anew at
// each of them. News are never added up, so none can be missed for good: when
// the system says that it had to drop some, the next reading has them all.
//
// Promises:
//
//   - A line that came up is told within a second of it, once it has held for
//     DefaultUpAfter: one that only flickers is never told as up.
//   - A line whose interface or last address is gone is told as down at once; one
//     that lost its carrier after DefaultDownAfter, so that a cable that somebody
//     moves ends nothing.
//   - Loopback, and interfaces that have link-local addresses only, are never up.
//   - No privileges are needed.
package link
