package agent

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/api/appkey"
	v1 "tram/agent/api/v1"
	"tram/agent/books"
	"tram/agent/clock"
	"tram/agent/command"
	"tram/agent/compose"
	"tram/agent/config"
	"tram/agent/connector"
	"tram/agent/countersign"
	"tram/agent/dossier"
	"tram/agent/enroll"
	"tram/agent/guard"
	"tram/agent/handling"
	"tram/agent/httpd"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/lan"
	"tram/agent/line"
	"tram/agent/lineage"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/sealbook"
	"tram/agent/search"
	"tram/agent/stick"
	"tram/agent/trust"
	"tram/agent/tsa/tsahttp"
	"tram/agent/web/account"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/mqtt"
	"tram/sync/usb"
)

const (
	// DatabaseFile and the folders below lie in the data folder.
	DatabaseFile = "office.db"
	blobDir      = "blobs"
	uploadDir    = "uploads"
	// tidyEvery is how often the store gives up what has no more use.
	tidyEvery = 10 * time.Minute
)

// desk is an enrolled office with its stores open.
type desk struct {
	agent    *Agent
	o        Options
	log      *slog.Logger
	clock    *clock.Clock
	id       *identity.Identity // as it was at the start; its certificates are those of live
	live     *identity.Live
	serial   atomic.Uint64 // of the present card
	renewer  *enroll.Renewer
	db       *sqlite.DB
	blobs    *blob.Store
	queue    *queue.Queue
	registry *registry.Registry
	office   *office.Office
	accounts *account.Store
	apps     *appkey.Store
	node     *exchange.Node
	link     *mqtt.Client
	usb      *usb.Local
	line     *line.Line
	pages    *httpd.Server
	lan      *lan.Keeper // nil while the pages stay on this machine
	meter    meter
	traffic  traffic
	peak     peak
	lineage  *lineage.Lineage
	book     *countersign.Book
	older    older
	seals    *sealbook.Book
	trust    *trust.Store
	commands *command.Desk

	connectors *connector.Host
	search     *search.Index
	books      *books.Books
	handling   *handling.Store
	dossiers   *dossier.Store
}

// Schemas are the tables of an office's database.
func Schemas() []sqlite.Schema {
	return []sqlite.Schema{queue.Schema, audit.Schema, registry.Schema, office.Schema, office.EvidenceSchema, account.Schema, appkey.Schema, v1.Schema, line.Schema, stick.Schema, lineage.Schema, connector.Schema, search.Schema, compose.Schema, books.Schema, handling.Schema, dossier.Schema, command.Schema}
}

// OpenDB opens the database of the office in dir.
func OpenDB(ctx context.Context, dir string, o sqlite.Options) (*sqlite.DB, error) {
	o.Schemas = Schemas()
	return sqlite.Open(ctx, filepath.Join(dir, DatabaseFile), o)
}

func openDesk(ctx context.Context, a *Agent) (_ *desk, err error) {
	o, c := a.o, a.clock
	d := &desk{agent: a, o: o, log: o.Logger, clock: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.id, err = identity.Load(o.Dir); err != nil {
		return nil, err
	}
	d.live = identity.NewLive(d.id)
	if d.db, err = OpenDB(ctx, o.Dir, sqlite.Options{Logger: d.log, Now: c.Now}); err != nil {
		return nil, err
	}
	reserve := int64(o.Config.Storage.Reserve)
	if d.blobs, err = blob.Open(filepath.Join(o.Dir, blobDir), blob.Options{MinFree: reserve, Logger: d.log}); err != nil {
		return nil, err
	}
	if err := d.openRegistry(ctx); err != nil {
		return nil, err
	}
	d.queue = queue.New(d.db, d.blobs, queue.Options{Logger: d.log, Vital: bundle.Vital})
	if err := d.openOffice(); err != nil {
		return nil, err
	}
	d.queue.SetHooks(d.office.Hooks())
	if err := d.openCommands(ctx); err != nil {
		return nil, err
	}
	if err := d.openDossiers(ctx); err != nil {
		return nil, err
	}
	d.openConnectors()
	d.openSearch()
	d.openBooks()
	if err := d.openHandling(); err != nil {
		return nil, err
	}
	if err := d.openNode(); err != nil {
		return nil, err
	}
	if err := d.openPages(ctx); err != nil {
		return nil, err
	}
	if err := d.openLink(); err != nil {
		return nil, err
	}
	return d, d.openLine(ctx)
}

func (d *desk) openRegistry(ctx context.Context) (err error) {
	d.registry, err = registry.New(d.db, d.id.Trust.Authority.PublicKey, registry.Options{Logger: d.log})
	if err != nil {
		return err
	}
	cards, err := enroll.FirstCards(d.o.Dir)
	if err != nil {
		return err
	}
	return d.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := d.registry.Merge(tx, cards)
		return err
	})
}

func (d *desk) openOffice() (err error) {
	c := d.o.Config
	d.seals = sealbook.New(sealbook.Options{Dir: d.o.Dir, Identity: d.live, Logger: d.log.With("part", "seals"), Now: d.clock.Now})
	stamper, roots, err := d.stamper()
	if err != nil {
		return err
	}
	d.trust = d.openTrust()
	d.office, err = office.New(office.Options{
		DB: d.db, Queue: d.queue, Blobs: d.blobs, Registry: d.registry, Identity: d.id,
		Limits: office.Limits{
			File: int64(c.Limits.File), Files: c.Limits.Files, Total: int64(c.Limits.Total), Lifetime: c.Documents.Lifetime,
		},
		Letterhead: office.Letterhead{
			Abbreviation: c.Office.Abbreviation, Signer: c.Office.Signer, Position: c.Office.Position, Place: c.Office.Place,
		},
		Numbering: office.Numbering{ByType: c.Office.Numbering == config.NumberedByType, Bodies: c.Office.Bodies},

		Seals:   d.sealer,
		Renewed: d.take,
		Trust:   d.trust,
		Stamper: stamper, StampRoots: roots,
		Logger: d.log.With("part", "office"), Now: d.clock.Now, Ends: d.clock.Ends,
	})
	return err
}

// stamper is the external time stamp authority of the settings, nil for none,
// and whom to believe it by.
func (d *desk) stamper() (office.Stamper, *x509.CertPool, error) {
	s := d.o.Config.Stamp
	if s.URL == "" {
		return nil, nil, nil
	}
	file := s.CA
	if !filepath.IsAbs(file) {
		file = filepath.Join(d.o.Dir, file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, problem.New(problem.Usage, "tram.unreadable-file", "stamp.ca", i18n.Args{"file": file}).Because(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, nil, problem.New(problem.Usage, "tram.no-certificate", "stamp.ca", i18n.Args{"file": file})
	}
	return tsahttp.Client{URL: s.URL}, roots, nil
}

func (d *desk) openNode() error {
	card, err := registry.ParseCard(d.id.Card, d.registry.Authority())
	if err != nil {
		return fmt.Errorf("read own card: %w", err)
	}
	d.serial.Store(card.Serial)
	d.lineage = lineage.New(d.db)
	d.book = countersign.NewBook(countersign.BookOptions{
		DB: d.db, Office: d.id.Code, Epoch: d.db.Epoch(), Key: countersign.Keys(d.registry), Log: d.log.With("part", "audit"), Now: d.clock.Now,
	})
	check := guard.New(guard.Options{
		Code: d.id.Code, Epoch: d.db.Epoch(), Device: d.id.Device, Registry: d.registry, Now: d.clock.Now, Ends: d.clock.Ends,
		Own:   d.own,
		Held:  d.holds,
		Boots: d.lineage, Logs: d.book, Older: d.foundOlder,
		Current: d.current, Policy: d.policy, Greeted: d.greeted, Refused: d.refused,
	})
	d.node = exchange.NewNode(exchange.Options{
		Office: d.id.Code, Software: d.software(), Epoch: d.db.Epoch(), Queue: d.queue, Guard: check,
		Observer: observer{d}, Logger: d.log.With("part", "exchange"), Now: d.clock.Now,
	})
	d.usb = usb.NewLocal(usb.LocalOptions{
		Office: d.id.Code, Epoch: d.db.Epoch(), Queue: d.queue, Guard: check, Device: d.id.Device,
		Journal: stick.NewJournal(d.db, d.id.Code), Neighbour: d.neighbour, Greeted: d.greetedByStick, Before: d.beforeStick, Name: d.nameOf,
		Card: func() []byte { return d.live.Get().Card }, Registry: d.registry.Serial,
		Log:    d.logByStick,
		Logger: d.log.With("part", "usb"), Now: d.clock.Now,
	})
	return nil
}

func (d *desk) software() string { return "tram " + d.o.Version }

// openLink starts to keep a line to the hub.
func (d *desk) openLink() (err error) {
	servers := d.o.Config.MQTT.Servers
	if len(servers) == 0 {
		servers = d.live.Get().Trust.MQTT
	}
	secure := d.live.TLS()
	secure.CurvePreferences = identity.KeyExchange(d.o.Config.MQTT.KeyExchange).Curves()
	d.link, err = mqtt.Dial(mqtt.Options{
		Servers: servers, TLS: secure, Roots: d.live.Roots, Hub: d.id.Hub, Office: d.id.Code, Software: d.software(),
		Logger: d.log.With("part", "mqtt"), Tuning: mqtt.Tuning{KeepAlive: d.o.Config.MQTT.Keepalive},
	})
	if err != nil {
		return fmt.Errorf("prepare the line: %w", err)
	}
	d.renewer = enroll.NewRenewer(enroll.RenewerOptions{
		Options: enroll.Options{Dir: d.o.Dir, Now: d.clock.Now, Logger: d.log}, Look: d.o.RenewEvery,
		Identity: d.live.Get,
		Line:     func() (mqtt.Status, time.Duration) { return d.link.Status(), d.node.Silence(d.id.Hub) },
		Use:      d.renewed,
	})
	return nil
}

// run serves until ctx ends.
func (d *desk) run(ctx context.Context, ready func()) error {
	pages, err := d.site(ctx)
	if err != nil {
		return err
	}
	public, err := d.public()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return d.office.Run(ctx) })
	group.Go(func() error { return d.connectors.Run(ctx) })
	group.Go(func() error { return d.search.Run(ctx) })
	group.Go(func() error { return d.handling.Run(ctx) })
	group.Go(func() error { return d.dossiers.Run(ctx) })
	group.Go(func() error { return d.dossiers.RunCarried(ctx) })
	group.Go(func() error { return d.dossiers.RunReports(ctx, d.o.ReportEvery) })
	group.Go(func() error { return d.node.Run(ctx, d.id.Hub, d.link) })
	group.Go(func() error { return d.line.Run(ctx) })
	group.Go(func() error { return d.seals.Run(ctx) })
	group.Go(func() error { return d.trust.Run(ctx) })
	group.Go(func() error { return d.pump(ctx) })
	group.Go(func() error { return d.beats(ctx) })
	group.Go(func() error { return d.watchDeliveries(ctx) })
	group.Go(func() error { return d.commands.Run(ctx) })
	group.Go(func() error { return d.tidy(ctx) })
	group.Go(func() error { return d.backups(ctx) })
	group.Go(func() error { return d.update(ctx) })
	group.Go(func() error { return d.renewer.Run(ctx) })
	group.Go(func() error { return d.pagesCertificates(ctx) })
	group.Go(func() error {
		if err := d.registry.WarmSearch(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("names of offices not read", "error", err) // the first search tries again
		}
		return nil
	})
	group.Go(func() error { return d.apps.Run(ctx) })
	group.Go(func() error { return public.Run(ctx) })
	group.Go(func() error { return d.pages.Serve(ctx, d.agent.updates.watched(beside(pages, public))) })
	d.log.Info("office is running", "office", d.id.Code, "pages", d.pages.URL())
	ready()
	<-ctx.Done()
	d.link.Close()
	return group.Wait()
}

// pump tells the session what the queue has for the hub, and measures the line.
func (d *desk) pump(ctx context.Context) error {
	changes, stop := d.queue.Watch()
	defer stop()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case c := <-changes:
			if c.Peer != "" {
				d.node.Kick(c.Peer)
			}
			if c.Ended != (queue.Change{}).Ended {
				d.node.Withdraw(c.Ended, 0)
			}
		case now := <-second.C:
			stats := d.link.Stats()
			d.meter.take(now, stats.SentBytes+stats.ReceivedBytes)
			d.peak.take(stats)
			d.traffic.take(stats, d.line.State().Metered)
		}
	}
}

func (d *desk) tidy(ctx context.Context) error {
	for {
		if err := d.clock.Keep(); err != nil {
			d.log.Error("time not kept", "error", err)
		}
		if err := d.forgetFirstSignIn(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("first sign-in not removed", "error", err)
		}
		if err := d.tidyDossiers(ctx); err != nil && ctx.Err() == nil {
			d.log.Error("dossiers not tidied", "error", err)
		}
		if _, trial := d.agent.updates.store.OnTrial(); trial {
			// nothing goes that the version before may need
		} else if err := d.queue.Tidy(ctx, d.clock.Ends(), d.uses); err != nil && ctx.Err() == nil {
			d.log.Error("store not tidied", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tidyEvery):
		}
	}
}

// close closes everything that is open.
func (d *desk) close() error {
	var errs []error
	if d.link != nil {
		errs = append(errs, d.link.Close())
	}
	if d.pages != nil {
		errs = append(errs, d.pages.Close())
	}
	if d.seals != nil {
		errs = append(errs, d.seals.Close())
	}
	if d.queue != nil {
		errs = append(errs, d.queue.Close())
	}
	if d.db != nil {
		errs = append(errs, d.db.Close())
	}
	return errors.Join(errs...)
}

// uploads is the pages' own folder for files between browser and office.
func (d *desk) uploads() (string, error) {
	dir := filepath.Join(d.o.Dir, uploadDir)
	return dir, os.MkdirAll(dir, 0o700)
}
