// Package line is the office's rules for its lines to the hub: which line is in
// use, what may go over it, what it has cost this month, and when a line that is
// not always there is brought up and down.
//
// [Policy] decides what may go, purely, from time, line and bytes used. [Book]
// counts the bytes. [Line] joins both with package sync/link and the connection,
// and runs the commands of a modem.
//
// Promises:
//
//   - Hỏa tốc and thượng khẩn always may go; khẩn goes when the SIM's budget is
//     used up. What is held back says why, and goes by itself when it may.
//   - The connection itself stays up where nothing may go: idle it costs less than
//     100 kB a day, and what is urgent can come in at any time.
//   - A try follows within a second of a line coming up. A connection whose line is
//     gone is ended at once. One over a metered line moves to a free one that came
//     up and is the better way.
//   - Counted bytes survive a restart but for those of the last SaveEvery; at a
//     clock that is not trusted they count for the month that turns out to be.
//   - A modem's commands run without a shell, one at a time, for a bounded time.
package line
