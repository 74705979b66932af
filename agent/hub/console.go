package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"tram/agent/enroll/invite"
	"tram/agent/httpd"
	"tram/agent/hub/ca"
	"tram/agent/hub/console"
	"tram/agent/hub/fleet"
	"tram/agent/hub/registry"
	"tram/agent/hub/rollup"
	"tram/agent/i18n"
	"tram/agent/lan"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/fsx"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

const (
	// consoleDir is where key and certificate of the console lie, in the data
	// folder.
	consoleDir = "console"
	// certEvery is how often the hub looks whether the console's certificate is due.
	certEvery = 12 * time.Hour
)

// serveConsole serves the operator's pages, and whether the hub is alive.
func (h *Hub) serveConsole(ctx context.Context, group *errgroup.Group) error {
	c := h.o.Config.Console
	names := c.Names
	var secure *tls.Config
	var root func() ([]byte, error)
	if httpd.NeedsTLS(c.Address) {
		names = lan.Names(c.Address, c.Names)
		dir := filepath.Join(h.o.Dir, consoleDir)
		if err := fsx.MkdirAll(fsx.OS, dir, keystore.FolderMode); err != nil {
			return fmt.Errorf("make folder of the console: %w", err)
		}
		keeper, err := lan.Open(lan.Options{Dir: dir, Names: names, Title: h.ca.Name, Logger: h.log.With("part", "console")})
		if err != nil {
			return err
		}
		if err := h.certify(ctx, keeper); err != nil {
			return err
		}
		secure, root = keeper.TLS(), keeper.Root
		group.Go(func() error { return h.keepCertified(ctx, keeper) })
	}
	srv, err := httpd.Listen(httpd.Options{Address: c.Address, Names: names, TLS: secure, Logger: h.log.With("part", "console")})
	if errors.Is(err, syscall.EADDRINUSE) {
		return problem.New(problem.Busy, "service.address-in-use", "console.address", i18n.Args{"address": c.Address}).Because(err)
	}
	if err != nil {
		return err
	}
	o := h.ConsoleOptions()
	o.Root, o.Secure = root, srv.Secure()
	pages, err := console.New(o)
	if err != nil {
		return errors.Join(err, srv.Close())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", h.healthz)
	mux.Handle("/", pages)
	h.log.Info("console is served", "address", srv.URL())
	group.Go(func() error {
		if err := srv.Serve(ctx, mux); err != nil {
			return err
		}
		return ctx.Err()
	})
	return nil
}

// ConsoleOptions are those of the operator's pages.
func (h *Hub) ConsoleOptions() console.Options {
	v := consoleView{h}
	o := console.Options{
		Code: h.ca.Code, Name: h.ca.Name, Version: h.o.Version, Fleet: newConsoleFleet(h), Hub: v, Invites: v, Trust: v, Directory: v, Figures: v, Duty: consoleDuty{h}, Reports: consoleDuty{h}, Releases: consoleReleases{h}, Orders: consoleOrders{h}, People: consolePeople{h},
		Accounts: h.accounts, Logger: h.log.With("part", "console"),
	}
	if h.signOn != nil {
		o.SignOn = h.signOn
	}
	return o
}

// Fleet is how the boxes stand.
func (h *Hub) Fleet() *fleet.Fleet { return h.fleet }

func (h *Hub) healthz(w http.ResponseWriter, r *http.Request) {
	if err := h.Healthy(r.Context()); err != nil {
		http.Error(w, "database does not answer", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// certify gives the console a certificate of the hub's authority for pages when
// one is due.
func (h *Hub) certify(ctx context.Context, keeper *lan.Keeper) error {
	if !keeper.Due() {
		return nil
	}
	request, _, err := keeper.HubRequest()
	if err != nil {
		return fmt.Errorf("certify the console: %w", err)
	}
	return h.db.Update(ctx, func(tx *sqlite.Tx) error {
		chain, err := h.ca.IssueConsole(tx, h.pages, request)
		if err != nil {
			return err
		}
		return keeper.Take(chain, tx.Now())
	})
}

func (h *Hub) keepCertified(ctx context.Context, keeper *lan.Keeper) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(certEvery):
		}
		if err := h.certify(ctx, keeper); err != nil && ctx.Err() == nil {
			h.log.Error("the console's certificate is not renewed", "error", err)
		}
	}
}

// consoleView is the hub as its console sees it.
type consoleView struct{ h *Hub }

func (v consoleView) Hears() (bool, time.Time) {
	if v.h.link == nil { // not running
		return false, v.h.started
	}
	s := v.h.link.Status()
	return s.Up, s.Since
}

func (v consoleView) Name(code string) string { return v.h.nameOf(code) }

func (v consoleView) CA() console.Authority {
	c, sum := v.h.ca, v.h.ca.Hash()
	a := console.Authority{
		Fingerprint: invite.Fingerprint(sum), Words: invite.Words(sum), Until: c.Root.Cert.NotAfter, Phase: c.Phase(), PhaseSince: c.Since(),
		PagesUntil: v.h.pages.Root.NotAfter, Revoked: len(c.Revocations()), Endpoints: v.h.o.Config.EnrollEndpoints(),
	}
	if next := c.Next(); next != nil {
		a.Next = invite.Fingerprint(ca.HashOf(next))
	}
	return a
}

func (v consoleView) Invites(ctx context.Context) ([]ca.InviteInfo, error) { return v.h.Invites(ctx) }

func (v consoleView) Invite(ctx context.Context, csv []byte, o ca.InviteOptions) ([]ca.Made, error) {
	return v.h.Invite(ctx, csv, o)
}

func (v consoleView) Replace(ctx context.Context, code string, o ca.InviteOptions) ([]ca.Made, error) {
	return v.h.Replace(ctx, code, o)
}

func (v consoleView) Withdraw(ctx context.Context, batch, by string) (int, error) {
	out, err := v.h.RevokeBatch(ctx, batch, by)
	return out.Count, err
}

func (v consoleView) Sheet(ctx context.Context, batch, id string) ([]byte, error) {
	made, err := v.h.InviteFiles(ctx, batch, id, "")
	if err != nil {
		return nil, err
	}
	return ca.Sheet(made, time.Now())
}

func (v consoleView) Download(ctx context.Context, batch, id, by string) ([]ca.Made, error) {
	return v.h.InviteFiles(ctx, batch, id, by)
}

// actionDownloaded stands in the audit log when somebody got invites' secrets.
const actionDownloaded = "invite.downloaded"

// InviteFiles are the files of a batch's usable invites, or of one, see
// ca.InviteFiles. by is who gets them; "" when nobody does.
func (h *Hub) InviteFiles(ctx context.Context, batch, id, by string) (made []ca.Made, err error) {
	err = h.db.Update(ctx, func(tx *sqlite.Tx) error {
		if made, err = h.ca.InviteFiles(tx, batch, id); err != nil || by == "" {
			return err
		}
		for _, m := range made {
			if err := audit.Append(tx, audit.Entry{Actor: by, Action: actionDownloaded, Subject: m.Office.Code, Detail: map[string]string{"invite": m.ID.String()}}); err != nil {
				return err
			}
		}
		return nil
	})
	return made, err
}

func (v consoleView) WaitingRoom(ctx context.Context, all bool) ([]ca.Waiting, error) {
	return v.h.WaitingRoom(ctx, all)
}

func (v consoleView) Decide(ctx context.Context, id int64, d ca.Decision, by string) (ca.Waiting, error) {
	return v.h.Decide(ctx, id, d, by)
}

func (v consoleView) Certificates(ctx context.Context) ([]ca.Certificate, error) {
	return v.h.Certificates(ctx)
}

func (v consoleView) Revoke(ctx context.Context, code string, reason ca.Reason, by string) error {
	_, err := v.h.RevokeCert(ctx, code, reason, by)
	return err
}

func (v consoleView) Release(ctx context.Context, code, by string) error {
	_, err := v.h.Release(ctx, code, by)
	return err
}

func (v consoleView) Offices(ctx context.Context, text, parent, after string) (console.Offices, error) {
	found, err := v.h.Offices(ctx, OfficeQuery{Text: text, Parent: parent, After: after, Limit: registry.MaxResults})
	page := console.Offices{Next: found.Next}
	for _, o := range found.Offices {
		page.List = append(page.List, consoleOffice(o))
	}
	return page, err
}

func consoleOffice(o Office) console.Office {
	return console.Office{Code: o.Code, Name: o.Name, Parent: o.Parent, Kind: o.Kind, Enrolled: o.Enrolled, Hub: o.Hub, Into: o.Into, Old: o.Old, May: o.May}
}

func (v consoleView) Office(_ context.Context, code string) (console.Office, error) {
	card, err := v.h.registry.Lookup(code)
	if errors.Is(err, registry.ErrNotFound) {
		return console.Office{}, noOffice(code)
	}
	return consoleOffice(office(card)), err
}

func noOffice(code string) error {
	return problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": code})
}

func isNoOffice(err error) bool { return errors.Is(err, problem.New(0, "hub.no-office", "", nil)) }

func (v consoleView) Import(ctx context.Context, csv []byte, by string) (added, changed int, err error) {
	did, err := v.h.ImportOffices(ctx, csv, by)
	return did.New, did.Changed, err
}

func (v consoleView) Rename(ctx context.Context, code, name, kind, by string) error {
	_, err := v.h.ChangeOffice(ctx, OfficeChange{Act: ActRename, Code: code, Name: name, Kind: kind}, by)
	return err
}

func (v consoleView) Move(ctx context.Context, code, parent, by string) error {
	_, err := v.h.ChangeOffice(ctx, OfficeChange{Act: ActMove, Code: code, Parent: parent}, by)
	return err
}

// Dossiers is the table of a month of the offices in scope.
func (v consoleView) Dossiers(ctx context.Context, scope string, q rollup.Query) (rollup.Table, error) {
	if scope != "" && q.Office != "" && !v.h.within(scope, q.Office) {
		return rollup.Table{}, problem.New(problem.NotFound, "hub.no-office", "don-vi", i18n.Args{"code": q.Office})
	}
	t, err := v.h.Dossiers(ctx, q)
	if err != nil || scope == "" {
		return t, err
	}
	return t.Only(func(code string) bool { return v.h.within(scope, code) }), nil
}
