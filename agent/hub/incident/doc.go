// Package incident decides what of all that is wrong in a fleet people are told,
// when, and how often: it makes few incidents out of many findings.
//
// It is pure: [Engine.Step] takes the time and the facts, and returns what happened
// and what is to be told; store and channels are others'. The same facts in the same
// order give the same answers. A [State] that was saved and loaded goes on as if
// nothing had happened.
//
// It promises:
//
//   - One outage is one message: offices that fall silent together make one incident,
//     of the most specific group that explains it. Each incident is told once, with at
//     most [MaxUpdates] updates and one note of recovery.
//   - Only telling is suppressed, never recording; only creation, never resolution.
//   - An urgent document that does not arrive is told, whatever else is going on: once
//     for each document, with all its recipients.
//   - Each incident that was opened closes when what it was about is over.
package incident
