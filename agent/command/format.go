package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"tram/sync/schedule"
)

// Name says what is to be done.
type Name string

// The names. They are part of the format: never rename one.
const (
	Ping        Name = "ping"        // answer
	Diagnostics Name = "diagnostics" // tell how the box stands
	Hold        Name = "hold"        // exchange urgent documents alone until Resume, or a time
	Resume      Name = "resume"      // end a Hold
	Resync      Name = "resync"      // begin a new session, in which all that waits is offered again
	Support     Name = "support"     // give the support archive
)

// Names lists them all.
var Names = []Name{Ping, Diagnostics, Hold, Resume, Resync, Support}

// Known reports whether the name is one of the above.
func (n Name) Known() bool { return slices.Contains(Names, n) }

// Urgency is that of orders, and of answers without an archive: a Hold must not keep
// back what ends it.
const Urgency = schedule.MostUrgent

const (
	version = 1
	// DefaultLife is how long an order waits for its office.
	DefaultLife = 24 * time.Hour
)

// Limits, hard. What is over one is not a payload of this format.
const (
	MaxOrder   = 4 << 10   // bytes of an order
	MaxAnswer  = 6 << 20   // bytes of an answer
	MaxResult  = 256 << 10 // bytes of its result
	MaxArchive = 4 << 20   // bytes of its archive
	maxBy      = 100       // characters of who ordered it
)

var (
	// ErrMalformed says that bytes are no payload of this format.
	ErrMalformed = errors.New("malformed command")
	// ErrVersion says that they are of a later version of it.
	ErrVersion = errors.New("unknown version of command")

	word = regexp.MustCompile(`^[a-z][a-z-]{0,31}$`)
)

// Order is the payload of a bundle of kind command from a hub to an office. The
// bundle's header says its id, when it was made and until when it holds.
type Order struct {
	Version int       `json:"v"`
	Command Name      `json:"command"` // not always Known
	Until   time.Time `json:"until,omitzero"`
	By      string    `json:"by"` // account of the hub
}

// Encode writes the payload.
func (o Order) Encode() ([]byte, error) {
	o.Version, o.Until = version, o.Until.UTC().Truncate(time.Second)
	if err := o.check(); err != nil {
		return nil, err
	}
	return json.Marshal(o)
}

func (o Order) check() error {
	switch {
	case !word.MatchString(string(o.Command)):
		return fmt.Errorf("%w: name %q", ErrMalformed, o.Command)
	case o.By == "" || !utf8.ValidString(o.By) || utf8.RuneCountInString(o.By) > maxBy || bytes.ContainsFunc([]byte(o.By), unicode.IsControl):
		return fmt.Errorf("%w: who ordered it", ErrMalformed)
	}
	return nil
}

// ParseOrder reads a payload. Unknown fields are ignored.
func ParseOrder(data []byte) (o Order, err error) {
	if err := read(data, MaxOrder, &o, &o.Version); err != nil {
		return Order{}, err
	}
	o.Until = o.Until.UTC()
	if err := o.check(); err != nil {
		return Order{}, err
	}
	return o, nil
}

// read decodes bounded JSON of a known version.
func read(data []byte, limit int, into any, v *int) error {
	if len(data) > limit {
		return fmt.Errorf("%w: %d bytes exceed the limit of %d", ErrMalformed, len(data), limit)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if *v != version {
		return fmt.Errorf("%w: %d", ErrVersion, *v)
	}
	return nil
}

// State is how far an order is at its office.
type State string

// The states. They are part of the format: never rename one.
const (
	New     State = "new"     // here and not done; never in an answer
	Waiting State = "waiting" // for somebody at the box to allow it
	Done    State = "done"
	Refused State = "refused" // and never done
)

// Reasons of a refusal, in an answer. They are part of the format: never rename one.
const (
	WhyUnknown    = "unknown"    // no such command, in this version
	WhyUnreadable = "unreadable" // no payload that this version reads
	WhyExpired    = "expired"    // its time was over
	WhyDeclined   = "declined"   // somebody at the box said no
	WhyFailed     = "failed"     // it was tried; the box's log says why not
	WhyTooLarge   = "too-large"  // the answer is over its limit
)

// Answer is the payload of a bundle of kind command from an office to its hub. There
// may be one of state Waiting before the last one.
type Answer struct {
	Version int             `json:"v"`
	Order   uuid.UUID       `json:"order"`   // bundle that it answers
	Command Name            `json:"command"` // as ordered, "" for what was unreadable
	State   State           `json:"state"`
	Why     string          `json:"why,omitempty"`    // of Refused
	At      time.Time       `json:"at"`               // when it came to that, by the office's clock
	Result  json.RawMessage `json:"result,omitempty"` // object, of Done
	Archive []byte          `json:"archive,omitempty"`
}

// Encode writes the payload.
func (a Answer) Encode() ([]byte, error) {
	a.Version, a.At = version, a.At.UTC()
	if err := a.check(); err != nil {
		return nil, err
	}
	return json.Marshal(a)
}

func (a Answer) check() error {
	switch {
	case a.Order == uuid.Nil:
		return fmt.Errorf("%w: it answers nothing", ErrMalformed)
	case a.State != Waiting && a.State != Done && a.State != Refused:
		return fmt.Errorf("%w: state %q", ErrMalformed, a.State)
	case a.Command != "" && !word.MatchString(string(a.Command)):
		return fmt.Errorf("%w: name %q", ErrMalformed, a.Command)
	case (a.State == Refused) != (a.Why != "") || a.Why != "" && !word.MatchString(a.Why):
		return fmt.Errorf("%w: reason %q of state %q", ErrMalformed, a.Why, a.State)
	case len(a.Result) > MaxResult || len(a.Archive) > MaxArchive:
		return fmt.Errorf("%w: it is too large", ErrMalformed)
	case len(a.Result) > 0 && a.Result[0] != '{':
		return fmt.Errorf("%w: the result is no object", ErrMalformed)
	}
	return nil
}

// ParseAnswer reads a payload. Unknown fields are ignored.
func ParseAnswer(data []byte) (a Answer, err error) {
	if err := read(data, MaxAnswer, &a, &a.Version); err != nil {
		return Answer{}, err
	}
	a.At = a.At.UTC()
	if err := a.check(); err != nil {
		return Answer{}, err
	}
	return a, nil
}
