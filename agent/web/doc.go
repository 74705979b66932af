// Package web is the clerk's pages: sign-in, what to do, incoming, send,
// outbox, outgoing, each document with its track and its seal.
//
// It promises:
//
//   - Every page and every action works without JavaScript; the scripts only
//     make it quicker (progress of an upload, live state, keys).
//   - What an action did is said by the page it redirects to, so that a reload
//     never acts twice; a form with mistakes comes back filled in, with all
//     mistakes listed and each named at its field.
//   - Lists and counts are fetched anew as they change; what somebody types, and the
//     focus, stays.
//   - A page loads nothing from elsewhere, holds no inline script or style, and
//     shows foreign content only in a frame of the document origin.
//   - Offline is a normal state in words and colour; red is for what is
//     tampered with, returned, failed or overdue, and for the two highest
//     urgency tags.
//   - Each page has one typed view, rendered to memory before the first byte
//     goes out: no half pages.
//
// The package holds no rules about documents: those are the Office's.
package web
