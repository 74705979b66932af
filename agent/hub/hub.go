package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/config"
	"tram/agent/countersign"
	"tram/agent/guard"
	"tram/agent/hub/ca"
	"tram/agent/hub/catalogue"
	"tram/agent/hub/command"
	"tram/agent/hub/duty"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/agent/hub/relay"
	"tram/agent/hub/report"
	"tram/agent/hub/rollup"
	"tram/agent/hub/software"
	"tram/agent/hub/sso"
	"tram/agent/hub/vitals"
	"tram/agent/identity"
	"tram/agent/lineage"
	"tram/agent/stick"
	"tram/agent/web/account"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/broker"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/mqtt"
	"tram/sync/usb"
)

const (
	// databaseFile and blobDir lie in the data folder.
	databaseFile = "hub.db"
	blobDir      = "blobs"
	// rebuildFor is how long a restored hub waits for unknown recipients to
	// greet it before it calls them undeliverable.
	rebuildFor = 7 * 24 * time.Hour
	// newsEvery is how often online offices are sent what is new in the
	// registry: enrolments of a round go together.
	newsEvery = time.Second
	// recordEvery is how often at most it is written down who came and went.
	recordEvery = 100 * time.Millisecond
	// cachedCards is how many cards a hub keeps in memory: those of all offices
	// that greet it at the same time.
	cachedCards = 16 << 10
	// gcPercent is the garbage collector's GOGC of a hub. Most of its memory is
	// sessions at rest, and with the usual 100 as much again would be garbage: with
	// 11,000 offices some 250 MB more for some percent less work.
	gcPercent = 25
	// backlog is how many outgoing bundles a hub holds in memory for each office,
	// the most urgent first; the rest waits in the queue.
	backlog = 32
	// DefaultRenewEvery is Options.RenewEvery when that is zero.
	DefaultRenewEvery = 5 * time.Minute
	// looksInLife is how often at least the hub looks in a certificate's life: twice
	// between two thirds and three quarters of it, when an office asks by itself.
	looksInLife = 24
	// tidyEvery is how often expired bundles and unused content are removed.
	tidyEvery = 10 * time.Minute
)

// Options configures a Hub.
type Options struct {
	Dir     string
	Config  *config.Hub
	Logger  *slog.Logger
	Version string
	// RenewEvery is how often the hub looks for certificates of offices on the
	// line that are due; zero is DefaultRenewEvery, or often enough for lives that
	// are short.
	RenewEvery time.Duration
	// ReportEvery is how often at most the hub above is told figures that have
	// changed, and PublishEvery how often the hub looks who lacks something of its
	// catalogue; zero: dossier.DefaultReportEvery, DefaultPublishEvery.
	ReportEvery, PublishEvery time.Duration
	// Disk holds content in custody, and Machine tells the time; nil: the real ones.
	Disk    fsx.Disk
	Machine vitals.Machine
	// WatchEvery is how often it is looked for incidents; zero: DefaultWatchEvery.
	WatchEvery time.Duration
	// Speed is how many times as fast as usual the times of incidents run, for trials;
	// zero: as usual.
	Speed int
}

// Hub is a hub with its stores open.
type Hub struct {
	o        Options
	log      *slog.Logger
	unlock   func() error
	db       *sqlite.DB
	blobs    *blob.Store
	queue    *queue.Queue
	ca       *ca.CA
	id       *identity.Identity
	registry *registry.Registry
	relay    *relay.Relay
	fleet    *fleet.Fleet
	onestop  onestop
	clock    *vitals.Clock
	vitals   *vitals.Watch
	duty     dutyRoom
	monitor  *monitor // nil: nobody may ask
	reports  *report.Reports
	accounts *account.Store // of the console
	signOn   *sso.Client    // nil: accounts have passwords alone
	commands *command.Book
	releases *software.Software
	updates  chan struct{} // somebody may lack software
	seen     *seen
	node     *exchange.Node
	link     *mqtt.Hub
	usb      *usb.Local
	broker   *broker.Broker
	lineage  *lineage.Lineage
	logs     logs
	witness  ca.Witness
	pages    *ca.PagesCA
	crl      crlFile
	card     []byte // the hub's own
	serial   uint64 // of card
	// greetings has one in it when somebody has greeted since renew last looked.
	greetings chan struct{}
	upstream  upstream
	started   time.Time // when Open was called
	rebuild   time.Time // until then unknown offices are waited for
}

// Schemas are the tables of a hub's database.
func Schemas() []sqlite.Schema {
	return []sqlite.Schema{queue.Schema, audit.Schema, registry.Schema, relay.Schema, ca.Schema, fleet.Schema, stick.Schema, lineage.Schema, countersign.Schema, catalogue.Schema, rollup.Schema, report.Schema, duty.Schema, account.Schema, command.Schema, software.Schema, vitals.Schema}
}

// OpenDB opens the database of the hub in dir.
func OpenDB(ctx context.Context, dir string, readOnly bool, log *slog.Logger) (*sqlite.DB, error) {
	return openDB(ctx, dir, sqlite.Options{ReadOnly: readOnly, Logger: log})
}

func openDB(ctx context.Context, dir string, o sqlite.Options) (*sqlite.DB, error) {
	o.Schemas = Schemas()
	return sqlite.Open(ctx, filepath.Join(dir, databaseFile), o)
}

// Open locks the data folder and opens keys and stores. A folder that another
// process serves is the problem "data.locked".
func Open(ctx context.Context, o Options) (_ *Hub, err error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.RenewEvery == 0 {
		o.RenewEvery = min(DefaultRenewEvery, o.Config.Enroll.Life/looksInLife)
	}
	h := &Hub{o: o, log: o.Logger, started: time.Now(), seen: newSeen(), greetings: make(chan struct{}, 1)}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if h.ca, err = ca.Load(o.Dir); err != nil {
		return nil, err
	}
	h.unlock, err = keystore.Lock(o.Dir)
	if errors.Is(err, keystore.ErrLocked) {
		return nil, identity.Explain(err, o.Dir)
	}
	if err != nil {
		return nil, err
	}
	if o.Machine == nil {
		o.Machine = vitals.OS()
	}
	if h.clock, err = vitals.OpenClock(o.Dir, o.Machine); err != nil {
		return nil, err
	}
	if h.db, err = openDB(ctx, o.Dir, sqlite.Options{Logger: o.Logger, Now: h.clock.Now}); err != nil {
		return nil, err
	}
	reserve := int64(o.Config.Storage.Reserve)
	if h.blobs, err = blob.Open(filepath.Join(o.Dir, blobDir), blob.Options{MinFree: reserve, Disk: o.Disk, Logger: o.Logger}); err != nil {
		return nil, err
	}
	h.vitals = vitals.New(vitals.Options{DB: h.db, Free: h.blobs.Free, Reserve: reserve, Clock: h.clock, Logger: h.log.With("part", "vitals")})
	if err := h.openTrust(ctx); err != nil {
		return nil, err
	}
	if err := h.openExchange(ctx); err != nil {
		return nil, err
	}
	return h, h.openDuty()
}

func (h *Hub) openTrust(ctx context.Context) (err error) {
	if err := h.ca.SetEndpoints(h.o.Config.EnrollEndpoints(), h.o.Config.MQTTEndpoints()); err != nil {
		return err
	}
	h.ca.Policy = policy(h.o.Config)
	if h.ca.Brokers, err = brokerCAs(h.o.Dir, h.o.Config.MQTT.CA); err != nil {
		return err
	}
	if _, err := h.ca.Refresh(time.Now()); err != nil {
		return err
	}
	if h.registry, err = registry.New(h.db, h.ca.Authority.Cert.PublicKey, registry.Options{Logger: h.log, Cache: cachedCards}); err != nil {
		return err
	}
	if h.rebuild, err = rebuilding(h.o.Dir, h.ca.Restored()); err != nil {
		return err
	}
	if h.witness, err = h.ca.Witness(time.Now()); err != nil {
		return err
	}
	if h.pages, err = h.ca.Pages(time.Now()); err != nil {
		return err
	}
	err = h.db.Update(ctx, func(tx *sqlite.Tx) (err error) {
		if h.card, err = h.ca.Register(tx, h.registry); err != nil {
			return err
		}
		return errors.Join(h.witness.Register(tx, h.ca), h.pages.Register(tx, h.ca))
	})
	if err != nil {
		return fmt.Errorf("register the hub: %w", err)
	}
	h.id = h.ca.Identity(h.card)
	return nil
}

func (h *Hub) openExchange(ctx context.Context) (err error) {
	if h.fleet, err = fleet.New(ctx, h.db); err != nil {
		return err
	}
	h.onestop = newOnestop(h.db, h.ca.Code)
	h.monitor = newMonitor(h)
	h.reports = report.New(h.db, h.fleet)
	if h.accounts, err = account.New(h.db, account.Options{Roles: account.HubRoles, Keep: []account.Role{account.Operator, account.Security}, Record: account.Audited, Logger: h.log}); err != nil {
		return err
	}
	h.openSignOn()
	h.commands = command.New(h.db)
	h.releases, h.updates = software.New(software.Options{DB: h.db, Blobs: h.blobs, Code: h.ca.Code, Authority: h.ca.Authority.Key}), make(chan struct{}, 1)
	h.queue = queue.New(h.db, h.blobs, queue.Options{
		Logger: h.log,
		Vital:  bundle.Vital,
		Hooks: queue.Hooks{
			Custody: func(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error {
				return errors.Join(h.relay.Custody(tx, peer, b, o), noteDelivered(tx, b), h.reported(tx, b, o), h.orderTaken(tx, b), h.arrived(tx, peer, b), h.monitor.custodyGiven(tx, peer, b))
			},
			Refused: func(tx *sqlite.Tx, peer string, b storage.Bundle, o storage.Outcome) error {
				return errors.Join(h.relay.Refused(tx, peer, b, o), h.orderRefused(tx, b))
			},
			Arrived: h.sent,
		},
	})
	h.relay = relay.New(relay.Options{
		Room: h.blobs.Room,
		Code: h.ca.Code, Device: h.id.Device, Authority: h.ca.Authority.Key, DB: h.db, Queue: h.queue, Registry: h.registry,
		Open: func(slip []byte) (bundle.Key, error) { return bundle.OpenSlip(slip, h.ca.Age) },
		Seal: h.seal(), Stamps: h.stamps(),
		Report: h.takeReport, Published: h.takePublished, Answered: h.answered, Software: h.takeSoftware,
		RebuildUntil: h.rebuild, Renewed: h.renewedAbove, Now: h.clock.Now, Logger: h.log.With("part", "relay"),
	})
	if err := h.resyncLost(ctx); err != nil {
		return err
	}
	h.lineage = lineage.New(h.db)
	h.logs = h.openLogs()
	own, err := registry.ParseCard(h.card, h.registry.Authority())
	if err != nil {
		return fmt.Errorf("read own card: %w", err)
	}
	h.serial = own.Serial
	check := guard.New(guard.Options{
		Code: h.ca.Code, Epoch: h.db.Epoch(), Device: h.id.Device, Registry: h.registry, Now: h.clock.Now,
		Own: h.ownCard, Held: h.holds, Taken: h.taken, Boots: h.lineage, Logs: h.logs, Older: h.foundOlder,
		Remembers: h.remembers,
		Current:   h.current,
		Policy:    h.relay.Policy, Greeted: h.greeted, Refused: h.refused, Denied: h.relay.Denied,
	})
	h.node = exchange.NewNode(exchange.Options{
		Office: h.ca.Code, Software: h.software(), Epoch: h.db.Epoch(), Queue: h.queue, Guard: check,
		Backlog:  backlog,
		Observer: observer{h},
		Logger:   h.log.With("part", "exchange"), Now: h.clock.Now,
	})
	h.usb = usb.NewLocal(usb.LocalOptions{
		Office: h.ca.Code, Epoch: h.db.Epoch(), Queue: h.queue, Guard: check, Device: h.id.Device,
		Journal: stick.NewJournal(h.db, h.ca.Code), Neighbour: h.neighbour, Greeted: h.greetedByStick, Before: h.beforeStick, Name: h.nameOf,
		Card: func() []byte { return h.card }, Registry: h.registry.Serial, Logger: h.log.With("part", "usb"), Now: h.clock.Now,
		Log: h.logs.byStick,
	})
	return h.openUpstream(ctx)
}

func (h *Hub) software() string { return "tram-hub " + h.o.Version }

// Run serves until ctx ends. ready is called once everything listens.
func (h *Hub) Run(ctx context.Context, ready func()) error {
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent))
	group, ctx := errgroup.WithContext(ctx)
	if err := h.start(ctx, group); err != nil {
		group.Go(func() error { return err }) // ends what has started
	} else {
		h.log.Info("hub is running", "code", h.ca.Code, "mqtt", h.server(), "enroll", h.o.Config.Enroll.Address)
		ready()
	}
	<-ctx.Done()
	h.upstream.close()
	if h.link != nil {
		h.link.Close()
	}
	if h.broker != nil {
		h.broker.Close()
	}
	if err := group.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// start opens broker, line and listeners and sets the parts of the hub going in
// group.
func (h *Hub) start(ctx context.Context, group *errgroup.Group) error {
	if err := h.startBroker(ctx); err != nil {
		return err
	}
	secure := h.id.TLS()
	secure.CurvePreferences = h.keyExchange().Curves()
	link, err := mqtt.NewHub(mqtt.HubOptions{
		Servers: h.servers(), TLS: secure, Hub: h.ca.Code, Software: h.software(),
		Lookup: h.officeOfLevel, SharedBroker: h.sharesBroker(), Logger: h.log.With("part", "mqtt"),
	})
	if err != nil {
		return fmt.Errorf("connect to broker: %w", err)
	}
	h.link = link
	group.Go(func() error { return h.acceptPeers(ctx, group) })
	group.Go(func() error { return h.registry.Warm(ctx) })
	group.Go(func() error { return h.record(ctx) })
	group.Go(func() error { return h.hear(ctx) })
	group.Go(func() error { return h.judge(ctx) })
	group.Go(func() error { return h.relay.Run(ctx) })
	group.Go(func() error { return h.relay.RunSharing(ctx) })
	group.Go(func() error { return h.pump(ctx) })
	group.Go(func() error { return h.tidy(ctx) })
	group.Go(func() error { return h.vitals.Run(ctx) })
	group.Go(func() error { return h.renew(ctx) })
	group.Go(func() error { return h.keepCRL(ctx) })
	group.Go(func() error { return h.runOnestop(ctx) })
	group.Go(func() error { return h.runDuty(ctx, group) })
	group.Go(func() error { return h.runSoftware(ctx) })
	group.Go(func() error { return h.serveUpstream(ctx) })
	if h.signOn != nil {
		group.Go(func() error { return h.signOn.Run(ctx) })
	}
	return h.serve(ctx, group)
}

func (h *Hub) keyExchange() identity.KeyExchange {
	return identity.KeyExchange(h.o.Config.MQTT.KeyExchange)
}

// servers are the nodes of the broker that the hub itself connects to.
func (h *Hub) servers() []string {
	if h.broker != nil {
		return []string{h.broker.Addr()}
	}
	return h.o.Config.MQTT.Server
}

// server names the broker for people.
func (h *Hub) server() string { return strings.Join(h.servers(), " ") }

func (h *Hub) startBroker(ctx context.Context) error {
	if !h.o.Config.MQTT.Embedded {
		return nil
	}
	secure := h.ca.BrokerTLS(h.admit)
	secure.CurvePreferences = h.keyExchange().Curves()
	b, err := broker.New(broker.Options{
		Addr: h.o.Config.MQTT.Address, TLS: secure, Hub: h.ca.Code,
		Logger: h.log.With("part", "broker"), OnRefused: h.brokerRefused, Revoked: h.ca.SerialRevoked, Explain: h.explain,
	})
	if err != nil {
		return err
	}
	if err := b.Start(ctx); err != nil {
		return fmt.Errorf("start broker on %s: %w", h.o.Config.MQTT.Address, err)
	}
	h.broker = b
	return nil
}

// acceptPeers holds in group a session with each office that the broker brings.
func (h *Hub) acceptPeers(ctx context.Context, group *errgroup.Group) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case p, ok := <-h.link.Peers():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if !ok {
				return errors.New("connection to the broker has ended")
			}
			group.Go(func() error {
				h.parted(ctx, p, h.node.Run(ctx, p.Office(), p)) // no more here: it lies on the stack of each office
				return nil
			})
		}
	}
}

func (h *Hub) parted(ctx context.Context, p *mqtt.Peer, err error) {
	if err != nil && ctx.Err() == nil {
		h.log.Warn("session ended", "peer", p.Office(), "error", err)
	}
}

// pump tells sessions what the queue has for them, and offices what is new in
// the registry.
func (h *Hub) pump(ctx context.Context) error {
	changes, stop := h.queue.Watch()
	defer stop()
	news := time.NewTicker(newsEvery)
	defer news.Stop()
	shared := h.registry.Serial()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-changes:
			if c.Peer != "" {
				h.node.Kick(c.Peer)
			}
		case <-news.C:
			if serial := h.registry.Serial(); serial != shared {
				shared = serial
				h.relay.News(append(h.link.Online(), h.upstream.codes()...))
			}
		}
	}
}

func (h *Hub) tidy(ctx context.Context) error {
	for {
		if err := h.relay.Expire(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("expired bundles not removed", "error", err)
		}
		if err := h.queue.Tidy(ctx, h.clock.Now(), h.releases.Uses); err != nil && ctx.Err() == nil {
			h.log.Error("store not tidied", "error", err)
		}
		if err := h.reports.NoteSIMs(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("use of SIMs not noted", "error", err)
		}
		if err := h.noteWaiting(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("what is left not noted", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tidyEvery):
		}
	}
}

// Close closes the stores and unlocks the data folder. Run must have returned.
func (h *Hub) Close() error {
	var errs []error
	if h.queue != nil {
		errs = append(errs, h.queue.Close())
	}
	if h.db != nil {
		errs = append(errs, h.db.Close())
	}
	if h.unlock != nil {
		errs = append(errs, h.unlock())
	}
	return errors.Join(errs...)
}
