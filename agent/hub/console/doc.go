// Package console is the pages of the province's operator: how the boxes of all
// offices stand, urgent documents that have not arrived and whom to call, incidents,
// invites and the waiting room, certificates, the directory of offices, the figures of
// one-stop dossiers, reports of months, updates of the office's program, orders to boxes,
// and the accounts of the console.
//
// It promises, besides what package page promises of every site:
//
//   - An officer of a cluster sees the boxes of that cluster and nothing else:
//     what lies outside looks as if it were not there.
//   - Every figure leads to the list of what it counts, and says as of when it
//     holds. When the hub hears nobody, the pages say since when the figures stand
//     still.
//   - A silent box is out of contact, not broken: red is for what smells of
//     forgery.
//   - A page of 11,000 boxes is as light as one of a hundred: lists come in
//     pages, and boxes are drawn as a few lines for each cluster, with a table
//     beside them that says the same.
//   - What changes something does it as the command line does, with the person's
//     name in the audit log.
//
// The package holds no rules about offices: those are the hub's.
package console
