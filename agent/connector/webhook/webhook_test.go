package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// key is a secret of tests, next the one that takes its place.
var (
	key  = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
	next = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{8}, 32))
)

// message is what a receiver got.
type message struct {
	header http.Header
	body   []byte
}

// receiver is other software. It verifies what it gets and drops repeats by their id.
type receiver struct {
	t      *testing.T
	server *httptest.Server
	mu     sync.Mutex
	away   bool
	answer func(w http.ResponseWriter) // instead of 204
	got    []message
	seen   map[string]bool
	shown  []string // DocumentIds
}

func newReceiver(t *testing.T, start func(*httptest.Server)) *receiver {
	r := &receiver{t: t, seen: map[string]bool{}}
	r.server = httptest.NewUnstartedServer(r)
	r.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	start(r.server)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		panic(http.ErrAbortHandler)
	}
	r.got = append(r.got, message{req.Header, body})
	if r.answer != nil {
		r.answer(w)
		return
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil {
		r.t.Errorf("body %q: %v", body, err)
	}
	if id := req.Header.Get("webhook-id"); !r.seen[id] {
		r.seen[id] = true
		r.shown = append(r.shown, e.Data.EdXMLID)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) messages() []message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *receiver) SetAway(away bool) { r.mu.Lock(); defer r.mu.Unlock(); r.away = away }
func (r *receiver) Received() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.shown)
}
func (r *receiver) Offer([]byte)      {}
func (r *receiver) Left() int         { return 0 }
func (r *receiver) Refused() []string { return nil }

func settings(t *testing.T, s Settings) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// bad are settings with a fault, by the setting that is named.
var bad = map[string]string{
	`{}`: "url", `{"url": ""}`: "url", `{"url": "ftp://x/"}`: "url", `{"url": "http://192.0.2.1/"}`: "url",
	`{"url": "https://user:pass@x/"}`: "url", `{"url": "https:///x"}`: "url", `{"url": "https://x/#y"}`: "url", `{"url": "https://%zz/"}`: "url",
	`{"url": "http://localhost.example/"}`:                               "url",
	`{"url": "https://x/", "events": ["document.burnt"]}`:                "events",
	`{"url": "https://x/", "events": "document.arrived,document.burnt"}`: "events",
	`{"url": "https://x/", "timeout": "1h"}`:                             "timeout",
	`{"url": "https://x/", "timeout": "soon"}`:                           "timeout",
	`{"url": "https://x/", "give_up": "1s"}`:                             "give_up",
	`{"url": "https://x/", "ca": "relative.pem"}`:                        "ca",
	`{"url": "https://x/", "ca": "/no/such/file"}`:                       "ca",
	`{"url": "https://x/", "ca": "/dev/null"}`:                           "ca",
	`{"url": "https://` + strings.Repeat("x", maxURL) + `/"}`:            "url",
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Fixture {
		r := newReceiver(t, (*httptest.Server).Start)
		f := connectortest.Fixture{
			Kind: Kind(), Settings: settings(t, Settings{URL: r.server.URL}), Secret: []byte(key), System: r, Delivers: true,
		}
		for s := range bad {
			f.Bad = append(f.Bad, json.RawMessage(s))
		}
		return f
	})
}

func TestEachBadSettingIsNamedInBothLanguages(t *testing.T) {
	for s, field := range bad {
		_, err := Kind().Open(connector.Env{Settings: json.RawMessage(s), Secret: []byte(key)})
		p := problem.From(err)
		if p.Field != field || p.Message(i18n.Vietnamese) == p.Message(i18n.English) || p.Next(i18n.Vietnamese) == "" {
			t.Errorf("%.60s: %v of field %q, want %q", s, err, p.Field, field)
		}
		if strings.Contains(fmt.Sprint(err), "pass@") {
			t.Errorf("the password of an address is shown: %v", err)
		}
	}
	for _, c := range []struct{ name, secret string }{
		{"none", " \n"}, {"no prefix", strings.TrimPrefix(key, "whsec_")}, {"short", "whsec_c2hvcnQ="}, {"no base64", "whsec_!!!"},
		{"second one bad", key + "\nwhsec_x"}, {"too many", strings.Repeat(key+" ", maxSecrets+1)},
		{"long", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, maxSecret+1))},
	} {
		_, err := Kind().Open(connector.Env{Settings: json.RawMessage(`{"url": "https://x/"}`), Secret: []byte(c.secret)})
		p := problem.From(err)
		if p.Code != "webhook.secret" || p.Message(i18n.Vietnamese) == p.Message(i18n.English) {
			t.Errorf("%s: %v", c.name, err)
		}
		if word := strings.TrimSpace(c.secret); word != "" && strings.Contains(fmt.Sprint(err), word) {
			t.Errorf("%s: the secret is shown: %v", c.name, err)
		}
	}
}

// hookTo opens a webhook to a receiver.
func hookTo(t *testing.T, s Settings, secret string) (*hook, *connectortest.Desk) {
	t.Helper()
	desk := connectortest.NewDesk()
	c, err := Kind().Open(connector.Env{Settings: settings(t, s), Secret: []byte(secret), Desk: desk, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c.(*hook), desk
}

func arrived(desk *connectortest.Desk) office.Entry {
	doc := desk.File("Về việc bí mật gia đình ông Nguyễn Văn Mẫu", []byte("content"))
	at := time.Date(2026, 11, 26, 8, 0, 0, 0, time.FixedZone("", 7*3600))
	return office.Entry{
		Cursor: "0a1b2c3d4e5f-17", Type: office.DocumentReturned, Document: doc.ID, EdXMLID: doc.EdXMLID, Box: office.In, State: office.Returned,
		Code: "02", Office: connectortest.Office, At: at, Learnt: at.Add(time.Minute), Note: "trả lại vì ông Mẫu vắng", Said: i18n.Say("problem.webhook.gone"),
	}
}

func TestTheBodyIsThinAndTheSameEachTime(t *testing.T) {
	r := newReceiver(t, (*httptest.Server).Start)
	h, desk := hookTo(t, Settings{URL: r.server.URL}, key)
	e := arrived(desk)
	for range 2 {
		if err := h.Deliver(t.Context(), connector.Delivery{Entry: e}); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"type":"document.returned","cursor":"0a1b2c3d4e5f-17","timestamp":"2026-11-26T01:00:00Z","data":{"id":"` + e.Document.String() +
		`","edxml_id":"` + e.EdXMLID + `","box":"in","state":"returned","code":"02","office":"H40.01","at":"2026-11-26T01:00:00Z","learnt":"2026-11-26T01:01:00Z"}}`
	for _, m := range r.messages() {
		if string(m.body) != want {
			t.Errorf("body\n%s\nwant\n%s", m.body, want)
		}
		if m.header.Get("webhook-id") != e.Cursor || m.header.Get("content-type") != "application/json" {
			t.Errorf("header %v", m.header)
		}
	}
}

// TestWhatHappensToADossierGoesOutWithoutPersonalData, and without asking the office
// for a document of that ID.
func TestWhatHappensToADossierGoesOutWithoutPersonalData(t *testing.T) {
	r := newReceiver(t, (*httptest.Server).Start)
	h, _ := hookTo(t, Settings{URL: r.server.URL, Events: connector.Words{"dossier.status"}}, key)
	at := time.Date(2026, 11, 26, 1, 0, 0, 0, time.UTC)
	e := office.Entry{
		Cursor: "0a1b2c3d4e5f-17.4", Type: office.DossierStatus, Document: storage.ID{1}, EdXMLID: "H40.01-261126-0001", Office: "H40.01", At: at, Learnt: at,
		Dossier: &office.DossierNews{Kind: "supplement-asked", Status: 5, Due: at.Add(time.Hour)},
	}
	if err := h.Deliver(t.Context(), connector.Delivery{Entry: e}); err != nil {
		t.Fatal(err)
	}
	want := `{"type":"dossier.status","cursor":"0a1b2c3d4e5f-17.4","timestamp":"2026-11-26T01:00:00Z","data":{"id":"` + e.Document.String() +
		`","office":"H40.01","at":"2026-11-26T01:00:00Z","learnt":"2026-11-26T01:00:00Z","dossier":{"code":"H40.01-261126-0001","kind":"supplement-asked","status":5,"due":"2026-11-26T02:00:00Z"}}}`
	if got := r.messages(); len(got) != 1 || string(got[0].body) != want {
		t.Errorf("%s", got[0].body)
	}
}

func TestAnswersMeanWhatTheySay(t *testing.T) {
	r := newReceiver(t, (*httptest.Server).Start)
	elsewhere := newReceiver(t, (*httptest.Server).Start)
	for _, c := range []struct {
		name      string
		answer    func(w http.ResponseWriter)
		code      string
		permanent bool
		stop      bool
		rest      time.Duration
	}{
		{name: "200", answer: func(w http.ResponseWriter) { fmt.Fprint(w, "ok") }},
		{name: "202", answer: func(w http.ResponseWriter) { w.WriteHeader(202) }},
		{name: "endless answer", answer: func(w http.ResponseWriter) {
			for range 1000 {
				if _, err := w.Write(make([]byte, 64<<10)); err != nil {
					return
				}
			}
		}},
		{name: "400", answer: func(w http.ResponseWriter) { w.WriteHeader(400) }, code: "webhook.status"},
		{name: "401", answer: func(w http.ResponseWriter) { w.WriteHeader(401) }, code: "webhook.status"},
		{name: "410", answer: func(w http.ResponseWriter) { w.WriteHeader(410) }, code: "webhook.gone", permanent: true, stop: true},
		{name: "500 says nothing of a rest", answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", "60"); w.WriteHeader(500) }, code: "webhook.status"},
		{name: "429", answer: func(w http.ResponseWriter) { w.Header().Set("Retry-After", "60"); w.WriteHeader(429) }, code: "webhook.status", rest: time.Minute},
		{name: "503 with a date", answer: func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
			w.WriteHeader(503)
		}, code: "webhook.status", rest: time.Hour},
		{name: "503 without", answer: func(w http.ResponseWriter) { w.WriteHeader(503) }, code: "webhook.status"},
		{name: "redirect", answer: func(w http.ResponseWriter) { w.Header().Set("Location", elsewhere.server.URL); w.WriteHeader(307) }, code: "webhook.redirect"},
		{name: "endless header", answer: func(w http.ResponseWriter) { w.Header().Set("X", strings.Repeat("x", maxHeader)) }, code: "webhook.unreachable"},
		{name: "cut", answer: func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, code: "webhook.unreachable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, desk := hookTo(t, Settings{URL: r.server.URL + "/x?key=hidden"}, key)
			r.mu.Lock()
			r.answer = c.answer
			r.mu.Unlock()
			err := h.Deliver(t.Context(), connector.Delivery{Entry: arrived(desk)})
			if c.code == "" != (err == nil) || err != nil && problem.From(err).Code != c.code {
				t.Fatalf("%v, want %q", err, c.code)
			}
			if connector.IsPermanent(err) != c.permanent || connector.IsStop(err) != c.stop {
				t.Errorf("%v: permanent %v, stop %v", err, connector.IsPermanent(err), connector.IsStop(err))
			}
			rest := time.Duration(0)
			if until := connector.NotBefore(err); !until.IsZero() {
				rest = time.Until(until)
			}
			if rest > c.rest || rest < c.rest-10*time.Second {
				t.Errorf("rest of %v, want %v", rest, c.rest)
			}
			if strings.Contains(fmt.Sprint(err), "hidden") {
				t.Errorf("the query of the address is shown: %v", err)
			}
		})
	}
	if got := elsewhere.messages(); len(got) > 0 {
		t.Errorf("a redirect was followed: %d messages", len(got))
	}
}

func TestItGivesUpAfterItsTime(t *testing.T) {
	r := newReceiver(t, (*httptest.Server).Start)
	r.SetAway(true)
	h, desk := hookTo(t, Settings{URL: r.server.URL, GiveUp: "2h"}, key)
	for since, want := range map[time.Duration]bool{time.Hour: false, 3 * time.Hour: true} {
		err := h.Deliver(t.Context(), connector.Delivery{Entry: arrived(desk), Tries: 9, Since: time.Now().Add(-since)})
		if connector.IsPermanent(err) != want || problem.From(err).Code != "webhook.unreachable" {
			t.Errorf("after %v: %v, permanent %v", since, err, connector.IsPermanent(err))
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Deliver(ctx, connector.Delivery{Entry: arrived(desk), Since: time.Now().Add(-3 * time.Hour)}); err == nil || connector.IsPermanent(err) {
		t.Errorf("cut short: %v", err)
	}
}

func TestASlowReceiverIsNotWaitedFor(t *testing.T) {
	hang := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	t.Cleanup(func() { close(hang); slow.Close() })
	h, desk := hookTo(t, Settings{URL: slow.URL, Timeout: "1s"}, key)
	begin := time.Now()
	err := h.Deliver(t.Context(), connector.Delivery{Entry: arrived(desk)})
	if took := time.Since(begin); err == nil || took > 5*time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

func TestOnlyWantedEventsGo(t *testing.T) {
	for _, c := range []struct {
		events string
		want   []office.EntryType
	}{
		{`[]`, office.EntryTypes},
		{`""`, office.EntryTypes},
		{`"document.arrived, document.failed"`, []office.EntryType{office.DocumentArrived, office.DocumentFailed}},
		{`["document.status"]`, []office.EntryType{office.DocumentStatus}},
		{`"dossier.status,document.failed"`, []office.EntryType{office.DocumentFailed, office.DossierStatus}},
	} {
		made, err := Kind().Open(connector.Env{Settings: json.RawMessage(`{"url": "https://x/", "events": ` + c.events + `}`), Secret: []byte(key)})
		if err != nil {
			t.Fatal(err)
		}
		var got []office.EntryType
		for _, e := range slices.Concat(office.EntryTypes, office.DossierTypes) {
			if made.Wants(office.Entry{Type: e}) {
				got = append(got, e)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.events, got)
		}
	}
}

func TestPrivateAuthority(t *testing.T) {
	r := newReceiver(t, (*httptest.Server).StartTLS)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{ca: "", "": "webhook.unreachable"} {
		h, desk := hookTo(t, Settings{URL: r.server.URL, CA: path}, key)
		err := h.Deliver(t.Context(), connector.Delivery{Entry: arrived(desk)})
		if want == "" != (err == nil) || err != nil && problem.From(err).Code != want {
			t.Errorf("ca %q: %v", path, err)
		}
	}
}

func TestAddressesOfAMachinesOwnAreRefused(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "10.1.2.3:443": true, "192.168.1.5:443": true, "203.0.113.7:443": true, "[fd12:3456::1]:443": true,
		"169.254.169.254:80": false, "[::ffff:169.254.169.254]:80": false, "[64:ff9b::a9fe:a9fe]:80": false, "[fe80::1%eth0]:80": false,
		"[fd00:ec2::254]:80": false, "100.100.100.200:80": false, "168.63.129.16:80": false, "0.0.0.0:80": false, "[::]:80": false,
		"224.0.0.1:80": false, "255.255.255.255:80": false, "[ff02::1]:80": false, "no address": false,
	} {
		if err := allowed("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	h, desk := hookTo(t, Settings{URL: "https://169.254.169.254/latest"}, key)
	if err := h.Deliver(t.Context(), connector.Delivery{Entry: arrived(desk)}); problem.From(err).Code != "webhook.address" {
		t.Errorf("by a delivery: %v", err)
	}
	if h, _ := hookTo(t, Settings{URL: "https://x/", LinkLocal: true}, key); h.client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would resolve names itself")
	}
}

func TestAPersonCanSendAPing(t *testing.T) {
	r := newReceiver(t, (*httptest.Server).Start)
	h, _ := hookTo(t, Settings{URL: r.server.URL}, key)
	if err := connector.Tester(h).Test(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	r.answer = func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) }
	r.mu.Unlock()
	if err := h.Test(t.Context()); problem.From(err).Code != "webhook.status" {
		t.Errorf("%v", err)
	}
	got := r.messages()
	if len(got) != 2 || !strings.HasPrefix(string(got[0].body), `{"type":"ping","timestamp":`) || got[0].header.Get("webhook-id") == got[1].header.Get("webhook-id") {
		t.Errorf("got %+v", got)
	}
}
