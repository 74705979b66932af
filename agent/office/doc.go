// Package office is what an office does with documents: send, receive, accept,
// return, and know where each one is.
//
// It promises:
//
//   - Send returns only when the document is durable: content, number, track,
//     outgoing bundle and audit entry stand in one transaction or not at all
//     (P1). A draft with faults is answered with all of them at once, a
//     problem.List, and stores nothing. A document whose files are all small
//     costs one fsync.
//   - A document is filed once, whatever repeats or crashes (P2): taking it out
//     of the inbox is part of the transaction that files it.
//   - The sender's content stays until every recipient has receipted, or the
//     lifetime ends and the document counts as failed (P3).
//   - What cannot be opened or does not verify is not lost: it is recorded with
//     the reason and answered with status 02.
//   - Each step of the track names the office that signed for it, and the signed
//     record is kept (P10). Statuses that come late or twice stay in the track
//     and never move a recipient backwards.
//   - What happens to documents is told to other programs in one feed, in the
//     order in which this office learnt it, each thing once; a reader goes on
//     from where it was, also after a restart (see Feed).
//   - A message that another program wrote is sent with its header as it stands,
//     once, and one that carries a signature byte for byte (see Import).
//   - What is withdrawn before its first byte left goes to nobody. What is recalled
//     later is asked back from each recipient, cancelled there on the order of
//     the office that issued it alone (P7), at once while nobody has registered
//     it and else by a person's word, and is no live document any more even where
//     the order comes first. Track, signed records and numbers stay.
//   - A document that updates or replaces others is linked to them at both
//     offices, in whatever order they come.
//   - Offices outside of Trạm are reached through connectors: what goes to them
//     is tracked on the other system's word, what comes from them is filed once,
//     with its origin in the place of a seal, or set aside with its bytes. They
//     never speak for an office of Trạm (P7).
//   - A paper document stands in the registers as an electronic one does, with a
//     number of the same series, and says of itself that it is one (see Enter). No
//     number and notation is borne twice in a year, and no number is lost.
//   - Other parts of the office have their sealed messages carried with the same
//     care as documents (see Mail and Mailbox): saved in the sender's transaction,
//     filed once in the recipient's, kept until each recipient has answered.
//   - A document that bears the mark of a state secret is refused.
//   - Memory does not grow with the size of a file: beyond blob.InlineMax
//     content is streamed.
//
// Reasons that this package writes into statuses and records for other offices
// are Vietnamese, the language of the documents. A status 03 carries the
// arrival number in its Description as "Số đến N ngày dd/mm/yyyy".
package office
