// Package workdays computes working time: when a one-stop dossier is due, how
// long its clock has left, and over which calendar.
//
// It is pure: every answer follows from the calendar, the rule and the times
// handed in, so that a due date can be had again from the log of a dossier.
// Dates and clock times are those of Vietnam (+07:00), whatever zone a time or
// the machine carries.
//
// # The calendar
//
// A [Calendar] is made of files in layers: the nation's, then the province's
// and the commune's own. The last file that names a day decides about it; the
// last file with office hours that covers a year decides about its weeks. A
// weekday without office hours is a weekend day. A day is a working day when
// it has any office hours, half days too: it counts as one day and ends at its
// own closing. A year that no national file covers has its weekends only; an
// answer that needed it says Uncovered. One that rests on a file or a day that
// is not yet decided says Provisional.
//
// # Receipt
//
// A dossier is received in working time. What comes before opening counts from
// opening, what comes on a day off, after closing or after the rule's cut-off
// counts as received at the opening of the next working day. Cut-off and
// closing themselves are still in time.
//
// # Periods
//
// A period in days begins with the day after receipt (Bộ luật Dân sự 2015, Điều
// 147), unless the rule says that the day of receipt counts, and ends with the
// office hours of its last day (Điều 148: at the end of the day, of which the
// public sees the office hours). Of calendar days each counts, and a last day
// on which nobody works moves to the next working day (Điều 148 khoản 5). A
// rule with Ends "same-clock" ends on the same day at the clock time of
// receipt, as one-stop software is used to; before opening, over lunch and after
// closing that is the next moment of the day's office hours, at the latest its
// closing. Hours are office hours alone. "Same day" ends with the day of
// receipt. Working days granted on top (Rule.Extra) follow the rule's last day,
// and keep its clock time.
//
// # Stopped clocks
//
// Pauses are united; one without an end is still running. A resumption after
// the cut-off counts as one at the opening of the next working day.
//
//   - Hours: time in a pause does not count, to the instant.
//   - Working days: a day counts when the clock runs at its opening. So the day
//     of the stop is used up, the day of resumption is not, and the due day
//     moves by the working days after the one up to the other; a pause within
//     one day moves nothing, nor does one outside office hours.
//   - Calendar days: the same, with midnight for opening.
//   - A clock that stands still when the period would end (stopped before,
//     resumed then or later) gets the rest of its last day back on the day of
//     resumption, or on the first working day that still ends after it.
//
// A pause that begins when the period has ended changes nothing.
package workdays
