// Package schedule decides what of the waiting documents goes over a line next,
// and what may go over it at all. It is pure: no clock, no I/O, no chance.
package schedule
