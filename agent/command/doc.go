// Package command is what a hub may order the box of an office to do, and the
// office's half of it: ping, diagnostics, hold, resume, resync, support. The
// format is in agent/README.md, "Command".
//
// It promises that
//
//   - an order is done at most once, and what it does stands in one transaction
//     with its answer and the audit entry, so that a crash at any instant leaves
//     all of that or nothing (P2). What only reads is read again then;
//   - nobody is obeyed but the office's own hub (P7), and nothing is done that is
//     not in the list: an unknown order is refused by its name;
//   - no answer holds anything of a document, a person's name or a secret, see
//     package support, whose archive goes out only when the office's settings or
//     somebody at the box say so.
package command
