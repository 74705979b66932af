package web

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tram/agent/compose"
	"tram/agent/handling"
	"tram/agent/httpd"
	"tram/agent/search"
	"tram/agent/search/searchtest"
	"tram/agent/web/account"
	"tram/agent/web/page"
	"tram/agent/web/page/pagetest"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// noon is the moment at which the tests live: 10:32 in Vietnam.
var noon = time.Date(2026, 11, 21, 3, 32, 0, 0, time.UTC)

// cheap hashing keeps the tests quick.
var cheap = account.Parameters{Memory: 64, Time: 1, Threads: 1}

const password = "mật khẩu dài"

// box is a running office with its pages.
type box struct {
	t        *testing.T
	office   *fakeOffice
	papers   *realOffice
	docs     seeded
	handling *handling.Store
	dossiers *dossierDesk
	accounts *account.Store
	db       *sqlite.DB
	link     Link
	search   *search.Index
	coming   []Arriving
	url      string
	uploads  string
	admin    *adminBox
	scans    string
	config   *Config
	site     *site
	away     atomic.Bool // every connection breaks
	slow     atomic.Bool // bodies come in slowly
}

// slowBody makes an upload take long enough to be seen.
type slowBody struct{ io.ReadCloser }

func (b slowBody) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return b.ReadCloser.Read(p)
}

// limits changes what an upload may hold.
func (b *box) limits(file, all int64, files int) {
	b.config.MaxFile, b.config.MaxUpload, b.config.MaxFiles = file, all, files
}

// start runs pages over httpd on a free port. Without empty the office is
// seeded.
func start(t *testing.T, empty bool, now func() time.Time) *box {
	t.Helper()
	return startOver(t, nil, empty, now)
}

// startOver is start over TLS when secure is not nil.
func startOver(t *testing.T, secure *tls.Config, empty bool, now func() time.Time) *box {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	back := &backdated{now: now}
	db, err := sqlitetest.Open(ctx, filepath.Join(t.TempDir(), "tram.db"), sqlite.Options{Schemas: boxSchemas, Now: back.time})
	if err != nil {
		t.Fatal(err)
	}
	accounts, err := account.New(db, account.Options{Hash: cheap, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]account.Role{"lan": account.Clerk, "it": account.IT, "leader": account.Leader, "staff": account.Staff, "onestop": account.OneStop} {
		if _, err := accounts.CreateUser(ctx, account.NewUser{Name: name, Display: "Nguyễn Thị " + name, Role: role, Password: password}); err != nil {
			t.Fatal(err)
		}
	}
	b := &box{t: t, office: newFakeOffice(now), papers: &realOffice{t: t, now: now}, accounts: accounts, db: db, link: Link{Up: true, Since: now().Add(-time.Hour), Rate: 96 << 10}}
	if b.handling, err = handling.New(handling.Options{DB: db, Office: b.office, Now: now}); err != nil {
		t.Fatal(err)
	}
	b.dossiers = dossiersOver(t, db, back, b.office)
	b.office.transaction = func(fn func(tx *sqlite.Tx) error) error { return db.Update(context.Background(), fn) }
	if !empty {
		b.docs = seed(b.office)
	}
	server, err := httpd.Listen(httpd.Options{Address: "127.0.0.1:0", TLS: secure, Files: b.office, Alive: accounts.Alive, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	b.search = search.New(search.Options{DB: db, Source: b.office, Reader: searchtest.Reader{}})
	indexed := make(chan struct{})
	go func() { defer close(indexed); _ = b.search.Run(ctx) }()
	b.scans = t.TempDir()
	composing, err := compose.New(ctx, compose.Options{DB: db, Dir: t.TempDir(), Scans: b.scans, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	options := Options{Composing: composing, Search: b.search, Arriving: func() []Arriving { return b.coming }, Office: b.office, Papers: b.papers, Directory: directory, Accounts: accounts, Link: func() Link { return b.link }, Queue: b.office, Handling: b.handling,
		Documents: server.Documents(), Books: booksOver(t, db, b.office, now), Dossiers: b.dossiers.Store, FormHeading: formHeading, Now: now, Config: Config{Unit: us, Version: "0.1.0", UploadDir: t.TempDir(), Secure: server.Secure(), MaxFile: 64 << 20, MaxUpload: 80 << 20}}
	b.admin, options.Admin, options.Sticks = newAdmin(t, db, now)
	b.uploads = options.Config.UploadDir
	s, err := newSite(options)
	if err != nil {
		t.Fatal(err)
	}
	b.config, b.site = &s.Config, s
	routes := s.routes()
	pages := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.away.Load() {
			panic(http.ErrAbortHandler)
		}
		if b.slow.Load() {
			r.Body = slowBody{r.Body}
		}
		routes.ServeHTTP(w, r)
	})
	b.url = server.URL()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, pages) }()
	t.Cleanup(func() {
		cancel()
		<-indexed
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	return b
}

func fixed() time.Time { return noon }

// settable is a clock that a test sets while the box runs.
func settable(at time.Time) (now func() time.Time, set func(time.Time)) {
	var is atomic.Pointer[time.Time]
	is.Store(&at)
	return func() time.Time { return *is.Load() }, func(t time.Time) { is.Store(&t) }
}

// browser is a visitor with cookies who does not follow redirects.
type browser struct {
	*box
	client *http.Client
}

func (b *box) visitor() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // no name is looked at here
	b.t.Cleanup(transport.CloseIdleConnections)
	return &browser{b, &http.Client{Jar: jar, Timeout: time.Minute, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// as is a visitor who has signed in.
func (b *box) as(name string) *browser {
	b.t.Helper()
	v := b.visitor()
	res, _ := v.post("/dang-nhap", url.Values{"name": {name}, "password": {password}})
	if res.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("sign-in of %s gave %d", name, res.StatusCode)
	}
	return v
}

func (v *browser) do(req *http.Request) (*http.Response, string) {
	v.t.Helper()
	res, err := v.client.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res, string(body)
}

func (v *browser) get(path string) (*http.Response, string) {
	v.t.Helper()
	req, err := http.NewRequest(http.MethodGet, v.address(path), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(req)
}

func (v *browser) address(path string) string {
	if strings.HasPrefix(path, "http") {
		return path
	}
	return v.url + path
}

// token is what the forms on this visitor's pages carry.
func (v *browser) token() string {
	v.t.Helper()
	u, err := url.Parse(v.url)
	if err != nil {
		v.t.Fatal(err)
	}
	for range 2 {
		secret := ""
		session, visit := v.site.Cookies()
		for _, c := range v.client.Jar.Cookies(u) {
			if c.Name == session || c.Name == visit && secret == "" {
				secret = c.Value
			}
		}
		if secret != "" {
			return formToken(secret)
		}
		v.get("/dang-nhap")
	}
	v.t.Fatal("the sign-in page sets no cookie for its form")
	return ""
}

// post sends a form as it stands on a page of this visitor.
func (v *browser) post(path string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	filled := url.Values{tokenField: {v.token()}}
	for name, values := range form {
		filled[name] = values
	}
	form = filled
	req, err := http.NewRequest(http.MethodPost, v.address(path), strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", v.url)
	return v.do(req)
}

// Short names for what tests of pages say all the time.
const tokenField = page.TokenField

var formToken, checkMarkup = page.FormToken, pagetest.Markup
