// Package handling is what people of an office do with an incoming document after
// it was accepted: it is submitted to a leader (trình), gets an instruction (bút
// phê) with who leads, who supports, who is to know, and until when; it is handed
// over, worked on, and finished, mostly by a document that answers it.
//
// It promises:
//
//   - Each act stands in one transaction with its history and its audit entry, and
//     nothing of the history is changed later.
//   - Statuses 04, 05 and 06 follow from the work: the first hand-over, the first
//     note of progress, the end of all leading parts. Each is decided in the
//     transaction of the act, told once, and told after a restart when the program
//     ended in between.
//   - Who acts on a state that somebody else has changed meanwhile is told so, and
//     nothing is overwritten. Notes of progress only add and never conflict.
//   - Holders act on their own parts alone; who directs may act on all.
//   - Deadlines are dates in Vietnam. No day is left out of a count: the decree
//     counts no working days here.
//
// People are accounts, by sign-in name, or units by their names. Reasons and words
// that go out in statuses are Vietnamese, the language of the documents.
package handling
