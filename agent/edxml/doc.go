// Package edxml reads and writes edXML, the Vietnamese national message for
// administrative documents (QCVN 102:2016/BTTTT with its amendment of 2022):
// documents and status messages, with or without their attachments inside.
//
// It is pure: bytes in, values out, no files, no clock. It promises:
//
//   - The writer emits the exact prefixes, spelling (Bussiness with double s)
//     and order of the national samples, and refuses a message that lacks an
//     element which all of them carry. The same message is always written with
//     the same bytes.
//   - The reader matches on namespace and local name, in any order, and takes
//     what is only odd with a [Warning]. What it cannot trust it refuses with a
//     *problem.Problem: malformed XML, a DOCTYPE, another dialect, a missing
//     key element, a reference without its attachment, an attachment that
//     cannot be decoded, more than [MaxMessage] bytes beside attachments,
//     [MaxDepth] levels or [MaxElements] elements. It never expands an entity.
//   - What it wrote it reads back to the same value. What others wrote is kept
//     as it came, [Full.Skeleton], so that also elements that are not known
//     here survive being stored and written again.
//   - Attachments of any size need constant memory.
//
// [Decode], [EncodeDocument] and [EncodeStatus] are for messages whose
// attachments travel beside them, named by the manifest. [Read] takes a message
// with attachments inside apart: contents go to a [Stage] of the caller,
// [Unwrap] makes files of them, and [Rebuild] puts the message together again.
// [EncodeFull] writes a new one. How an attachment is told from its wrapping,
// and how a message is rebuilt, is specified in the README of agent.
package edxml
