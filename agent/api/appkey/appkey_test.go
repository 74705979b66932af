package appkey

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"net/http"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

type world struct {
	*Store
	db  *sqlite.DB
	now time.Time
	log bytes.Buffer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)}
	now := func() time.Time { return w.now }
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "a.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w.db, w.Store = db, New(db, Options{Now: now, Logger: slog.New(slog.NewTextHandler(&w.log, nil))})
	return w
}

func (w *world) make(t testing.TB, n NewApp) (App, Key) {
	t.Helper()
	a, k, err := w.Create(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return a, k
}

func TestAKeyOpensUntilItIsRotatedRevokedOrEnds(t *testing.T) {
	w := newWorld(t)
	a, first := w.make(t, NewApp{Name: "edocman", Kind: Document, Days: 30, By: "it"})
	got, err := w.Authenticate(t.Context(), string(first))
	if err != nil || got.Name != a.Name || got.Actor() != "app:edocman" || !got.May(RegistersRead) || got.Own {
		t.Fatalf("%+v, %v", got, err)
	}
	_, second, err := w.Rotate(t.Context(), "it", "edocman")
	if err != nil || first == second {
		t.Fatal(err)
	}
	w.refused(t, string(first), "app.wrong-key")
	if _, err := w.Authenticate(t.Context(), string(second)); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.AddDate(0, 0, 30)
	w.refused(t, string(second), "app.ended")
	_, other := w.make(t, NewApp{Name: "cong", Kind: Portal})
	for range 2 {
		if err := w.Revoke(t.Context(), "it", "cong"); err != nil {
			t.Fatal(err)
		}
	}
	w.refused(t, string(other), "app.ended")
	if _, _, err := w.Rotate(t.Context(), "it", "cong"); !isProblem(err, "app.revoked") {
		t.Errorf("rotated a revoked one: %v", err)
	}
	if _, _, err := w.Create(t.Context(), NewApp{Name: "cong", Kind: Portal}); !isProblem(err, "app.taken") {
		t.Errorf("name given again: %v", err)
	}
	r, err := audit.Verify(t.Context(), w.db)
	if err != nil || r.Entries != 4 {
		t.Errorf("audit: %d entries, %v; want created, rotated, created, revoked", r.Entries, err)
	}
	if list, err := w.List(t.Context()); err != nil || len(list) != 2 || list[1].Used.IsZero() || list[1].Rotated.IsZero() {
		t.Errorf("list %+v, %v", list, err)
	}
}

func isProblem(err error, code string) bool {
	var p *problem.Problem
	return errors.As(err, &p) && p.Code == code && p.Message(i18n.Vietnamese) != p.Message(i18n.English) && !strings.Contains(p.Message(i18n.English), "{")
}

func (w *world) refused(t *testing.T, key, code string) {
	t.Helper()
	if _, err := w.Authenticate(t.Context(), key); !isProblem(err, code) {
		t.Errorf("key refused as %v, want %s", err, code)
	}
}

func TestEachBadKeyHasItsOwnMessage(t *testing.T) {
	w := newWorld(t)
	_, k := w.make(t, NewApp{Name: "edocman", Kind: Document})
	key := string(k)
	other, _ := newKey()
	swapped := key[:len("tram_")+idLength] + string(other)[len("tram_")+idLength:]
	for given, code := range map[string]string{
		"":                         "app.no-key",
		"tram":                     "app.bad-key",
		key[:len(key)-1]:           "app.bad-key",
		strings.ToUpper(key):       "app.bad-key",
		key + "a":                  "app.bad-key",
		swapped:                    "app.bad-key",
		strings.Repeat("a", 1<<20): "app.bad-key",
		string(other):              "app.wrong-key",
	} {
		w.refused(t, given, code)
	}
	body := swapped[:len(swapped)-sumLength]
	w.refused(t, body+checksum(body), "app.wrong-key")
}

func TestKeysAreKeptNowhere(t *testing.T) {
	w := newWorld(t)
	_, k := w.make(t, NewApp{Name: "edocman", Kind: Document})
	secret := strings.Split(string(k), "_")[2]
	w.Store.log.Info("made", "key", k)
	if strings.Contains(w.log.String(), secret) || !strings.Contains(w.log.String(), "…") {
		t.Errorf("the log shows %s", w.log.String())
	}
	err := w.db.View(t.Context(), func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT coalesce(quote(secret), '') || name || id || scopes FROM apps UNION ALL SELECT detail FROM audit`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			if strings.Contains(text, secret[:10]) {
				t.Errorf("the database holds the secret: %s", text)
			}
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAllFaultsOfANewApplicationAreToldAtOnce(t *testing.T) {
	w := newWorld(t)
	_, _, err := w.Create(t.Context(), NewApp{Name: "Cổng", Kind: "khac", Rate: -1, Days: -1})
	var codes []string
	for _, p := range problem.All(err) {
		codes = append(codes, p.Code+":"+p.Field)
		if strings.Contains(p.Message(i18n.Vietnamese)+p.Message(i18n.English), "{") {
			t.Errorf("%s: a placeholder is left", p.Code)
		}
	}
	if want := []string{"app.name:name", "app.kind:kind", "app.bad-rate:rate", "app.bad-days:days"}; !slices.Equal(codes, want) {
		t.Errorf("faults %v, want %v", codes, want)
	}
	if _, _, err := w.Create(t.Context(), NewApp{Name: "cong", Kind: Portal, Scopes: []Scope{"all"}}); !isProblem(err, "app.scope-unknown") {
		t.Errorf("unknown scope: %v", err)
	}
}

func TestPortalsAndPublicServicesSeeOnlyTheirOwn(t *testing.T) {
	w := newWorld(t)
	for kind, own := range map[Kind]bool{Document: false, OneStop: false, Portal: true, PublicService: true} {
		a, _ := w.make(t, NewApp{Name: string(kind), Kind: kind})
		if a.Own != own || !slices.Equal(a.Scopes, Presets[kind]) {
			t.Errorf("%s: own %v, scopes %v", kind, a.Own, a.Scopes)
		}
	}
	if a, _ := w.make(t, NewApp{Name: "vua", Kind: Document, Own: true, Scopes: []Scope{EventsRead, DocumentsRead}}); !a.Own || !slices.Equal(a.Scopes, []Scope{DocumentsRead, EventsRead}) {
		t.Errorf("%+v", a)
	}
}

func TestP9_AnAllowanceIsEachApplicationsOwn(t *testing.T) {
	w := newWorld(t)
	a, _ := w.make(t, NewApp{Name: "mot", Kind: Document, Rate: 120})
	b, _ := w.make(t, NewApp{Name: "hai", Kind: Document})
	spend := func(a App) (n int, retry time.Duration) {
		for {
			done, wait := w.Take(a)
			if done == nil {
				return n, wait
			}
			done()
			n++
		}
	}
	if n, retry := spend(a); n != 12 || retry != 500*time.Millisecond {
		t.Errorf("%d calls, then again in %v", n, retry)
	}
	if n, _ := spend(b); n != DefaultRate/burst {
		t.Errorf("the other had %d calls", n)
	}
	w.now = w.now.Add(time.Second)
	if n, _ := spend(a); n != 2 {
		t.Errorf("%d calls after a second", n)
	}
	w.now = w.now.Add(time.Hour)
	var held []func()
	for done, _ := w.Take(b); done != nil; done, _ = w.Take(b) {
		held = append(held, done)
	}
	if len(held) != MaxAtOnce {
		t.Errorf("%d calls at once", len(held))
	}
	held[0]()
	if done, _ := w.Take(b); done == nil {
		t.Error("the place of a call that ended is not free")
	}
	for range MaxWaiting {
		if done, _ := w.TakeWait(a); done == nil {
			t.Error("may not wait")
		}
	}
	if done, retry := w.TakeWait(a); done != nil || retry <= 0 {
		t.Error("too many wait")
	}
}

func TestCallsAreCountedAndWrittenDown(t *testing.T) {
	w := newWorld(t)
	w.make(t, NewApp{Name: "edocman", Kind: Document})
	for range 3 {
		w.Count("edocman", "listDocuments")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if list, err := w.List(t.Context()); err != nil || list[0].Calls != 3 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestTheLocalSocketManagesApplications(t *testing.T) {
	w := newWorld(t)
	mux := http.NewServeMux()
	var closed error
	Routes(mux, slog.New(slog.DiscardHandler), func() (*Store, error) { return w.Store, closed })
	call := func(method, path, body string) (int, string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	if code, body := call("POST", "/v1/apps", `{"name":"cong","kind":"portal"}`); code != 200 || !strings.Contains(body, `"key":"tram_`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := call("POST", "/v1/apps/cong/rotate", ``); code != 200 || !strings.Contains(body, `"key":"tram_`) {
		t.Errorf("%d %s", code, body)
	}
	if code, body := call("GET", "/v1/apps", ``); code != 200 || strings.Contains(body, "tram_") || !strings.Contains(body, `"cong"`) {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := call("POST", "/v1/apps/khong/revoke", ``); code != 404 {
		t.Errorf("revoked nothing: %d", code)
	}
	if code, _ := call("POST", "/v1/apps/cong/revoke", ``); code != 200 {
		t.Errorf("%d", code)
	}
	closed = problem.New(problem.NotEnrolled, "trust.not-enrolled", "", nil)
	if code, _ := call("GET", "/v1/apps", ``); code != 503 {
		t.Errorf("a box without identity answers %d", code)
	}
}

func FuzzBearer(f *testing.F) {
	k, _ := newKey()
	for _, s := range []string{"", "Bearer", "Bearer " + string(k), "bearer tram_aaaaaaaa_", "Basic x", "Bearer " + string(k)[1:]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		key := Bearer(header)
		id, ok := Parse(key)
		if ok && (len(key) > MaxKey || !strings.HasPrefix(key, "tram_"+id+"_") || !strings.HasSuffix(key, checksum(key[:len(key)-sumLength]))) {
			t.Errorf("%q passes as a key of %q", key, id)
		}
	})
}
