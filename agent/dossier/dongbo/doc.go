// Package dongbo is the codec of the national synchronisation payload of
// one-stop dossiers (DongBoHoSoMC and its progress items), and what brings
// dossiers out in it: [Export] as files, [Sync] through a [Sender].
//
// It promises:
//
//   - [HoSo.Encode] and [EncodeProgress] write strictly, always the same bytes:
//     names and order of the format, times of 14 digits in Vietnam's time, text in
//     NFC, codes checked, what is not set left out. [Decode] reads tolerantly
//     and within bounds; what is odd or not known is reported as a [Warning].
//   - Times are those of the events at the office, never of the sending.
//   - An export that was cut off goes on; one that is whole writes nothing.
//     Each file is the whole one or is not there.
//   - [Sync] sends what was acknowledged never again (P2). After a crash between
//     sending and noting it the same call is repeated once, under the same key.
//   - Fields that public sources do not tell are not invented: see [Other].
package dongbo
