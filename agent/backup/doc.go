// Package backup saves a whole office and raises it again: its database as of one
// moment, the content that this refers to, its keys and settings. The form is in
// agent/README.md, "Backup of an office".
//
// It promises that
//
//   - a backup is made beside the running service and is there whole or not at all; a
//     kill, or a stick that is pulled out, at any instant costs no earlier backup, and
//     what was copied by then is not copied again;
//   - nothing but sizes and times can be seen without the office's recovery code, and
//     nothing that was changed passes as a backup (P6);
//   - files are written under names that no file has, without links, so that any file
//     system of a stick will do, and nothing of another office or another key is touched;
//   - an older backup goes only after a newer one was read back and held;
//   - what is restored was verified to the byte first, and has another epoch then: what
//     neighbours hold for the office is offered again (P2, P3). No number of a book is
//     given twice. A restore that was cut off goes on where it was, or is finished at
//     the next start.
package backup
