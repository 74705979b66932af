package broker

import (
	"fmt"

	"tram/sync/mqtt"
)

// rights is what one certificate may do, in MQTT filters. The embedded broker
// and every generated configuration are made from it.
type rights struct {
	code, level string
	write, read []string
	presence    string // its own: the only topic that is retained, and of its last will
}

// rightsOf gives the rights of the office or hub that a certificate names.
func rightsOf(topics mqtt.Topics, hub, code string) (rights, error) {
	level, err := mqtt.Level(code)
	if err != nil {
		return rights{}, err
	}
	r := rights{code: code, level: level, presence: topics.Presence(level)}
	if level == hub {
		r.write = []string{topics.Down("+"), r.presence}
		r.read = []string{topics.Up("+"), topics.Presence("+"), topics.Health("+")}
		return r, nil
	}
	r.write = []string{topics.Up(level), r.presence, topics.Health(level)}
	r.read = []string{topics.Down(level), topics.Presence(hub)}
	return r, nil
}

// everybody gives the rights of the hub, first, and of all its offices.
func everybody(hub string, offices []string) ([]rights, error) {
	topics, err := mqtt.TopicsOf(hub)
	if err != nil {
		return nil, fmt.Errorf("check options: %w", err)
	}
	hubLevel, _ := mqtt.Level(hub)
	all := make([]rights, 0, len(offices)+1)
	seen := map[string]string{}
	for i, code := range append([]string{hub}, offices...) {
		r, err := rightsOf(topics, hubLevel, code)
		if err != nil {
			return nil, fmt.Errorf("check options: office %q: %w", code, err)
		}
		if other, twice := seen[r.level]; twice && i > 0 {
			return nil, fmt.Errorf("check options: office %q is the same as %q", code, other)
		}
		seen[r.level] = code
		all = append(all, r)
	}
	return all, nil
}
