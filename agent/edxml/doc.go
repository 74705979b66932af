// Package edxml reads and writes edXML, the Vietnamese national message for
// administrative documents (QCVN 102:2016/BTTTT with its amendment of 2022):
// documents (header and manifest) and status messages.
//
// It is pure: bytes in, values out, no files, no clock. It promises:
//
//   - The writer emits the exact prefixes, spelling (Bussiness with double s)
//     and order of the national samples, and refuses a message that lacks an
//     element which all of them carry.
//   - The reader matches on namespace and local name, in any order, and takes
//     what is only odd with a [Warning]. What it cannot trust it refuses with a
//     *problem.Problem: malformed XML, a DOCTYPE, another dialect, a missing
//     key element, more than [MaxMessage] bytes, [MaxDepth] levels or
//     [MaxElements] elements. It never expands an entity.
//   - What it wrote it reads back to the same value.
//
// Attachments are named by the manifest and travel beside the message. Content
// that a message carries in itself (AttachmentEncoded) is listed and checked
// against the manifest; its bytes are not read.
package edxml
