// Package docsign gives verdicts on the digital signatures inside attachments:
// PDF, CMS, XML and office files, after ETSI EN 319 102-1.
//
// [Check] finds the format of a file and answers with a [Report]: for each
// signature who signed, when that is proven, what it covers, through which
// chain, and with which revocation data of which age. The verdict is PASSED,
// INDETERMINATE or FAILED with a sub-indication and a reason of the catalogue.
//
// The package promises that
//
//   - trust anchors are those of [Options] and never come from a document;
//   - what was not checked is never PASSED: without revocation data the
//     verdict is TRY_LATER, and bytes added after signing are named;
//   - weak digests and keys prove nothing, in revocation data as little as in
//     signatures, and nobody is asked for a chain that rests on them;
//   - hostile bytes make it neither panic nor read or allocate beyond the
//     limits of the package.
//
// It has no clock and does no I/O of its own: it reads through an
// [io.ReaderAt] and asks a [Revocations] that the caller hands in, so that a
// verdict can be repeated from its evidence.
package docsign
