package enroll

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/lan"
	"tram/agent/problem"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// givePages has the hub give certificates of pages.
func (h *hub) givePages(t *testing.T) {
	t.Helper()
	p, err := h.Pages(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h.handler = h.EnrollHandler(ca.EnrollOptions{DB: h.db, Registry: h.reg, Card: h.card, Pages: p})
}

func openPages(t *testing.T, names ...string) (*lan.Keeper, string) {
	t.Helper()
	dir := t.TempDir()
	k, err := lan.Open(lan.Options{Dir: dir, Names: names, Title: "UBND xã"})
	if err != nil {
		t.Fatal(err)
	}
	return k, dir
}

// askFor asks the hub for what k wants.
func askFor(t *testing.T, k *lan.Keeper, id *identity.Identity, o Options) (*invite.PagesIssued, error) {
	t.Helper()
	request, _, err := k.HubRequest()
	if err != nil {
		t.Fatal(err)
	}
	return Pages(t.Context(), o, id, request)
}

// TestPagesAreCertifiedOverTheEnrolmentService is the whole way, with real TLS:
// ask, install, serve, and be trusted by a PC that has the root.
func TestPagesAreCertifiedOverTheEnrolmentService(t *testing.T) {
	h := newHub(t, "H40")
	h.givePages(t)
	id := load(t, join(t, h.invite(t, ca.InviteOptions{}, "H40.01")[0]))
	k, _ := openPages(t, "tram.xa.local", "127.0.0.1", "tram.gov.vn")
	answer, err := askFor(t, k, id, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Take(answer.Chain, answer.Time); err != nil {
		t.Fatal(err)
	}
	if s := k.State(); s.Source != lan.Hub || s.Root == "" || len(s.Names) != 2 || len(s.Uncovered) != 1 || k.Due() {
		t.Errorf("%+v, due %v", s, k.Due())
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", k.TLS())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() { _ = http.Serve(l, http.NotFoundHandler()) }() //nolint:gosec // ends with the listener
	root, err := k.Root()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	pc := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer pc.CloseIdleConnections()
	resp, err := pc.Get("https://" + l.Addr().String() + "/")
	if err != nil {
		t.Fatalf("a PC with the root: %v", err)
	}
	resp.Body.Close()
	// The change of the hub's CA leaves the root of the pages as it is.
	h.rotate(t, ca.StepAnnounce, ca.StepSwitch)
	h.givePages(t)
	again, err := askFor(t, k, id, Options{})
	if err != nil || !again.Chain[2].Equal(answer.Chain[2]) {
		t.Errorf("after a change of the CA: %v", err)
	}
}

func TestWhyThereIsNoCertificateOfPages(t *testing.T) {
	h := newHub(t, "H40")
	files := h.invite(t, ca.InviteOptions{}, "H40.01", "H40.02")
	id, revoked := load(t, join(t, files[0])), load(t, join(t, files[1]))
	k, _ := openPages(t, "tram.xa.local")
	_, err := askFor(t, k, id, Options{}) // a hub of before
	wantProblem(t, err, problem.Failed, "enroll.answer")
	_, err = askFor(t, k, id, Options{Dial: dead})
	wantProblem(t, err, problem.LinkDown, "enroll.unreachable")

	h.givePages(t)
	err = h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := h.Revoke(tx, h.reg, "H40.02", ca.ReasonLost, "test")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = askFor(t, k, revoked, Options{})
	wantProblem(t, err, problem.Denied, "cert.revoked")
	abroad, _ := openPages(t, "tram.gov.vn")
	csr, err := abroad.Request()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(csr)
	_, err = Pages(t.Context(), Options{}, id, block.Bytes)
	wantProblem(t, err, problem.Denied, "pages.names")
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		if said := problem.From(err).Message(lang); !strings.Contains(said, "tram.gov.vn") || strings.Contains(said, "{") {
			t.Errorf("in %s: %s", lang, said)
		}
	}
}

// TestP7_AnAnswerForPagesIsBoundToItsQuestion: one of the hub to somebody else,
// or to an earlier question, is no answer.
func TestP7_AnAnswerForPagesIsBoundToItsQuestion(t *testing.T) {
	h := newHub(t, "H40")
	h.givePages(t)
	id := load(t, join(t, h.invite(t, ca.InviteOptions{}, "H40.01")[0]))
	k, _ := openPages(t, "tram.xa.local")
	service := h.handler
	var first []byte
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first != nil {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = w.Write(first)
			return
		}
		kept := &keeping{ResponseWriter: w}
		service.ServeHTTP(kept, r)
		first = kept.body
	})
	if _, err := askFor(t, k, id, Options{}); err != nil {
		t.Fatal(err)
	}
	var reply invite.Reply
	if err := json.Unmarshal(first, &reply); err != nil || len(reply.Answer) == 0 {
		t.Fatalf("%v: %s", err, first)
	}
	_, err := askFor(t, k, id, Options{})
	wantProblem(t, err, problem.BadSeal, "enroll.answer")
}

type keeping struct {
	http.ResponseWriter
	body []byte
}

func (k *keeping) Write(p []byte) (int, error) {
	k.body = append(k.body, p...)
	return k.ResponseWriter.Write(p)
}

// TestP7_PagesOfAnOfficeAreNoHub: an office that has a certificate of pages for
// the hub's own address cannot stand in as the hub. Nothing is sent to it.
func TestP7_PagesOfAnOfficeAreNoHub(t *testing.T) {
	h := newHub(t, "H40")
	h.givePages(t)
	files := h.invite(t, ca.InviteOptions{}, "H40.01", "H40.02")
	id := load(t, join(t, files[0]))
	k, dir := openPages(t, "127.0.0.1", "tram.xa.local")
	answer, err := askFor(t, k, id, Options{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := keystore.LoadKey(dir + "/" + lan.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	var chain [][]byte
	for _, c := range answer.Chain {
		chain = append(chain, c.Raw)
	}
	other := load(t, join(t, files[1]))
	for name, shown := range map[string][][]byte{
		"as it is": chain, "the hub's CA behind": {chain[0], h.Root.Cert.Raw}, "both": append(chain[:3:3], h.Root.Cert.Raw),
	} {
		addr, seen := impostor(t, &tls.Config{Certificates: []tls.Certificate{{Certificate: shown, PrivateKey: key}}})
		if _, err := askFor(t, k, other, Options{Dial: to(addr)}); problem.From(err).Code != "enroll.ca-mismatch" {
			t.Errorf("%s: %v", name, err)
		}
		plain, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := tls.Client(plain, other.TLSFor("127.0.0.1:8883")).Handshake(); err == nil {
			t.Errorf("%s: the line to the broker takes it", name)
		}
		plain.Close()
		seen.mu.Lock()
		if len(seen.seen) > 0 {
			t.Errorf("%s: it read %.100q", name, seen.seen)
		}
		seen.mu.Unlock()
	}
}
