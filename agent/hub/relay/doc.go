// Package relay is what a hub does with the bundles that it has custody of: it
// finds each recipient in the registry and makes the bundle outgoing to it,
// and it answers for the offices that it does not know.
//
// It promises that routing a bundle is one transaction (a crash leaves it
// either unrouted in the inbox or wholly routed), that content is never copied
// or opened, that every recipient that cannot be reached is reported to the
// sender in a signed notice, and that an office is offered only what its own
// neighbour may hand over (P7).
//
// It also hands the registry on: each office gets, as bundles of kind
// registry, the cards that are newer than what it holds.
package relay
