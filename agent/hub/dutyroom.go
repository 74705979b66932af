package hub

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/connector/mail"
	"tram/agent/connector/webhook"
	"tram/agent/hub/alert"
	"tram/agent/hub/duty"
	"tram/agent/hub/fleet"
	"tram/agent/hub/incident"
	"tram/agent/hub/registry"
	"tram/agent/hub/software"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

const (
	// DefaultWatchEvery is Options.WatchEvery when that is zero.
	DefaultWatchEvery = 30 * time.Second
	// ordinaryEvery is how often ordinary documents are looked at, tidyDutyEvery how
	// often what is old is removed.
	ordinaryEvery = 10 * time.Minute
	tidyDutyEvery = 6 * time.Hour
	// maxPending bounds the pairs of document and recipient that are looked at.
	maxPending = 50_000
	// stuckAfter is how many looks may fail until the hub gives no sign of life.
	stuckAfter = 4
	// failingFor is how long nothing must get through a channel until it fails.
	failingFor = 5 * time.Minute
	// brokerPatience is how long the broker may be away until that is a condition.
	brokerPatience = time.Minute
	// diskWarning is how many times the reserve is still free when the disk is shown.
	diskWarning = 2
	// alertsDir keeps who has which mail, a folder for each channel.
	alertsDir = "alerts"
)

// Conditions of the hub itself, as in incident.HubDegraded.
const (
	conditionAlerts = "alerts-failing"
	conditionPulse  = "pulse-failing"
	conditionBroker = "broker"
	conditionDisk   = "disk"
)

// hubConditions are all of them.
var hubConditions = []string{conditionAlerts, conditionPulse, conditionBroker, conditionDisk}

// dutyRoom is what a hub has to do with incidents.
type dutyRoom struct {
	room     *duty.Room
	channels []alert.Channel
	poster   *webhook.Poster // nil: none
	pulse    *alert.Pulse    // nil: none
	faults   problem.List    // of the settings of channels
	boxes    map[string]fleet.Watched
	lags     map[string]software.Lag // as of lagged
	lagged   time.Time
	ordinary []incident.Document // as of looked
	looked   time.Time
	tidied   time.Time

	mu   sync.Mutex
	last time.Time // when a look came to its end
}

// openDuty opens the duty room and the channels of its alerts. Faults of the settings
// are problems.
func (h *Hub) openDuty() error {
	cal, err := workdays.Vietnam()
	if err != nil {
		return err
	}
	cfg := h.o.Config.Alerts
	settings := incident.DefaultSettings(cal)
	settings.OnCall = cfg.OnCall
	if settings.Rules, err = settings.Rules.Override(cfg.Rules); err != nil {
		return err
	}
	if h.o.Speed > 0 {
		settings = settings.Faster(h.o.Speed)
	}
	// Documents go on without alerts; that none go out is a condition.
	if err := h.openChannels(); err != nil {
		h.duty.faults = problem.All(err)
		h.log.Error("channels of alerts not opened", "error", err)
	}
	var names []string
	security := false
	for _, c := range h.duty.channels {
		names = append(names, c.Name())
		security = security || c.Name() == alert.Security
	}
	h.duty.boxes = map[string]fleet.Watched{}
	h.duty.room = duty.New(h.db, duty.Options{
		Settings: settings, Channels: names, Logger: h.log.With("part", "duty"), Changed: regroup,
		Skip: func(channel string, n incident.Notice) bool {
			verdict := n.Kind != incident.Test && len(n.Incidents) == 1 && n.Incidents[0].Rule == incident.SignatureBad
			return security && (channel == alert.Security && !verdict && n.Kind != incident.Test || channel == alert.Mail && verdict)
		},
	})
	return nil
}

// openChannels makes the channels of the settings.
func (h *Hub) openChannels() error {
	cfg := h.o.Config.Alerts
	var faults problem.List
	if cfg.Webhook.URL != "" {
		secret, err := h.secret("alerts.webhook.file", cfg.Webhook.Secret)
		faults.Note(err)
		if err == nil {
			if h.duty.poster, err = webhook.NewPoster(webhook.Settings{URL: cfg.Webhook.URL, CA: cfg.Webhook.CA}, secret); err == nil {
				h.duty.channels = append(h.duty.channels, alert.NewWebhook(h.duty.poster))
			}
			faults.Note(under("alerts.webhook", err))
		}
	}
	if cfg.Mail.Server != "" {
		faults.Note(under("alerts.mail", h.openMail(alert.Mail, cfg.Mail.To)))
		if len(cfg.Mail.Security) > 0 {
			faults.Note(under("alerts.mail", h.openMail(alert.Security, cfg.Mail.Security)))
		}
	}
	if len(cfg.Command) > 0 {
		c, err := alert.NewCommand(cfg.Command)
		faults.Note(err)
		if err == nil {
			h.duty.channels = append(h.duty.channels, c)
		}
	}
	if cfg.Pulse.File != "" {
		address, err := h.secret("alerts.pulse.file", cfg.Pulse.File)
		faults.Note(err)
		if err == nil {
			pinger, err := webhook.NewPinger(webhook.Settings{URL: string(address), CA: cfg.Pulse.CA})
			if err != nil { // the address is a secret
				err = problem.New(problem.Usage, "alerts.pulse", "alerts.pulse.file", i18n.Args{"file": cfg.Pulse.File})
			}
			faults.Note(err)
			if err == nil {
				h.duty.pulse = &alert.Pulse{Pinger: pinger, Every: cfg.Pulse.Every, Alive: h.watches, Logger: h.log.With("part", "pulse")}
			}
		}
	}
	return faults.Err()
}

func (h *Hub) openMail(name string, to []string) error {
	cfg := h.o.Config.Alerts.Mail
	dir := filepath.Join(h.o.Dir, alertsDir, name)
	if err := fsx.MkdirAll(fsx.OS, dir, keystore.FolderMode); err != nil {
		return err
	}
	var password []byte
	if cfg.Password != "" {
		var err error
		if password, err = h.secret("alerts.mail.file", cfg.Password); err != nil {
			return err
		}
	}
	s, err := mail.NewSender(mail.Settings{Server: cfg.Server, Security: cfg.TLS, From: cfg.From, To: to, User: cfg.User, CA: cfg.CA},
		password, h.ca.Name, dir, h.log.With("part", "alerts"))
	if err == nil {
		h.duty.channels = append(h.duty.channels, alert.NewMail(name, s))
	}
	return err
}

// under puts the name of a group of settings before the fields of problems.
func under(group string, err error) error {
	if err == nil {
		return nil
	}
	var list problem.List
	for _, p := range problem.All(err) {
		c := *p
		if c.Field != "" && filepath.Ext(c.Field) == "" {
			c.Field = group + "." + c.Field
		}
		list = append(list, &c)
	}
	return list
}

// secret reads a file with a secret, without the white space around it.
func (h *Hub) secret(key, path string) ([]byte, error) {
	data, err := keystore.Load(path)
	if err != nil {
		return nil, problem.New(problem.Usage, "alerts.secret", key, i18n.Args{"file": path, "key": key}).Because(err)
	}
	return bytes.TrimSpace(data), nil
}

// runDuty looks at what is wrong, and tells people, until ctx ends.
func (h *Hub) runDuty(ctx context.Context, group *errgroup.Group) error {
	if err := h.duty.room.Drop(ctx); err != nil {
		return err
	}
	w := alert.Writer{Hub: alert.Party{Code: h.ca.Code, Name: h.ca.Name}, Store: h.db.Epoch().String(), Names: h.OfficeName}
	for _, c := range h.duty.channels {
		group.Go(func() error {
			return alert.Run(ctx, h.duty.room, h.monitor.watched(c), w, h.log.With("part", "alerts"))
		})
	}
	h.looked()
	if h.duty.pulse != nil {
		group.Go(func() error { return h.duty.pulse.Run(ctx) })
	}
	every := cmp.Or(h.o.WatchEvery, DefaultWatchEvery)
	for {
		if err := h.look(ctx, time.Now()); err == nil {
			h.looked()
		} else if ctx.Err() == nil {
			h.log.Error("fleet not looked at for incidents", "error", err)
		}
		select {
		case <-ctx.Done():
			if h.duty.poster != nil {
				return errors.Join(ctx.Err(), h.duty.poster.Close())
			}
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

func (h *Hub) looked() {
	h.duty.mu.Lock()
	defer h.duty.mu.Unlock()
	h.duty.last = time.Now()
}

// watches says why incidents would not be noticed now; nil: they would.
func (h *Hub) watches(ctx context.Context) error {
	h.duty.mu.Lock()
	last := h.duty.last
	h.duty.mu.Unlock()
	if time.Since(last) > stuckAfter*cmp.Or(h.o.WatchEvery, DefaultWatchEvery) {
		return errors.New("the fleet has not been looked at for a while")
	}
	return h.Healthy(ctx)
}

// look takes one look at everything.
func (h *Hub) look(ctx context.Context, now time.Time) error {
	f, err := h.dutyFacts(ctx, now)
	if err != nil {
		return err
	}
	if err := h.duty.room.Step(ctx, now, f); err != nil {
		return err
	}
	if now.Sub(h.duty.tidied) < tidyDutyEvery {
		return nil
	}
	h.duty.tidied = now
	return h.duty.room.Tidy(ctx, now)
}

// dutyFacts are what is known now.
func (h *Hub) dutyFacts(ctx context.Context, now time.Time) (f incident.Facts, err error) {
	link := h.link.Status()
	f.Hub = incident.Hub{Code: h.ca.Code, Up: h.started, Ends: h.ca.Authority.Cert.NotAfter}
	if h.crlPath() != "" {
		f.Hub.List = h.crlLate()
	}
	switch {
	case !link.Connected:
		f.Hub.Up = now // nobody is missed by who can hear nobody
	case link.Since.After(f.Hub.Up):
		f.Hub.Up = link.Since
	}
	if f.Hub.Conditions, err = h.conditions(ctx, now); err != nil {
		return f, err
	}
	if f.Documents, err = h.pending(ctx, now); err != nil {
		return f, err
	}
	f.Agents, err = h.dutyAgents(ctx, now)
	for _, b := range h.duty.boxes {
		f.Signatures = append(f.Signatures, failedAt(b)...)
	}
	return f, err
}

// failedAt are the signatures that a box has told of as failed.
func failedAt(b fleet.Watched) (list []incident.Signature) {
	if b.Last == nil || b.Stopped {
		return nil
	}
	for _, f := range b.Last.Failed { // by the office's clock
		list = append(list, incident.Signature{Sender: f.Sender, Office: b.Code, At: f.Last.Add(time.Duration(b.Last.Clock.Offset) * time.Millisecond)})
	}
	return list
}

// conditions are what is wrong with the hub itself.
func (h *Hub) conditions(ctx context.Context, now time.Time) ([]incident.Condition, error) {
	var list []incident.Condition
	add := func(holds bool, code string) {
		if holds {
			list = append(list, incident.Condition{Code: code})
		}
	}
	link, away := h.link.Status(), h.started
	if link.Since.After(away) {
		away = link.Since
	}
	add(!link.Connected && now.Sub(away) > brokerPatience, conditionBroker)
	free, err := h.blobs.Free()
	if err != nil {
		return nil, err
	}
	add(free < diskWarning*int64(h.o.Config.Storage.Reserve), conditionDisk)
	channels, err := h.duty.room.Channels(ctx)
	if err != nil {
		return nil, err
	}
	failing := len(channels) > 0 || len(h.duty.faults) > 0
	for _, c := range channels {
		failing = failing && !c.Failing.IsZero() && now.Sub(c.Failing) > failingFor
	}
	add(failing, conditionAlerts)
	add(h.duty.pulse != nil && !h.duty.pulse.Failing().IsZero(), conditionPulse)
	return list, nil
}

// letterKinds are the bundles that people wait for.
var letterKinds = []uint8{uint8(bundle.KindDocument), uint8(bundle.KindDossier)}

// pending are the documents that have not reached their recipients. Ordinary ones are
// looked at now and then.
func (h *Hub) pending(ctx context.Context, now time.Time) ([]incident.Document, error) {
	urgent, more, err := h.queue.Pending(ctx, letterKinds, 1, maxPending)
	if err != nil {
		return nil, err
	}
	if more {
		h.log.Warn("more urgent documents wait than are looked at", "pairs", maxPending)
	}
	list := documents(urgent)
	if now.Sub(h.duty.looked) >= ordinaryEvery {
		all, _, err := h.queue.Pending(ctx, letterKinds, 0, maxPending)
		if err != nil {
			return nil, err
		}
		h.duty.ordinary, h.duty.looked = nil, now
		for _, d := range documents(all) {
			if d.Urgency == 0 {
				h.duty.ordinary = append(h.duty.ordinary, d)
			}
		}
	}
	return append(list, h.duty.ordinary...), nil
}

// dutyAgents are the boxes of this hub.
func (h *Hub) dutyAgents(ctx context.Context, now time.Time) ([]incident.Agent, error) {
	boxes, err := h.fleet.Watch(ctx, h.duty.boxes)
	if err != nil {
		return nil, err
	}
	waiting, err := h.queue.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	contacts, err := duty.Contacts(ctx, h.db)
	if err != nil {
		return nil, err
	}
	if now.Sub(h.duty.lagged) >= lagsEvery || now.Before(h.duty.lagged) {
		if h.duty.lags, err = h.releases.Lags(ctx); err != nil {
			return nil, err
		}
		h.duty.lagged = now
	}
	list := make([]incident.Agent, 0, len(boxes))
	for _, b := range boxes {
		contact := contacts[registry.Key(b.Code)]
		a := incident.Agent{
			Code: b.Code, Online: b.Online, Since: b.Since, Waiting: waiting[b.Code], Hours: b.Hours, Away: b.Away,
			Exempt: b.Stopped || !b.Enrolled || b.Seen.IsZero(),
			Round:  len(b.Hours) > 0 && b.Hours.Next(now).IsZero(),
			Site:   incident.Site{Cluster: b.Cluster, Carrier: cmp.Or(contact.Carrier, b.Carrier), Station: contact.Station},
		}
		if b.Last != nil {
			a.Beat = figuresOf(now, b)
			if lag, behind := h.duty.lags[b.Code]; behind {
				a.Beat.Behind, a.Beat.BehindFor = &lag.Releases, now.Sub(lag.Since)
			}
		}
		list = append(list, a)
	}
	return list, nil
}

// lagsEvery is how often it is looked who is behind with updates: alerts of it are weekly.
const lagsEvery = time.Hour

// leastUsual is what a usual day of a SIM is taken for when it is less: five times next
// to nothing is nothing to tell anybody.
const leastUsual = 2 << 20 // bytes

// figuresOf are those of a box's last heartbeat.
func figuresOf(now time.Time, b fleet.Watched) *incident.Beat {
	off := b.Last.Clock.Offset
	f := &incident.Beat{Rate: float64(b.Rate), Certificate: b.Certificate, Backup: b.Last.Backup, Backlog: &b.QueueBytes, Back: b.Back}
	clock := float64(off) / 1000
	f.Clock = &clock
	for _, l := range b.Last.Queue.Levels { // by the office's clock
		f.Oldest[l.Urgency] = max(0, now.Sub(l.Since.Add(time.Duration(off)*time.Millisecond)))
	}
	if b.DiskDays != nil {
		days := float64(*b.DiskDays)
		f.Full = &days
	}
	if m := b.Last.Budget; m != nil && m.Limit > 0 && m.Forecast != nil {
		share := float64(*m.Forecast) / float64(m.Limit)
		f.SIM = &share
	}
	if m := b.Last.Budget; m != nil && m.Usual > 0 {
		times := float64(m.Today) / float64(max(m.Usual, leastUsual))
		f.Jump = &times
	}
	return f
}

// regroup tells the fleet which boxes are part of a group incident.
func regroup(tx *sqlite.Tx, r incident.Result) error {
	grouped := map[incident.ID]bool{}
	for _, i := range r.Incidents {
		grouped[i.ID] = i.Group != nil
	}
	for _, e := range r.Events {
		if !grouped[e.Incident] || e.Member == "" {
			continue
		}
		in := ""
		if e.Kind == incident.Joined {
			in = strconv.FormatInt(int64(e.Incident), 10)
		}
		if err := fleet.Group(tx, []string{e.Member}, in); err != nil {
			return err
		}
	}
	return nil
}

// OfficeName is the name of an office; what is the code of none, as it is.
func (h *Hub) OfficeName(code string) string { return cmp.Or(h.nameOf(code), code) }
