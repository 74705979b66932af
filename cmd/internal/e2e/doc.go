// Package e2e tries the built programs as their users do: real processes, a
// real broker, real files, on this machine. It holds tests only.
//
// Its promise is that each promise of the product that a person could check
// from outside has a test here that does.
package e2e
