package agent

import (
	"context"
	"slices"
	"time"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/line"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/sync/exchange"
)

// openLine makes the rules of the line hold, before anything goes over it.
func (d *desk) openLine(ctx context.Context) (err error) {
	metered, modem := d.o.Config.Metered, d.o.Config.Line
	d.line, err = line.New(ctx, line.Options{
		DB: d.db, Connection: d.link, Node: d.node, Waiting: d.waiting, Waits: d.waits,
		Now: d.vietnamTime, Trusted: func() bool { trusted, _ := d.clock.Trusted(); return trusted },
		Ordered: d.ordered,
		Metered: metered.Interfaces, Month: metered.Month,
		Policy: line.Policy{
			Urgency: level(metered.Urgency), Size: int64(metered.Size), Budget: int64(metered.Budget), Hours: metered.Hours,
		},
		Modem: line.Modem{
			Up: modem.Up, Down: modem.Down, Times: modem.Times, Urgency: level(modem.Urgency), Idle: modem.Idle, Timeout: modem.Timeout,
		},
		Logger: d.log.With("part", "line"),
	})
	return err
}

// level is the urgency of a word of the settings; config.Never is above all.
func level(word string) uint8 {
	if i := slices.Index(config.Urgencies, word); i >= 0 {
		return uint8(i)
	}
	return uint8(len(config.Urgencies))
}

func (d *desk) vietnamTime() time.Time { return d.clock.Now().In(clock.Vietnam) }

func (d *desk) waiting(ctx context.Context) ([4]int, error) {
	s, err := d.office.Summary(ctx)
	return s.ByUrgency, err
}

// waits tells whether a document is on its way to the hub.
func (d *desk) waits(ctx context.Context, id storage.ID) (bool, error) {
	doc, err := d.office.Get(ctx, id)
	if problem.From(err).Class == problem.NotFound {
		return false, nil
	}
	return doc.Box == office.Out && (doc.State == office.Saved || doc.State == office.Sending), err
}

// First has a document that waits sent first, whatever the rules of the line
// say. A document that does not wait is the problem "queue.not-waiting".
func (d *desk) First(ctx context.Context, id storage.ID) error {
	doc, err := d.office.Get(ctx, id)
	if err != nil {
		return err
	}
	if waits, err := d.waits(ctx, id); err != nil || !waits {
		return problem.New(problem.Conflict, "queue.not-waiting", "", i18n.Args{"subject": doc.Subject}).Because(err)
	}
	return d.line.First(ctx, id)
}

// arriving lists what the hub is handing over.
func (d *desk) arriving() []api.Arriving {
	list := []api.Arriving{}
	for _, a := range d.node.Arriving() {
		list = append(list, api.Arriving{ID: a.ID, From: a.From, Urgency: a.Urgency, Size: a.Size, Here: a.Here, Held: a.Held})
	}
	return list
}

// bring has something that arrives come first, whatever the rules of the line
// say. What does not arrive is the problem "queue.not-arriving".
func (d *desk) bring(_ context.Context, id storage.ID) error {
	if !slices.ContainsFunc(d.node.Arriving(), func(a exchange.Arriving) bool { return a.ID == id }) {
		return problem.New(problem.NotFound, "queue.not-arriving", "id", i18n.Args{"id": id})
	}
	if !d.node.First(id) {
		return problem.New(problem.Conflict, "queue.too-many-first", "", nil)
	}
	return nil
}

// IsFirst tells whether somebody asked for that.
func (d *desk) IsFirst(id storage.ID) bool { return d.line.IsFirst(id) }

// lineStatus fills in how the line stands.
func (d *desk) lineStatus(s *api.Status) {
	now := d.line.State()
	rules := now.Verdict.Rules
	s.Link.Interface, s.Link.Metered = now.Interface, now.Metered
	s.Link.Rules = api.Rules{Code: now.Verdict.Code, MinUrgency: rules.MinUrgency, MaxSize: rules.MaxSize}
	if sync, ok := d.node.Stats(d.id.Hub); ok {
		s.Link.Rate, s.Link.RTT, s.Link.Window = int64(sync.Line.Rate), sync.Line.RTT.Milliseconds(), sync.Window
	}
	s.Budget = api.Budget{Used: now.Account.Used, Limit: now.Limit, Today: now.Account.Today, Usual: max(0, now.Account.Usual), Resets: now.Account.Resets}
	if now.Account.Forecast >= 0 {
		s.Budget.Forecast = &now.Account.Forecast
	}
}

// forecast is 0 when there is none.
func forecast(b api.Budget) int64 {
	if b.Forecast == nil {
		return 0
	}
	return *b.Forecast
}
