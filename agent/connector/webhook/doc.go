// Package webhook tells another maker's software over HTTP what happens to the
// office's documents, in the form of Standard Webhooks, for systems that would
// rather be called than ask.
//
// It promises:
//
//   - One POST for each entry of the feed that is wanted, in the order of its
//     document, repeated until the receiver answers 2xx. Its webhook-id is the same
//     each time, so that the receiver can drop repeats.
//   - Nothing personal leaves the house: a message names the document and what
//     happened, not its subject, people or content. Whoever wants those asks the
//     REST interface with a key of its own.
//   - Every message is signed with each secret that is set; nothing goes over
//     plain HTTP beyond this machine, to an address that answers for a machine's
//     own metadata, through a proxy, or to where a redirect points.
//
// Its specification for receivers is in the README of the folder agent.
package webhook
