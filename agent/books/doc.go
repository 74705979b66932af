// Package books keeps the register books of an office: which lines they have,
// which of them are on paper already, and what was put right since. How a book
// looks is package register's.
//
// The lines of the registers of outgoing and incoming documents, of the follow-up
// register and of the two reports are made from the office's documents whenever
// they are asked for; those of the books of post and of kept copies are written by
// hand; work files (hồ sơ) have lists of their own.
//
// # Printing
//
// Paper books are bound: a page exists once, and no line is on two pages or on
// none. A printer is no part of a transaction, so printing takes two steps.
// [Books.Print] lays out every line that is on no page yet, makes the PDF, keeps
// it in the store and then, in one transaction, the print, the mark of each page
// and each line as it stands there. The book is closed to a further print until a
// person has said how it went:
//
//   - [Books.Confirm]: the sheets are there. From now on these pages never change.
//   - [Books.Discard]: the sheets are thrown away. Their lines are on no page again
//     and the next print has the same page numbers. The file stays, as a trace.
//
// Meanwhile the same file can be printed as often as it takes: a paper jam needs
// no new print. A power cut before the transaction leaves nothing, one behind it
// an open print that the page shows with its file; so neither loses a line nor
// gives one twice. Rejected: one step, which counts a page as printed that the
// printer has swallowed.
//
// # Promises
//
//   - A line is on exactly one page; the database holds that (books_lines).
//   - Pages of a volume are numbered from 1 without a gap.
//   - A printed page can be had again, byte for byte from the archive ([Books.PDF]).
//   - What changes behind a printed line becomes a line of its own on a later
//     sheet: corrections by hand ([Books.Correct]), recalls, replacements, returns.
//   - Numbers that come late, below one that is printed, stand on the next sheet.
//   - Each of these acts is in the audit log, in the same transaction.
package books
