package broker

import (
	"fmt"
	"slices"

	"github.com/mochi-mqtt/server/v2/packets"

	"tram/sync/mqtt"
)

// acl is what one certificate may do. Its topics are exact; the hub's filters
// with a wildcard are granted literally.
type acl struct {
	level string       // client id
	write []string     // topics it may publish to
	read  []string     // filters it may subscribe to
	will  string       // the only topic of a last will
	hub   *mqtt.Topics // set for the hub: it writes to every down topic
	watch *mqtt.Topics // set for a watcher, see below
}

// watcherEnd ends the client id of a tool that watches with the hub's certificate,
// beside the hub's own connection.
const watcherEnd = ":watch"

// watcher gives what is left of the hub's rights for a connection with such a client
// id: it reads presence and heartbeats, and writes nothing. Others keep their rights.
func (a *acl) watcher(id string) *acl {
	if a.hub == nil || id != a.level+watcherEnd {
		return a
	}
	return &acl{level: id, read: []string{a.hub.Presence("+"), a.hub.Health("+")}, watch: a.hub}
}

// rules gives the rights of the office or hub named by a certificate.
func rules(topics mqtt.Topics, hubLevel, code string) (*acl, error) {
	r, err := rightsOf(topics, hubLevel, code)
	if err != nil {
		return nil, err
	}
	a := &acl{level: r.level, write: r.write, read: r.read, will: r.presence}
	if r.level == hubLevel {
		a.hub = &topics
	}
	return a, nil
}

func (a *acl) mayWrite(topic string) bool {
	if slices.Contains(a.write, topic) {
		return true
	}
	if a.hub == nil {
		return false
	}
	level, ok := a.hub.OfDown(topic)
	return ok && level != a.level
}

// mayRead decides about a filter, and about each topic that is delivered.
func (a *acl) mayRead(filter string) bool {
	return slices.Contains(a.read, filter) || a.hub != nil && a.hub.ToHub(filter) || a.watch != nil && a.watch.Watched(filter)
}

// checkWill says what is wrong with a last will, if anything.
func (a *acl) checkWill(c packets.ConnectParams) string {
	switch {
	case !c.WillFlag:
	case c.WillTopic != a.will:
		return "last will is for another topic than its own presence"
	case len(c.WillPayload) > mqtt.MaxPresence:
		return "last will is too large"
	}
	return ""
}

// checkNames compares what a client calls itself with its certificate.
func (a *acl) checkNames(id, user string) error {
	for _, name := range []string{id, user} {
		if name == "" && id != "" {
			continue // no user name is fine
		}
		// Both the code and the level are accepted, in any case.
		if level, err := mqtt.Level(name); err == nil && level == a.level {
			continue
		}
		if name == a.level {
			continue
		}
		return fmt.Errorf("name %.80q is not that of the certificate", name)
	}
	return nil
}
