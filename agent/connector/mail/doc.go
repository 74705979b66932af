// Package mail sends documents that have come to the office on as e-mail, for
// offices and rooms that still live in it.
//
// It promises:
//
//   - Each arrived document becomes one mail to the people set: its fields, its
//     attachments byte for byte, and in words what the seal and the signatures in
//     the attachments are worth. One that is too large carries the address of its
//     page instead of the attachments. Memory does not grow with it.
//   - A mail goes over TLS to a server that proves its name, or not at all; and so
//     does the password.
//   - Who has a document does not get it again, but for a crash between the
//     server's yes and the record of it: the mail that comes then has the same
//     Message-ID. That is as far as P2 goes with mail.
//   - Nothing comes back this way: replies are not read, and each mail says so.
//
// Its settings are in the README of the folder agent.
package mail
