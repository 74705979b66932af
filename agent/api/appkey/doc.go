// Package appkey knows which applications may use the office's public
// interface, what each may do there, and how much.
//
// It promises:
//
//   - A key is shown once, when it is made. What is kept is its SHA-256, and a
//     key holds 256 random bits: reading the database opens nothing. Keys are
//     compared in constant time.
//   - A key that was mistyped or cut is told apart from a wrong one by its
//     checksum, without a look into the database.
//   - Revoking and rotating work at once, also on calls that wait.
//   - An application's name is never given again, so that documents and audit
//     entries that name it stay true.
//   - What an application may do is its list of scopes; one that sees only its
//     own documents is marked so, whatever its scopes.
//   - Each application has its own allowance of calls and of calls at a time:
//     none slows another down.
//   - Making, rotating and revoking stand in the audit log, in the transaction
//     of the change.
package appkey
