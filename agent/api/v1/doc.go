// Package v1 is the office's public interface for software of any maker: a REST
// API under /api/v1/, described by an OpenAPI document that it serves itself.
//
// It promises:
//
//   - What the document says is what the interface does: tests hold each
//     operation, answer and refusal to it. Within v1 nothing is renamed or
//     removed.
//   - A document is saved when the answer says so, and sending twice with one
//     Idempotency-Key saves it once, whatever crashes in between (P1, P2): the
//     answer is kept in the transaction that saves the document.
//   - A dossier is filed once for its reference and for its Idempotency-Key, and what
//     is done to it is kept with its answer (P1, P2).
//   - An upload goes on where its durable bytes end, also after a power cut (P4).
//   - Each refusal is a problem of RFC 9457 with a code that does not change, the
//     field, what to do next, in both languages, and a type that resolves to a
//     page.
//   - An application does what its scopes allow. One that sees only its own
//     documents or dossiers gets of all others the answer that they do not exist, in every
//     operation.
//   - Calls, bytes, waits, uploads and their lives are bounded by named limits
//     (P9); each application has an allowance of its own.
//   - Each change and the first reading of a content in a day stand in the audit
//     log with the actor "app:NAME". Lists and states are counted alone: they are
//     asked for every few seconds and would bury the rest.
//
// It expects the guards of httpd in front of it. It reads and sets no cookies, so
// that no browser can be made to call it for somebody.
package v1
