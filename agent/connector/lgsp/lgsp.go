package lgsp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tram/agent/connector"
	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/problem"
)

// Kind is this kind of connectors.
func Kind() connector.Kind {
	return connector.Kind{Name: "lgsp", Open: open, Secret: true, Settings: Settings{}}
}

// Kinds of messages at the axis.
const (
	kindDocument = "edoc"
	kindStatus   = "status"
)

// axis is one connector.
type axis struct {
	env   connector.Env
	desk  connector.Gateway
	axis  *client
	state state

	mu    sync.Mutex
	tries map[string]tries // of messages that could not be taken in
}

// spoolPattern names the files that wait to be sent.
const spoolPattern = "send-*.edxml"

func open(env connector.Env) (connector.Connector, error) {
	c, err := check(env)
	if err != nil {
		return nil, err
	}
	desk, ok := env.Desk.(connector.Gateway)
	if !ok {
		return nil, errors.New("open lgsp: the desk does not take in messages from outside of Trạm")
	}
	left, err := filepath.Glob(filepath.Join(env.Dir, spoolPattern))
	if err != nil {
		return nil, fmt.Errorf("open lgsp: %w", err)
	}
	for _, file := range left { // a crash has left them; they are made again
		if err := os.Remove(file); err != nil {
			return nil, fmt.Errorf("open lgsp: %w", err)
		}
	}
	s, err := openState(env)
	if err != nil {
		return nil, err
	}
	return &axis{env: env, desk: desk, axis: newClient(c), state: s, tries: map[string]tries{}}, nil
}

// Close implements [connector.Connector].
func (a *axis) Close() error {
	a.axis.close()
	return a.state.db.Close()
}

// Every implements [connector.Connector].
func (a *axis) Every() time.Duration { return a.axis.every }

// Wait implements [connector.Patient].
func (a *axis) Wait(n int) time.Duration { return pause(n) }

// told are the statuses of this office that its sender at the axis gets.
var told = []edxml.StatusCode{
	edxml.StatusArrived, edxml.StatusReturned, edxml.StatusAccepted, edxml.StatusAssigned, edxml.StatusInProgress, edxml.StatusDone,
	edxml.StatusAgreed, edxml.StatusRefused,
}

// Wants implements [connector.Connector].
func (a *axis) Wants(e office.Entry) bool {
	if !slices.Contains(e.Via, a.env.Name) {
		return false
	}
	if e.Box == office.Out {
		return e.Type == office.DocumentSaved || e.Code == edxml.StatusTakeBack
	}
	return slices.Contains(told, e.Code)
}

// Deliver implements [connector.Connector].
func (a *axis) Deliver(ctx context.Context, d connector.Delivery) error {
	if d.Entry.Type == connector.DossierChanged {
		return a.dossier(ctx, d)
	}
	doc, err := a.desk.Get(ctx, d.Entry.Document)
	if errors.Is(err, problem.New(problem.NotFound, "document.not-found", "", nil)) {
		return connector.Permanent(err)
	}
	if err != nil {
		return err
	}
	switch {
	case d.Entry.Box == office.In:
		return a.tell(ctx, doc, d.Entry)
	case d.Entry.Code == edxml.StatusTakeBack:
		return a.recall(ctx, doc, d.Entry)
	}
	return a.send(ctx, doc)
}

// Reaches implements [connector.Reacher]: by the patterns of the settings, or
// else by the axis's list.
func (a *axis) Reaches(code string) (p office.Party, ok bool, err error) {
	covered, patterns := a.axis.covers(code)
	if patterns && !covered {
		return office.Party{}, false, nil
	}
	p, ok, err = a.state.agency(code)
	if err != nil || ok || !patterns {
		return p, ok, err
	}
	return office.Party{Code: code, Name: code}, true, nil
}

// Search implements [connector.Reacher].
func (a *axis) Search(ctx context.Context, text string, limit int) ([]office.Party, error) {
	return a.state.search(ctx, text, limit, func(code string) bool {
		covered, patterns := a.axis.covers(code)
		return covered || !patterns
	})
}
