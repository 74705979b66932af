// Package schedule decides what of the waiting documents goes over a line next
// ([Picker]), how much of it may be under way at once ([Pace]), and what may go
// over it at all ([Rules]).
//
// It promises:
//
//   - Strict urgency (P5): hỏa tốc and thượng khẩn yield to nothing less urgent;
//     thường keeps a small share against khẩn, so that it is never starved.
//   - Small before large within an urgency, and an end to waiting: a document
//     that has let others pass by Ageing times its own size goes before them.
//   - A line that is full but not overfull (P5, P9): what is under way follows the
//     bandwidth-delay product that acknowledgements show, with a small floor.
//
// The package is pure: it is told the time and does nothing else than compute.
package schedule
