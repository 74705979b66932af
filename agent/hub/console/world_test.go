package console_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/config"
	"tram/agent/dossier"
	"tram/agent/enroll"
	"tram/agent/health"
	"tram/agent/health/beat"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/console"
	"tram/agent/hub/fleet"
	"tram/agent/hub/rollup"
	"tram/agent/i18n"
	"tram/agent/web/page"
	"tram/storage/sqlite"
)

const password = "mật khẩu dài"

// world is a hub that does not run, with its console.
type world struct {
	t    testing.TB
	dir  string
	hub  *hub.Hub
	db   *sqlite.DB
	site console.Site
	url  string
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// empty is a hub without an office. Its people are op, sec and ky, who sees the
// cluster H40.1.
func empty(t testing.TB) *world {
	t.Helper()
	return emptyWith(t, nil)
}

// emptyWith changes the hub's settings before it is opened; url is where browsers
// will find it.
func emptyWith(t testing.TB, change func(c *config.Hub, url string)) *world {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	url := "http://" + srv.Listener.Addr().String()
	dir := filepath.Join(t.TempDir(), "hub")
	c := config.DefaultHub()
	c.Code, c.Name = "H40", "UBND tỉnh Minh Sơn"
	c.Storage.Reserve = 10 * config.MB
	if change != nil {
		change(c, url)
	}
	_, err := ca.Init(dir, ca.Options{Code: c.Code, Name: c.Name, Enroll: c.EnrollEndpoints(), MQTT: c.MQTTEndpoints(), Hosts: []string{"127.0.0.1"}})
	must(t, err)
	h, err := hub.Open(context.Background(), hub.Options{Dir: dir, Config: c, Version: "1.4.2"})
	must(t, err)
	db, err := hub.OpenDB(context.Background(), dir, false, nil)
	must(t, err)
	w := &world{t: t, dir: dir, hub: h, db: db, url: url}
	for _, n := range []hub.NewAccount{{Name: "op", Display: "Lê Văn Trực", Role: "operator"}, {Name: "sec", Display: "Phạm Thị An", Role: "security"},
		{Name: "ky", Display: "Hoàng Kỳ", Role: "officer", Scope: "H40.1"}} {
		n.Password = password
		_, err := h.AddUser(context.Background(), n, "test")
		must(t, err)
		must(t, db.Update(context.Background(), func(tx *sqlite.Tx) error {
			_, err := tx.Exec(`UPDATE users SET temporary = 0`)
			return err
		}))
	}
	w.site, err = console.NewSite(h.ConsoleOptions())
	must(t, err)
	srv.Config.Handler = w.site.Handler()
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// clusters of the seeded province.
var clusters = []string{"H40.1", "H40.2", "H40.3"}

// seeded is a province of three clusters with boxes in every state, invites of
// every state, a box in the waiting room, and figures of one-stop dossiers.
func seeded(t testing.TB) *world {
	t.Helper()
	w := empty(t)
	ctx := context.Background()
	list := "code,name,parent,kind\n"
	for i, c := range clusters {
		list += fmt.Sprintf("%s,%s,H40,cum\n", c, []string{"Cụm Kỳ Sơn", "Cụm Tân Lập", "Cụm An Bình"}[i])
		for n := range 12 {
			list += fmt.Sprintf("%s.%02d,UBND xã %s %d,%s,xa\n", c, n, []string{"Mường", "Nà", "Phú"}[i], n, c)
		}
	}
	_, err := w.hub.ImportOffices(ctx, []byte(list), "test")
	must(t, err)
	made, err := w.hub.Invite(ctx, []byte(list), ca.InviteOptions{Batch: "2026-11-A", By: "test"})
	must(t, err)
	w.enroll(made[1], "first")
	w.enroll(made[1], "second") // the stick was copied
	_, err = w.hub.Invite(ctx, []byte("code,name,parent,kind\nH40.3.90,UBND xã Phú Lâu,H40.3,xa\n"), ca.InviteOptions{Batch: "cu", TTL: time.Second, By: "test"})
	must(t, err)
	_, err = w.hub.Invite(ctx, []byte("code,name,parent,kind\nH40.3.91,UBND xã Phú Mất,H40.3,xa\n"), ca.InviteOptions{Batch: "mat", TTL: 48 * time.Hour, By: "test"})
	must(t, err)
	w.boxes(ctx)
	w.dossiers(ctx)
	return w
}

// enroll has a box of its own folder redeem an invite by stick, or wait.
func (w *world) enroll(m ca.Made, box string) {
	w.t.Helper()
	dir := filepath.Join(w.t.TempDir(), box)
	must(w.t, os.MkdirAll(dir, 0o700))
	file := filepath.Join(dir, m.File)
	must(w.t, os.WriteFile(file, m.Raw, 0o600))
	request, _, err := enroll.OfflineRequest(enroll.Options{Dir: dir, Invite: file, Now: time.Now})
	must(w.t, err)
	_, err = w.hub.SignInvite(context.Background(), request)
	if box == "first" {
		must(w.t, err)
	} else if err == nil {
		w.t.Fatal("a copied invite was taken twice")
	}
}

// boxes tells the fleet how each of them is.
func (w *world) boxes(ctx context.Context) {
	now := time.Now()
	var members []fleet.Member
	beats, sessions := map[string]fleet.Heard{}, map[string]fleet.Change{}
	days := 2
	for i, c := range clusters {
		for n := range 12 {
			code := fmt.Sprintf("%s.%02d", c, n)
			members = append(members, fleet.Member{Code: code, Name: fmt.Sprintf("UBND xã %s %d", []string{"Mường", "Nà", "Phú"}[i], n), Parent: c, Kind: "xa", Enrolled: n < 11, Revoked: n == 11 && i == 2})
			if n >= 10 {
				continue
			}
			b := beat.Beat{Version: beat.Version, At: now, Software: "tram 1.4." + fmt.Sprint(n%2), Every: 300, Disk: beat.Disk{Free: 5 << 30},
				Clock: beat.Clock{Trusted: true, Offset: int64(n) * 700}, Certificate: now.AddDate(0, 0, 20+40*n), Queue: beat.Queue{Count: n % 3, Bytes: int64(n) << 18, Since: now.Add(-time.Duration(n+1) * time.Hour)}}
			switch n {
			case 3:
				b.Disk.Days = &days
			case 4:
				b.Queue.Count = 0
			case 6:
				b.Conditions = []health.Condition{{Code: health.DiskLow, Args: i18n.Args{"free": 320}}}
			}
			beats[code] = fleet.Heard{At: now.Add(-time.Minute), Beat: b}
			sessions[code] = fleet.Change{Online: n != 5 && i != 1, Software: b.Software}
		}
	}
	f := w.hub.Fleet()
	must(w.t, f.Roster(ctx, members))
	must(w.t, f.Sessions(ctx, sessions))
	must(w.t, f.Heard(ctx, beats))
	// Those of the second cluster, and one more, have not been heard for long.
	must(w.t, w.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE agents SET seen = ?1, since = ?1 WHERE online = 0 AND seen > 0`, sqlite.Millis(now.Add(-5*time.Hour)))
		return err
	}))
	_, err := f.Judge(ctx, now.Add(-24*time.Hour))
	must(w.t, err)
	must(w.t, f.Pause(ctx, "H40.3.02", true, "op"))
	_, err = f.Judge(ctx, now.Add(-24*time.Hour))
	must(w.t, err)
}

// dossiers has offices report their figures of this month.
func (w *world) dossiers(ctx context.Context) {
	month := time.Now().In(page.Zone).Format("2006-01")
	must(w.t, w.db.Update(ctx, func(tx *sqlite.Tx) error {
		for i, c := range clusters {
			code := c + ".00"
			rep := dossier.Report{Version: dossier.ReportVersion, Store: uuid.New(), Number: 1, Offices: []dossier.OfficeFigures{{Code: code, At: time.Now(),
				Months: []dossier.MonthFigures{{Month: month, Counts: []dossier.Counts{{Procedure: "1.000894", Taken: 40, Early: 10, OnTime: 20 + i, Late: i, Open: 7, OpenLate: i}}}}}}}
			if _, err := rollup.New(w.db).Take(tx, rollup.Source{Peer: code, Created: time.Now(), Behind: func(string) (bool, error) { return true, nil }}, rep); err != nil {
				return err
			}
		}
		return nil
	}))
}

// person is a browser without scripts.
type person struct {
	w      *world
	client *http.Client
}

func (w *world) visitor() *person {
	jar, err := cookiejar.New(nil)
	must(w.t, err)
	return &person{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (w *world) as(name string) *person {
	w.t.Helper()
	p := w.visitor()
	if res, body := p.post("/dang-nhap", url.Values{"name": {name}, "password": {password}}); res.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("sign in as %s: %d %s", name, res.StatusCode, body)
	}
	return p
}

func (p *person) do(req *http.Request) (*http.Response, string) {
	p.w.t.Helper()
	res, err := p.client.Do(req)
	must(p.w.t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	must(p.w.t, err)
	return res, string(body)
}

func (p *person) get(path string) (*http.Response, string) {
	p.w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, p.w.url+path, nil)
	must(p.w.t, err)
	return p.do(req)
}

// token is what the forms of this person carry; a newcomer fetches the cookie that
// it is made from.
func (p *person) token() string {
	p.w.t.Helper()
	u, err := url.Parse(p.w.url)
	must(p.w.t, err)
	session, visit := p.w.site.Cookies()
	for range 2 {
		for _, name := range []string{session, visit} {
			for _, c := range p.client.Jar.Cookies(u) {
				if c.Name == name {
					return page.FormToken(c.Value)
				}
			}
		}
		p.get("/dang-nhap")
	}
	p.w.t.Fatal("the sign-in page sets no cookie for its form")
	return ""
}

func (p *person) post(path string, form url.Values) (*http.Response, string) {
	p.w.t.Helper()
	filled := url.Values{page.TokenField: {p.token()}}
	for name, values := range form {
		filled[name] = values
	}
	req, err := http.NewRequest(http.MethodPost, p.w.url+path, strings.NewReader(filled.Encode()))
	must(p.w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return p.do(req)
}
