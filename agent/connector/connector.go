package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"tram/agent/dossier/dongbo"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// Connector carries documents between the office and one system of another
// maker. The host calls Collect from one goroutine and Deliver from up to
// [Parallel] others, for different documents. All of them end soon after their
// context does. Embed [Base] for what a kind does not do.
type Connector interface {
	// Wants reports whether an entry is to be delivered. It looks at the entry
	// alone, quickly, and says the same each time.
	Wants(e office.Entry) bool
	// Deliver hands one entry to the other system. It may be called again for an
	// entry that it has delivered, after a crash: the other system must then be
	// able to tell, by the entry's cursor or the document's ID, or see no change.
	// nil: done. An error made by [Permanent] or [Stop] makes it a dead letter, any
	// other one is tried again later, see [After]. Memory does not grow with the
	// document.
	Deliver(ctx context.Context, d Delivery) error
	// Every is the time between rounds of Collect, 0 when there is nothing to
	// collect.
	Every() time.Duration
	// Collect hands to the office what the other system has for it: one round,
	// then it returns. It lets go of nothing there before the office has it
	// durably, and what it finds twice the office takes once. A message that the
	// office refuses is set aside where a person finds it with the reason, and
	// the round goes on; an error says that the other system cannot be reached or
	// does not do its part, and the round is tried again later.
	Collect(ctx context.Context) error
	// Close lets go of what Open took. It is called once, after the last call
	// has returned.
	Close() error
}

// Base is a connector that does nothing.
type Base struct{}

// Wants implements [Connector].
func (Base) Wants(office.Entry) bool { return false }

// Deliver implements [Connector].
func (Base) Deliver(context.Context, Delivery) error { return nil }

// Every implements [Connector].
func (Base) Every() time.Duration { return 0 }

// Collect implements [Connector].
func (Base) Collect(context.Context) error { return nil }

// Close implements [Connector].
func (Base) Close() error { return nil }

// Tester is a [Connector] that can show a person that the other system listens.
type Tester interface {
	// Test sends something that is no event of a document, and says how it went. It
	// may run beside another connector of the same settings.
	Test(ctx context.Context) error
}

// Delivery is an entry on its way.
type Delivery struct {
	Entry office.Entry
	Tries int       // that have failed
	Since time.Time // of the first one; zero before it
}

// Within makes an error permanent when the first try was longer than life ago.
func (d Delivery) Within(life time.Duration, now time.Time, err error) error {
	if err != nil && !d.Since.IsZero() && now.Sub(d.Since) > life {
		return Permanent(err)
	}
	return err
}

// Kind makes connectors of one kind.
type Kind struct {
	Name string // in lower case, for commands and settings
	// Open checks the settings and makes a connector of them. It does not wait
	// for the other system. Faults of the settings are a problem.List.
	Open func(env Env) (Connector, error)
	// Secret says whether it needs a secret, such as a password.
	Secret bool
	// Settings is the zero value of the struct that Open decodes settings into, for
	// forms; nil when there are none.
	Settings any
}

// Env is what a connector gets.
type Env struct {
	Name     string          // its own, unique in the office
	Office   office.Party    // this office
	Settings json.RawMessage // an object, see [Decode]
	Secret   []byte          // nil for none
	Desk     Desk
	// Dossiers are the office's one-stop dossiers, nil when it has none. See [DossierTaker].
	Dossiers dongbo.Source
	// Dir is a folder of its own for state and temporary files. It exists.
	Dir    string
	Logger *slog.Logger
	Now    func() time.Time
}

// Desk is what a connector may do in the office; *office.Office implements it.
type Desk interface {
	Import(ctx context.Context, h office.Handover) (office.Imported, error)
	Send(ctx context.Context, d office.Draft) (office.Document, error)
	Get(ctx context.Context, id storage.ID) (office.Document, error)
	Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error)
	ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error
	Export(ctx context.Context, id storage.ID, w io.Writer) error
}

// By is how a connector names itself in the audit log.
func By(name string) string { return "connector:" + name }

// Decode reads settings into a struct. An unknown or wrong setting is a problem
// that names it.
func Decode(settings json.RawMessage, into any) error {
	if len(settings) == 0 {
		settings = json.RawMessage(`{}`)
	}
	d := json.NewDecoder(bytes.NewReader(settings))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		var wrong *json.UnmarshalTypeError
		field := ""
		if errors.As(err, &wrong) {
			field = wrong.Field
		}
		return problem.New(problem.Usage, "connector.settings", field, i18n.Args{"why": err.Error()}).Because(err)
	}
	return nil
}

// Fault is a setting with a value that does not fit. want says what would, in
// words of no language, such as "https://…".
func Fault(setting, value, want string) *problem.Problem {
	return problem.New(problem.Usage, "connector.setting", setting, i18n.Args{"setting": setting, "value": value, "want": want})
}

// Refused reports whether the office will never take what it was handed: every
// problem is one of the input. Otherwise it is worth trying again, as with a
// full disk.
func Refused(err error) bool {
	for _, p := range problem.All(err) {
		switch p.Class {
		case problem.Usage, problem.NotFound, problem.Conflict, problem.Denied, problem.BadSeal:
		default:
			return false
		}
	}
	return true
}
