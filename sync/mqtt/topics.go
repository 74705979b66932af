package mqtt

import (
	"errors"
	"fmt"
	"strings"

	"tram/sync/wire"
)

// MaxCode bounds an office code, in bytes.
const MaxCode = 64

// MaxPacket is the largest MQTT packet that is sent or accepted, in bytes
// after the fixed header: a frame and its topic.
const MaxPacket = wire.MaxFrame + 1<<10

// ErrCode says that an office code cannot be a topic level.
var ErrCode = errors.New("office code is not usable as a topic level")

// root is the first two levels of every topic: the name and the version.
const root = "tram/1/"

// Kinds of topic, the level before the office.
const (
	kindUp       = "up"
	kindDown     = "down"
	kindPresence = "presence"
	kindHealth   = "health"
)

// Level gives the topic level of an office code: lower case, with '.' written
// '_', because brokers with dotted subjects treat '.' as a separator. Codes
// that differ only in case are one office. A code holds ASCII letters, digits,
// '.', '-' and ':' only, so two offices never share a level and a code cannot
// be a wildcard or a separator; anything else is [ErrCode].
func Level(code string) (string, error) {
	if code == "" || len(code) > MaxCode {
		return "", fmt.Errorf("%w: %d bytes", ErrCode, len(code))
	}
	level := []byte(code)
	for i, c := range level {
		switch {
		case 'A' <= c && c <= 'Z':
			level[i] = c + 'a' - 'A'
		case c == '.':
			level[i] = '_'
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == ':':
		default:
			return "", fmt.Errorf("%w: %q at byte %d", ErrCode, c, i)
		}
	}
	return string(level), nil
}

// Topics names the topics below one hub.
type Topics struct{ prefix string }

// TopicsOf gives the topics of the hub with this code.
func TopicsOf(hub string) (Topics, error) {
	level, err := Level(hub)
	if err != nil {
		return Topics{}, fmt.Errorf("hub: %w", err)
	}
	return Topics{prefix: root + level + "/"}, nil
}

// Up carries frames from the office to the hub.
func (t Topics) Up(level string) string { return t.prefix + kindUp + "/" + level }

// Down carries frames from the hub to the office.
func (t Topics) Down(level string) string { return t.prefix + kindDown + "/" + level }

// Presence holds the retained presence of the office or hub.
func (t Topics) Presence(level string) string { return t.prefix + kindPresence + "/" + level }

// Health carries heartbeats from the office.
func (t Topics) Health(level string) string { return t.prefix + kindHealth + "/" + level }

// split takes a topic apart; ok is false when it is not below this hub.
func (t Topics) split(topic string) (kind, level string, ok bool) {
	rest, ok := strings.CutPrefix(topic, t.prefix)
	if !ok {
		return "", "", false
	}
	kind, level, ok = strings.Cut(rest, "/")
	return kind, level, ok && level != "" && !strings.Contains(level, "/")
}

// OfDown gives the level in a topic that carries frames to an office.
func (t Topics) OfDown(topic string) (level string, ok bool) {
	kind, level, ok := t.split(topic)
	return level, ok && kind == kindDown && usable(level)
}

// usable says whether Level could have given this level.
func usable(level string) bool {
	if level == "" || len(level) > MaxCode {
		return false
	}
	for i := range len(level) {
		switch c := level[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == ':', c == '_':
		default:
			return false
		}
	}
	return true
}

// FilterToHub gives the hub's filter that covers a topic of an office's frames
// or heartbeats.
func (t Topics) FilterToHub(topic string) (filter string, ok bool) {
	kind, level, ok := t.split(topic)
	if !ok || !usable(level) || (kind != kindUp && kind != kindHealth) {
		return "", false
	}
	return t.prefix + kind + "/+", true
}

// ToHub says whether a topic is one that the hub reads.
func (t Topics) ToHub(topic string) bool {
	kind, level, ok := t.split(topic)
	return ok && usable(level) && (kind == kindUp || kind == kindHealth || kind == kindPresence)
}

// IsPresence says whether a topic holds the presence of an office or the hub.
func (t Topics) IsPresence(topic string) bool {
	kind, level, ok := t.split(topic)
	return ok && usable(level) && kind == kindPresence
}

// Watched says whether a topic is one that tools beside the hub may read: the presence
// or the heartbeat of an office or the hub.
func (t Topics) Watched(topic string) bool {
	kind, level, ok := t.split(topic)
	return ok && usable(level) && (kind == kindPresence || kind == kindHealth)
}
