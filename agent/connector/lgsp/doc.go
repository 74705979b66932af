// Package lgsp is the connector to an exchange axis over HTTP: that of a
// province (LGSP) or the national one (VXP). Through it an office reaches
// ministries and whoever else is on the axis and not in Trạm, and they reach it.
//
// It promises:
//
//   - A document is handed to the axis once, also when an answer is lost: before
//     it is sent again, the axis is asked whether it has it. What the axis
//     refuses for good fails visibly; what may pass is tried again after 30, 60,
//     120, 240 and 480 seconds and then hourly (P3).
//   - A message is marked as taken at the axis only after the office has it
//     durably (P1), and the office files it once (P2). One that the office
//     refuses is in its quarantine, and the axis is told FAIL.
//   - Where the axis says length or digest of a message, one that differs is not
//     taken in.
//   - A one-stop dossier is synchronised as it stands, each acknowledged revision
//     and step once; see package dongbo.
//   - Nobody on the axis speaks for an office of Trạm (P7): see office.TakeIn.
//   - Everything that is read is bounded. Documents and the list of offices are
//     streamed, whatever their size.
//   - The secret goes to the configured address alone: over TLS beyond this
//     machine, and never to where an answer redirects.
//
// The interface is what public sources tell of it; paths and the form of
// statuses are settings. It was tried against package lgsptest, not against a
// real axis: the README of agent lists what that leaves open.
package lgsp
