package software

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"tram/agent/hub/registry"
	"tram/agent/release"
)

// Member tells whether an office gets a release as far as its rings are open. The share
// of ring 1 is drawn from the code, so that every hub draws the same.
func Member(p release.Plan, code string) bool {
	if p.Stopped {
		return false
	}
	return Ring(p, code) <= p.Ring
}

// Ring is the ring of an office.
func Ring(p release.Plan, code string) int {
	key := registry.Key(code)
	switch {
	case slices.ContainsFunc(p.Named, func(c string) bool { return registry.Key(c) == key }):
		return release.RingNamed
	case draw(key) < p.Percent:
		return release.RingShare
	}
	return release.RingAll
}

// draw is a number from 0 to 99 that an office always draws.
func draw(key string) int {
	sum := sha256.Sum256([]byte("tram-ring-1 " + key))
	return int(binary.BigEndian.Uint64(sum[:]) % 100)
}

// Hold is what the rings that are open say about the next one.
type Hold string

// Holds. Never rename one: the console and the command line have words for them.
const (
	Go      Hold = "go"      // the next ring may open
	Wait    Hold = "wait"    // not enough of this ring have it yet
	Failing Hold = "failing" // too many took it back or are silent
)

// Judge tells whether the ring after one with these counts may open, when most percent
// may have failed or be silent. A ring without offices holds nothing up.
func Judge(c release.Count, most int) Hold {
	bad := min(c.Failed+c.Silent, c.Offices)
	switch {
	case bad*100 > most*c.Offices:
		return Failing
	case (c.Done+bad)*100 >= (100-most)*c.Offices:
		return Go
	}
	return Wait
}

// sum adds counts of one release and ring.
func sum(list []release.Count, serial uint64, ring int) (c release.Count) {
	c.Serial, c.Ring = serial, ring
	for _, o := range list {
		if o.Serial == serial && o.Ring == ring {
			c.Offices, c.Done, c.Failed, c.Silent = c.Offices+o.Offices, c.Done+o.Done, c.Failed+o.Failed, c.Silent+o.Silent
		}
	}
	return c
}
