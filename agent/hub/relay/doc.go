// Package relay is what a hub does with the bundles that it has custody of: it
// finds the next hop of each recipient, makes the bundle outgoing to it, and
// answers for the offices that it does not know.
//
// It promises that routing a bundle is one transaction (a crash leaves it
// either unrouted in the inbox or wholly routed), that content is never copied
// or opened, that every recipient that cannot be reached is reported to the
// sender in a signed notice, and that a bundle is taken only from the neighbour
// through which its sender is reached (P7). Bundles go along a tree and are
// routed once, so none runs in a circle.
//
// What a hub has passed on it keeps, and offers again to a neighbour whose
// store was replaced, until that is of no more use (P3): a document or dossier to
// an office until the office's status comes through, whatever goes to another hub
// until that hub reports it as passed on, and all of it at most for its lifetime.
//
// What this hub publishes it brings to those below, and takes what they report and
// what the hub above publishes; from nobody else (P7).
//
// It also hands the registry on: each neighbour gets, as bundles of kind
// registry, the cards that are newer than what it holds and that it is not
// itself the way to.
package relay
