package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

//go:embed assets/*.css templates/*.html
var files embed.FS

// Options of New. All but SignOn, Root, Logger and Now are required.
type Options struct {
	Code, Name, Version string // of the hub
	Fleet               Fleet
	Hub                 Hub
	Invites             Invites
	Trust               Trust
	Directory           Directory
	Figures             Figures
	Duty                Duty
	Reports             Reports
	Releases            Releases
	Orders              Orders
	People              People
	Accounts            page.Accounts
	SignOn              page.SignOn // nil: passwords alone
	// Root is the certificate that PCs are to trust for these pages, PEM; nil:
	// they stay on this machine.
	Root   func() ([]byte, error)
	Secure bool // browsers come over TLS
	Logger *slog.Logger
	Now    func() time.Time
}

// Paths of the pages.
const (
	homePath      = "/tinh-hinh"
	devicesPath   = "/thiet-bi"
	devicePath    = devicesPath + "/mot/"
	invitesPath   = "/moi"
	waitingPath   = "/phong-cho"
	certsPath     = "/chung-thu"
	officesPath   = "/don-vi"
	officePath    = officesPath + "/mot/"
	dossiersPath  = "/mot-cua"
	urgentPath    = "/van-ban-khan"
	incidentsPath = "/su-co"
	reportPath    = "/bao-cao"
	ordersPath    = "/lenh"
	peoplePath    = "/nguoi-dung"
	personPath    = peoplePath + "/mot/"
	updatesPath   = "/cap-nhat"
	updatePath    = updatesPath + "/mot/"
	rootPath      = "/chung-thu-trang.crt"
)

// site is the running console.
type site struct {
	*page.Site
	Options
}

// New makes the pages. The handler expects the guards of httpd in front of it.
func New(o Options) (http.Handler, error) {
	s, err := newSite(o)
	if err != nil {
		return nil, fmt.Errorf("make console: %w", err)
	}
	return s.Serve(s.table()), nil
}

func newSite(o Options) (*site, error) {
	if o.Fleet == nil || o.Hub == nil || o.Invites == nil || o.Trust == nil || o.Directory == nil || o.Figures == nil || o.Duty == nil || o.Reports == nil || o.Releases == nil || o.Orders == nil || o.People == nil {
		return nil, errors.New("an option is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &site{Options: o}
	var err error
	s.Site, err = page.New(page.Options{
		Files: files, Accounts: o.Accounts, Unit: page.Unit{Code: o.Code, Name: o.Name}, Version: o.Version,
		Home: homePath, HomeText: "console.error.home", Lost: "console.lost", Frame: s.frame, Back: formPage, SignOn: o.SignOn, Packed: true, Secure: o.Secure, Logger: o.Logger, Now: o.Now,
	})
	return s, err
}

// table lists every address of the console but those of every site. There is no
// other way to add one, and a test holds a rule for each. A new screen is one
// entry here, and one in menu.
func (s *site) table() []page.Route {
	home := func(_ context.Context, v *page.Visit) error {
		v.Redirect(homePath)
		return nil
	}
	return append(slices.Concat(s.Routes(), s.SignOnRoutes(), s.actRoutes()),
		page.Route{Who: account.Fleet, Pattern: "GET /{$}", Do: home},
		page.Route{Who: account.Fleet, Pattern: "GET " + homePath, Do: s.overview},
		page.Route{Who: account.Fleet, Pattern: "GET " + devicesPath, Do: s.devices},
		page.Route{Who: account.Fleet, Pattern: "GET " + devicesPath + "/xuat", Do: s.exportDevices},
		page.Route{Who: account.Fleet, Pattern: "GET " + devicePath + "{code}", Do: s.device},
		page.Route{Who: account.Pause, Pattern: "POST " + devicePath + "{code}/tam-dung", Do: s.pause},
		page.Route{Who: account.Revoke, Pattern: "POST " + devicePath + "{code}/moi-lai", Do: s.reinvite},
		page.Route{Who: account.Revoke, Pattern: "POST " + devicePath + "{code}/thu-hoi", Do: s.revoke},
		page.Route{Who: account.Revoke, Pattern: "POST " + devicePath + "{code}/quen", Do: s.release},

		page.Route{Who: account.Trust, Pattern: "GET " + invitesPath, Do: s.invites},
		page.Route{Who: account.Trust, Pattern: "GET " + invitesPath + "/dot", Do: s.batch},
		page.Route{Who: account.Trust, Pattern: "GET " + invitesPath + "/phieu", Do: s.sheet},
		page.Route{Who: account.Invite, Pattern: "GET " + invitesPath + "/them", Do: s.inviteForm},
		page.Route{Who: account.Invite, Pattern: "POST " + invitesPath + "/them", Do: s.inviteOne},
		page.Route{Who: account.Invite, Pattern: "POST " + invitesPath + "/danh-sach", Do: s.inviteList, Files: true},
		page.Route{Who: account.Invite, Pattern: "POST " + invitesPath + "/tai", Do: s.download},
		page.Route{Who: account.Invite, Pattern: "POST " + invitesPath + "/huy", Do: s.withdraw},
		page.Route{Who: account.Trust, Pattern: "GET " + waitingPath, Do: s.waiting},
		page.Route{Who: account.Admit, Pattern: "POST " + waitingPath + "/{id}", Do: s.decide},
		page.Route{Who: account.Trust, Pattern: "GET " + certsPath, Do: s.certificates},
		page.Route{Who: page.Anybody, Pattern: "GET " + rootPath, Do: s.root, Early: true},
		page.Route{Who: account.Trust, Pattern: "GET " + officesPath, Do: s.offices},
		page.Route{Who: account.Trust, Pattern: "GET " + officePath + "{code}", Do: s.office},
		page.Route{Who: account.Offices, Pattern: "GET " + officesPath + "/them", Do: s.officeForm},
		page.Route{Who: account.Offices, Pattern: "POST " + officesPath + "/them", Do: s.addOffice},
		page.Route{Who: account.Offices, Pattern: "POST " + officesPath + "/danh-sach", Do: s.importOffices, Files: true},
		page.Route{Who: account.Offices, Pattern: "POST " + officePath + "{code}", Do: s.changeOffice},

		page.Route{Who: account.Fleet, Pattern: "GET " + urgentPath, Do: s.urgent},
		page.Route{Who: account.Duty, Pattern: "POST " + urgentPath, Do: s.called},
		page.Route{Who: account.Fleet, Pattern: "GET " + incidentsPath, Do: s.incidents},
		page.Route{Who: account.Fleet, Pattern: "GET " + incidentsPath + "/mot/{id}", Do: s.incident},
		page.Route{Who: account.Duty, Pattern: "POST " + incidentsPath + "/mot/{id}", Do: s.actOnIncident},
		page.Route{Who: account.Fleet, Pattern: "GET " + incidentsPath + "/mot/{id}/tuong-trinh", Do: s.postMortem},
		page.Route{Who: account.Trust, Pattern: "GET " + reportPath, Do: s.report},
		page.Route{Who: account.Trust, Pattern: "GET " + reportPath + "/in", Do: s.printReport},

		page.Route{Who: account.Fleet, Pattern: "GET " + dossiersPath, Do: s.dossiers},
		page.Route{Who: account.Fleet, Pattern: "GET " + dossiersPath + "/xuat", Do: s.exportDossiers},
	)
}

// actRoutes are those of orders, updates and accounts.
func (s *site) actRoutes() []page.Route {
	return []page.Route{
		{Who: account.Order, Pattern: "POST " + devicePath + "{code}/lenh", Do: s.order},
		{Who: account.Order, Pattern: "POST " + devicesPath + "/lenh", Do: s.orderMany},
		{Who: account.Order, Pattern: "GET " + ordersPath, Do: s.orders},
		{Who: account.Order, Pattern: "GET " + ordersPath + "/mot/{id}", Do: s.orderPage},
		{Who: account.Order, Pattern: "POST " + ordersPath + "/mot/{id}", Do: s.withdrawOrder},
		{Who: account.Order, Pattern: "GET " + ordersPath + "/mot/{id}/goi", Do: s.orderArchive},
		{Who: account.Releases, Pattern: "GET " + updatesPath, Do: s.updates},
		{Who: account.Releases, Pattern: "GET " + updatePath + "{version}", Do: s.update},
		{Who: account.Stage, Pattern: "POST " + updatePath + "{version}", Do: s.stageUpdate},
		{Who: account.Releases, Pattern: "POST " + updatePath + "{version}/dung", Do: s.stopUpdate},
		{Who: account.Accounts, Pattern: "GET " + peoplePath, Do: s.people},
		{Who: account.Accounts, Pattern: "POST " + peoplePath, Do: s.addPerson},
		{Who: account.Accounts, Pattern: "GET " + personPath + "{name}", Do: s.person},
		{Who: account.Accounts, Pattern: "POST " + personPath + "{name}", Do: s.changePerson},
	}
}

// formPage is the page that a form was on whose address is path.
func formPage(path string) string {
	for _, action := range []string{"/moi-lai", "/thu-hoi", "/quen", "/tam-dung", "/dung", "/lenh"} {
		path = strings.TrimSuffix(path, action)
	}
	switch {
	case strings.HasPrefix(path, waitingPath):
		return waitingPath
	case path == invitesPath+"/danh-sach":
		return invitesPath + "/them"
	case path == officesPath+"/danh-sach":
		return officesPath + "/them"
	case strings.HasPrefix(path, invitesPath) && path != invitesPath+"/them":
		return invitesPath
	}
	return path
}

// menu is the entries in their order, which is the same on every page. Keys are
// fixed: an entry that a person may not use leaves its key unused.
var menu = []struct {
	href, text, key string
	who             account.Right
}{
	{homePath, "console.overview.title", "Alt+1", account.Fleet},
	{devicesPath, "console.devices.title", "Alt+2", account.Fleet},
	{invitesPath, "console.trust.title", "Alt+3", account.Trust},
	{dossiersPath, "console.dossiers.title", "Alt+4", account.Fleet},
	{urgentPath, "console.urgent.title", "Alt+5", account.Fleet},
	{incidentsPath, "console.incidents.title", "Alt+6", account.Fleet},
	{reportPath, "console.report.title", "Alt+7", account.Trust},
	{updatesPath, "console.updates.title", "Alt+8", account.Releases},
	{peoplePath, "console.people.title", "Alt+9", account.Accounts},
}

// trustPages are the pages under "invites and enrolment".
var trustPages = []struct{ href, text string }{
	{invitesPath, "console.invites.title"}, {waitingPath, "console.waiting.title"}, {certsPath, "console.certs.title"}, {officesPath, "console.offices.title"},
}

// scope is the part of the tree that the visitor may see, "" for all of it.
func scope(v *page.Visit) string { return v.Session.User.Scope }

// frame is what the console has around a page. Failing figures leave the strip out
// rather than the page.
func (s *site) frame(ctx context.Context, v *page.Visit, p *page.Page, current string) {
	room := 0
	if v.May(account.Trust) {
		boxes, err := s.Trust.WaitingRoom(ctx, false)
		if err != nil {
			s.Logger.Error("count the waiting room", "error", err)
		}
		room = len(boxes)
	}
	o, err := s.Fleet.Overview(ctx, scope(v))
	if err != nil {
		s.Logger.Error("read figures for the strip", "error", err)
	} else {
		strip := s.strip(v, o)
		// The part before the dot is for the live parts, that behind it for the strip.
		p.Strip, p.Rev = &strip, fmt.Sprintf("%x-%d.%s-%d", o.Rev, room, strip.Key, o.At.Unix()/60)
	}
	for _, e := range menu {
		if !v.May(e.who) {
			continue
		}
		item := page.MenuItem{Href: e.href, Text: v.T(e.text), Key: e.key, Current: e.href == current}
		if e.href == invitesPath && room > 0 {
			item.Count, item.Counted = strconv.Itoa(room), v.T("console.waiting.counted")
		}
		p.Menu = append(p.Menu, item)
	}
}

// strip says how the hub stands, and as of when.
func (s *site) strip(v *page.Visit, o Overview) page.Strip {
	up, since := s.Hub.Hears()
	strip := page.Strip{Tone: "up", Key: "up", Main: v.T("console.strip.up"), Fine: v.T("console.as-of", i18n.Args{"time": clock(o.At)})}
	if !up {
		strip = page.Strip{Tone: "down held", Key: "stale", Main: v.T("console.strip.stale", i18n.Args{"time": v.Clock(since)})}
	}
	if left := v.Session.Expires.Sub(v.Now); v.Signed && left < sessionWarning {
		strip.Ending = v.T("web.strip.ending", i18n.Args{"time": v.Clock(v.Session.Expires)})
		strip.Key += "-ending"
	}
	return strip
}

// sessionWarning is how long before its end a session is announced.
const sessionWarning = 15 * time.Minute

// trustPage is the layout of a page under "invites and enrolment".
func (s *site) trustPage(ctx context.Context, v *page.Visit, title, path string) page.Page {
	p := s.Page(ctx, v, title, invitesPath)
	p.Styles, p.SideText, p.Path = s.Some("admin.css", "console.css"), v.T("console.trust.title"), path
	for _, e := range trustPages {
		p.Side = append(p.Side, page.MenuItem{Href: e.href, Text: v.T(e.text), Current: e.href == path})
	}
	return p
}

// clock is the time to the second: figures move.
func clock(t time.Time) string { return t.In(page.Zone).Format("15:04:05") }
