// Package hub is the composition root of tram-hub: it wires broker, relay,
// registry, certificate authority and fleet into one running hub. It holds no
// rules of its own.
//
// It promises that one data folder has one running hub, that a hub which was
// killed at any instant goes on from its store without a hand, and that what
// it refused for a reason that smells of forgery stands in its log and in its
// audit chain (P7).
package hub
