// Package agent is the composition root of an office's program: it opens
// stores and keys, wires the office's work, its pages, its local interface and
// its session with the hub, and runs them as one. It holds no rules of its own.
//
// It promises that one data folder has one running agent, that a box without
// an identity serves its command line and joins as soon as its hub can be
// reached, that an agent killed at any instant goes on from its store without
// a hand, and that everything local works without a link (P8).
package agent
