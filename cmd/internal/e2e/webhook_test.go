package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"tram/agent/connector"
	"tram/agent/connector/mail/mailtest"
	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// hookSecret signs the webhooks of these tests.
var hookSecret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("7"), 32))

// receiver is another maker's software that is told by webhook. It refuses every
// third message, the first time.
type receiver struct {
	t      *testing.T
	server *httptest.Server
	verify *standardwebhooks.Webhook

	mu     sync.Mutex
	tries  map[string]int
	events []hookEvent // by their first sight
}

type hookEvent struct {
	Type   string `json:"type"`
	Cursor string `json:"cursor"`
	Data   struct {
		ID storage.ID `json:"id"`
	} `json:"data"`
}

// seq is the place in the feed.
func (e hookEvent) seq(t *testing.T) int {
	t.Helper()
	_, text, _ := strings.Cut(e.Cursor, "-")
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("cursor %q", e.Cursor)
	}
	return n
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	verify, err := standardwebhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{t: t, verify: verify, tries: map[string]int{}}
	r.server = httptest.NewTLSServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the office was killed
	}
	if err := r.verify.Verify(body, req.Header); err != nil {
		r.t.Errorf("a message does not verify: %v", err)
	}
	var e hookEvent
	if err := json.Unmarshal(body, &e); err != nil {
		r.t.Error(err)
	}
	id := req.Header.Get("webhook-id")
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tries[id]++; e.Type == "ping" {
		return
	}
	if len(r.tries)%3 == 0 && r.tries[id] == 1 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if !slices.ContainsFunc(r.events, func(o hookEvent) bool { return o.Cursor == e.Cursor }) {
		r.events = append(r.events, e)
	}
}

func (r *receiver) seen() []hookEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

// told reports whether a document's event has come.
func (r *receiver) told(id storage.ID, what office.EntryType) bool {
	return slices.ContainsFunc(r.seen(), func(e hookEvent) bool { return e.Data.ID == id && e.Type == string(what) })
}

// check holds that nothing was lost, but for the events that the feed leaves
// out, and that each document's events came in order.
func (r *receiver) check(hidden int) {
	r.t.Helper()
	last := map[storage.ID]int{}
	most, events := 0, r.seen()
	for _, e := range events {
		n := e.seq(r.t)
		if n <= last[e.Data.ID] {
			r.t.Errorf("document %s: event %d after %d", e.Data.ID, n, last[e.Data.ID])
		}
		last[e.Data.ID] = n
		most = max(most, n)
	}
	if len(events) == 0 || len(events) != most-hidden {
		r.t.Errorf("%d of %d events have come", len(events), most-hidden)
	}
}

// hole is a receiver that takes connections and never says a word.
func hole(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return "https://" + listener.Addr().String() + "/"
}

// connectors runs `tram connector` of an office.
func connectors(t *testing.T, w *world.World, o *world.Office, args ...string) []byte {
	t.Helper()
	out, err := w.Run(t.Context(), "tram", slices.Concat([]string{"connector"}, args, []string{"--data", o.Dir, "--json"})...)
	if err != nil {
		t.Fatalf("tram connector %s: %v\n%s", args, err, out)
	}
	return out
}

// mailed are the mails that a server has, by document: a Message-ID once, as a
// mail program shows it.
func mailed(t *testing.T, s *mailtest.Server) map[string][][]byte {
	t.Helper()
	list, seen := map[string][][]byte{}, map[string]bool{}
	for _, got := range s.Messages() {
		msg, err := mail.ReadMessage(bytes.NewReader(got.Data))
		if err != nil {
			t.Fatal(err)
		}
		document, id := msg.Header.Get("X-Tram-Document"), msg.Header.Get("Message-ID")
		if document == "" || seen[id] {
			continue
		}
		seen[id] = true
		list[document] = append(list[document], got.Data)
	}
	return list
}

// attached is the attachment of a mail.
func attached(t *testing.T, data []byte) []byte {
	t.Helper()
	msg, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	for parts := multipart.NewReader(msg.Body, params["boundary"]); ; {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		if part.FileName() != "" {
			raw, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}
	}
}

// TestP2_P3_ConnectorsLoseNothingToKills tells other software by webhook and
// mail what happens, while the offices are killed and one receiver is down.
func TestP2_P3_ConnectorsLoseNothingToKills(t *testing.T) {
	t.Parallel()
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	outgoing, incoming := newReceiver(t), newReceiver(t)
	box := mailtest.New(t, mailtest.Options{User: "tram", Password: "a password", Ways: []string{"PLAIN"}})
	dir := t.TempDir()
	ca, secret, password := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "secret"), filepath.Join(dir, "password")
	for path, data := range map[string][]byte{
		ca:     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: outgoing.server.Certificate().Raw}),
		secret: []byte(hookSecret + "\n"), password: []byte("a password\n"),
	} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	connectors(t, w, a, "add", "webhook", "down", "url="+hole(t), "timeout=1s", "--secret-file", secret)
	connectors(t, w, a, "add", "webhook", "motcua", "url="+outgoing.server.URL+"/tram", "ca="+ca, "--secret-file", secret)
	connectors(t, w, b, "add", "webhook", "down", "url="+hole(t), "timeout=1s", "--secret-file", secret)
	connectors(t, w, b, "add", "webhook", "edocman", "url="+incoming.server.URL, "ca="+ca, "--secret-file", secret)
	connectors(t, w, b, "add", "mail", "thu", "server="+box.Addr, "from=tram@example.vn", "to=vanthu@example.vn", "user=tram", "ca="+box.CA, "--secret-file", password)
	connectors(t, w, a, "test", "motcua")
	connectors(t, w, b, "test", "thu")

	t.Logf("-seed %d", *seed)
	random := rand.New(rand.NewPCG(*seed, 7))
	type sentFile struct {
		id   storage.ID
		data []byte
	}
	var sent []sentFile
	for n := range 6 {
		data := sample.SmallPDF(20_000+random.IntN(200_000), uint64(n))
		sent = append(sent, sentFile{send(t, a, codeB, file{fmt.Sprintf("Công văn %d.pdf", n), data}).ID, data})
		time.Sleep(time.Duration(random.Int64N(int64(700 * time.Millisecond))))
		if n%2 == 1 {
			victim := []*world.Office{a, b}[n/2%2]
			if err := errors.Join(victim.Kill(), victim.Start()); err != nil {
				t.Fatal(err)
			}
			if err := victim.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, s := range sent {
		reaches(t, b, s.id, office.Arrived)
	}
	accepted := sent[0].id
	if _, err := b.API.Accept(t.Context(), accepted, "test"); err != nil {
		t.Fatal(err)
	}
	for _, s := range sent {
		eventually(t, "the sender's software hears of delivery", func() bool { return outgoing.told(s.id, office.DocumentDelivered) })
		eventually(t, "the receiver's software hears of arrival", func() bool { return incoming.told(s.id, office.DocumentArrived) })
		eventually(t, "the mail", func() bool { return len(mailed(t, box)[s.id.String()]) > 0 })
	}
	eventually(t, "acceptance is told on both sides", func() bool {
		return outgoing.told(accepted, office.DocumentAccepted) && incoming.told(accepted, office.DocumentAccepted)
	})
	idle := func(o *world.Office) func() bool {
		return func() bool {
			return !slices.ContainsFunc(connectorStates(t, w, o), func(s connector.State) bool { return s.Name != "down" && s.Waiting > 0 })
		}
	}
	eventually(t, "all is told by the sender", idle(a))
	eventually(t, "all is told by the receiver", idle(b))
	outgoing.check(0)
	incoming.check(2 * len(sent)) // the track before the arrival
	for _, s := range sent {
		if got := mailed(t, box)[s.id.String()]; len(got) != 1 || !bytes.Equal(attached(t, got[0]), s.data) {
			t.Errorf("document %s: %d mails", s.id, len(got))
		}
	}
	for _, o := range w.Offices {
		eventually(t, "the receiver that is down is named, the others work", func() bool {
			return !slices.ContainsFunc(connectorStates(t, w, o), func(s connector.State) bool {
				if s.Name == "down" {
					return s.State != connector.Failing || s.Waiting == 0 || s.Dead > 0
				}
				return s.State != connector.Running || s.Waiting+s.Dead > 0
			})
		})
	}
}

func connectorStates(t *testing.T, w *world.World, o *world.Office) (list []connector.State) {
	t.Helper()
	if err := json.Unmarshal(connectors(t, w, o, "list"), &list); err != nil {
		t.Fatal(err)
	}
	return list
}
