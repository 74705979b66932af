// Package dossier keeps one-stop dossiers (hồ sơ một cửa) of an office: taking in,
// deadlines, supplements, hand-over to other offices, results, return (decree
// 118/2025/NĐ-CP; statuses of the national portal).
//
// It promises:
//
//   - What happened is a list of events that are never changed; where a dossier stands
//     follows from them alone (see [Fold]). Each act stands in one transaction with
//     its event, its number, its files and its audit entry (P1).
//   - Times are those at which something happened at the office where it did, never
//     those of sending; both are kept.
//   - A dossier is worked on under the version of its procedure under which it was
//     filed. No later version, and no later calendar, moves a date of return that the
//     applicant was told.
//   - An apology that the desk prepared extends nothing until a leader confirms it.
//   - Codes are given by the office whose code they bear, each once, link or no link.
//   - Who acts on a state that somebody else has changed meanwhile is told so, and
//     nothing is overwritten.
//   - Personal data go to the offices that the dossier is handed to, and to nobody
//     else. Lists show them masked, who opens a dossier is in the audit log, and they
//     are given up when their time is over; events and figures stay.
package dossier
