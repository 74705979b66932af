// Package exchange runs the sync engine: it joins a [Transport], the durable
// [storage.Queue] and the identity checks of a [Guard] into one session per
// neighbour.
//
// It promises that the engine's actions happen in the order that the engine
// gave them, that nothing is said to a neighbour before it is durable here,
// that no bundle is taken over before its header and its custody receipt were
// checked, and that one slow or hostile neighbour costs the others nothing:
// each session has its own goroutines and bounded queues. One frame that ends
// the connection each time (a broker refuses it) blocks nothing else: its bundle
// is parked and reported, see [Observer].
//
// What the sessions exchange is specified in sync/README.md; which frame
// follows which is the engine's.
package exchange
