package agent

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"tram/agent/api"
	"tram/agent/api/appkey"
	"tram/agent/compose"
	"tram/agent/health"
	"tram/agent/httpd"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/lan"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web"
	"tram/agent/web/account"
	"tram/storage/fsx"
	"tram/sync/mqtt"
)

// FirstSignIn is the file in the data folder with the first account, for the
// person who installs the box. It may be deleted, and is when the password in it
// is not in use any more.
const FirstSignIn = "first-sign-in.txt"

// draftDir is where the files of drafts are, in the data folder.
const draftDir = "drafts"

// firstAccount is the sign-in name of the first account.
const firstAccount = "vanthu"

func (d *desk) openPages(ctx context.Context) (err error) {
	if d.accounts, err = account.New(d.db, account.Options{Logger: d.log, Now: d.clock.Now, Record: account.Audited}); err != nil {
		return err
	}
	d.apps = appkey.New(d.db, appkey.Options{Logger: d.log.With("part", "apps"), Now: d.clock.Now})
	if err := d.makeFirstAccount(ctx); err != nil {
		return err
	}
	ui := d.o.Config.UI
	var secure *tls.Config
	names := ui.Names
	if httpd.NeedsTLS(ui.Address, ui.Documents) {
		names = lan.Names(ui.Address, ui.Names)
		if d.lan, err = lan.Open(lan.Options{
			Dir: d.o.Dir, Names: names, Title: d.id.Name, CertPath: ui.Certificate, KeyPath: ui.Key,
			Logger: d.log.With("part", "lan"), Now: d.clock.Now,
		}); err != nil {
			return err
		}
		secure = d.lan.TLS()
	}
	d.pages, err = httpd.Listen(httpd.Options{
		Address: ui.Address, Documents: ui.Documents, Names: names, TLS: secure, Files: d.office,
		Alive: d.accounts.Alive, Logger: d.log.With("part", "pages"), Now: d.clock.Now,
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return problem.New(problem.Busy, "service.address-in-use", "ui.address", i18n.Args{"address": d.o.Config.UI.Address}).Because(err)
	}
	return err
}

// makeFirstAccount gives a new box one account with a random password, written
// to a file that only the owner of the data folder can read.
func (d *desk) makeFirstAccount(ctx context.Context) error {
	users, err := d.accounts.Users(ctx)
	if err != nil || len(users) > 0 {
		return err
	}
	password := strings.ToLower(rand.Text()[:12])
	text := fmt.Sprintf("%s %s\n", firstAccount, password)
	if err := fsx.WriteFile(filepath.Join(d.o.Dir, FirstSignIn), []byte(text), 0o600); err != nil {
		return fmt.Errorf("write first sign-in: %w", err)
	}
	_, err = d.accounts.CreateUser(ctx, account.NewUser{Name: firstAccount, Display: "Văn thư", Role: account.Clerk, Password: password, Temporary: true})
	return err
}

// forgetFirstSignIn removes the file with the first account once its password
// was replaced.
func (d *desk) forgetFirstSignIn(ctx context.Context) error {
	path := filepath.Join(d.o.Dir, FirstSignIn)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	users, err := d.accounts.Users(ctx)
	if err != nil {
		return err
	}
	for _, u := range users {
		if u.Name == firstAccount && u.Temporary {
			return nil
		}
	}
	return os.Remove(path)
}

func (d *desk) site(ctx context.Context) (http.Handler, error) {
	uploads, err := d.uploads()
	if err != nil {
		return nil, fmt.Errorf("make upload folder: %w", err)
	}
	limits := d.o.Config.Limits
	var certificate web.Certificate
	if d.lan != nil {
		certificate = d.lan
	}
	composing, err := compose.New(ctx, compose.Options{
		DB: d.db, Dir: filepath.Join(d.o.Dir, draftDir), Scans: d.o.Config.UI.Scans, Logger: d.log.With("part", "drafts"), Now: d.clock.Now,
	})
	if err != nil {
		return nil, err
	}
	return web.New(web.Options{
		Certificate: certificate, Composing: composing, Admin: d.admin(), Sticks: d.sticks(),
		Office: d.office, Papers: d.office, Directory: directory{d}, Accounts: d.accounts, Link: d.lineNow, Queue: d, Documents: d.pages.Documents(), Books: d.books, Handling: d.handling, Dossiers: d.dossiers,
		Search: d.search, LookUp: d.dossiers, Arriving: d.arrivingPages, Reader: d.pageReader(),
		FormHeading: d.formHeading,
		Config: web.Config{
			Unit: office.Party{Code: d.id.Code, Name: d.id.Name}, Version: d.o.Version, UploadDir: uploads,
			MaxFile: int64(limits.File), MaxUpload: int64(limits.Total), MaxFiles: limits.Files, Secure: d.pages.Secure(), SignAgent: d.o.Config.UI.Signing, Support: d.o.Config.UI.Support,
		},
		Logger: d.log.With("part", "pages"), Now: d.clock.Now,
	})
}

// directory is the registry as the clerk sees it: offices that documents can
// be sent to.
type directory struct{ d *desk }

func (r directory) Lookup(_ context.Context, code string) (office.Party, error) {
	card, moved, err := r.d.registry.Resolve(code)
	if err != nil || !card.Enrolled() {
		if _, p, ok, other := r.d.connectors.Route(code); ok && other == nil {
			return p, nil
		}
	}
	if err != nil || !moved {
		return office.Party{Code: card.Code, Name: card.Name}, err
	}
	return r.successor(card, code), nil
}

// successor is how an office is shown that was looked for by what it was called
// before.
func (r directory) successor(now registry.Card, before string) office.Party {
	return office.Party{Code: now.Code, Name: i18n.T(i18n.Vietnamese, "office.formerly", i18n.Args{"name": now.Name, "before": before})}
}

func (r directory) Search(ctx context.Context, query string, limit int) ([]office.Party, error) {
	own, err := r.d.registry.Lookup(r.d.id.Code)
	if err != nil && !errors.Is(err, registry.ErrNotFound) {
		return nil, err
	}
	q := registry.Query{Text: query, Limit: limit, Reachable: true}
	if own.Restricted() {
		q.Limit = registry.MaxResults // most of them are not for it
	}
	cards, err := r.d.registry.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	parties, seen := []office.Party{}, map[string]bool{}
	for _, found := range cards {
		c, _, err := r.d.registry.Resolve(found.Code)
		if err != nil || !c.Enrolled() || seen[c.Code] || c.Code == r.d.id.Code || c.IsHub() {
			continue // a successor that is not known here cannot be written to
		}
		if ok, err := r.d.registry.Allows(own, c.Code); err != nil || !ok || len(parties) >= max(limit, 1) {
			continue
		}
		seen[c.Code] = true
		party := office.Party{Code: c.Code, Name: c.Name}
		if found.Code != c.Code {
			party = r.successor(c, found.Name)
		}
		parties = append(parties, party)
	}
	return r.outside(ctx, query, limit, own, parties)
}

// outside adds offices outside of Trạm that connectors reach, while there is
// room.
func (r directory) outside(ctx context.Context, query string, limit int, own registry.Card, parties []office.Party) ([]office.Party, error) {
	more, err := r.d.connectors.Search(ctx, query, max(limit, 1))
	if err != nil {
		return nil, err
	}
	for _, p := range more {
		card, _, err := r.d.registry.Resolve(p.Code)
		if err == nil && card.Enrolled() || len(parties) >= max(limit, 1) {
			continue // it is reached over Trạm
		}
		if ok, err := r.d.registry.Allows(own, p.Code); err == nil && ok {
			parties = append(parties, p)
		}
	}
	return parties, nil
}

func (d *desk) lineNow() web.Link {
	s := d.link.Status()
	return web.Link{Up: s.Up, Since: s.Since, Rate: d.meter.rate(), Line: d.line.State(), Halt: d.halt()}
}

// status fills in what an enrolled office knows of itself.
func (d *desk) status(ctx context.Context, s *api.Status) (err error) {
	if s.Queue, err = d.office.Summary(ctx); err != nil {
		return err
	}
	if s.DiskFree, err = d.blobs.Free(); err != nil {
		return err
	}
	line, stats := d.link.Status(), d.link.Stats()
	s.Office, s.Hub = office.Party{Code: d.id.Code, Name: d.id.Name}, d.id.Hub
	s.Link = api.Link{Up: line.Up, Since: line.Since, Server: line.Server, Sent: stats.SentBytes, Received: stats.ReceivedBytes}
	if line.Err != nil && !line.Up {
		s.Link.Error = line.Err.Error()
	}
	d.lineStatus(s)
	cert := d.live.Get().DeviceCert
	s.CertUntil, s.UI = cert.NotAfter, d.pages.URL()
	s.CertDays = api.DaysLeft(s.CertUntil, d.clock.Now())
	if d.lan != nil {
		state := d.lan.State()
		s.Pages = &state
	}
	s.Conditions = health.Check(health.Vitals{
		Now: d.clock.Now(), DiskFree: s.DiskFree, DiskReserve: int64(d.o.Config.Storage.Reserve),
		ClockTrusted: s.Clock.Trusted, ClockOffset: time.Duration(s.Clock.Offset) * time.Millisecond,
		CertificateEnds: s.CertUntil, CertificateLife: cert.NotAfter.Sub(cert.NotBefore), Refusal: d.renewer.Refusal(),
		Server: d.serverFault(line), ServerAddress: line.Server,
		BrokerRefuses: errors.Is(line.Err, mqtt.ErrRefused), Parked: d.node.Parked(d.id.Hub),
		BudgetLimit: s.Budget.Limit, BudgetUsed: s.Budget.Used, BudgetForecast: forecast(s.Budget), BudgetResets: s.Budget.Resets,
	})
	if s.Pages != nil && s.Pages.Source != lan.SelfMade {
		if c, holds := health.Pages(d.clock.Now(), s.Pages.Until, lan.Soon); holds {
			s.Conditions = append(s.Conditions, c)
		}
	}
	if f := d.book.Finding(); f != nil {
		s.Conditions = append(s.Conditions, health.Log(f.Seq))
	}
	s.Conditions = append(s.Conditions, d.seals.Conditions()...)
	for _, more := range []func(context.Context) ([]health.Condition, error){d.connectors.Conditions, d.publishedConditions, d.commandConditions, d.backupConditions} {
		list, err := more(ctx)
		if err != nil {
			return err
		}
		s.Conditions = append(s.Conditions, list...)
	}
	aside, err := d.office.SetAside(ctx)
	if err != nil {
		return err
	}
	if len(aside) > 0 {
		s.Conditions = append(s.Conditions, health.Condition{Code: health.MessagesAside, Args: i18n.Args{"count": len(aside)}})
	}
	if d.office.HubRegressed() {
		s.Conditions = append(s.Conditions, health.Condition{Code: health.RegistryRegressed, Args: i18n.Args{"hub": d.id.Hub}})
	}
	if halt := d.halt(); halt != nil {
		s.Conditions = append(s.Conditions, *halt)
	}
	return nil
}

// serverFault is what is wrong with who answers in the hub's place.
func (d *desk) serverFault(line mqtt.Status) identity.ServerFault {
	if line.Up {
		return ""
	}
	return d.live.Get().ServerFault(line.Err)
}

// halfLife is how fast the shown rate of the line forgets.
const halfLife = 5 * time.Second

// meter smooths the rate of the line, in bytes per second.
type meter struct {
	mu     sync.Mutex
	at     time.Time
	bytes  int64
	smooth float64
}

func (m *meter) take(now time.Time, bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if seconds := now.Sub(m.at).Seconds(); !m.at.IsZero() && seconds > 0 {
		keep := math.Exp2(-seconds / halfLife.Seconds())
		m.smooth = m.smooth*keep + float64(bytes-m.bytes)/seconds*(1-keep)
	}
	m.at, m.bytes = now, bytes
}

func (m *meter) rate() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.smooth
}
