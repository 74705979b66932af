package ca

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

func post(t *testing.T, h http.Handler, body io.Reader) (int, invite.Reply) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, invite.Path, body))
	var r invite.Reply
	if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
		t.Fatalf("status %d: %v: %.200q", w.Code, err, w.Body)
	}
	return w.Code, r
}

func encode(t *testing.T, req *invite.Request) io.Reader {
	t.Helper()
	body, err := req.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(body)
}

func (h *hub) handler() http.Handler {
	return h.EnrollHandler(EnrollOptions{DB: h.db, Registry: h.reg, Card: h.card})
}

func TestEnrollHandlerAnswersSigned(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01", "H40.02")
	req := request(t, made[0], newKeys(t))
	code, reply := post(t, h.handler(), encode(t, req))
	if code != http.StatusOK || reply.Refusal != nil {
		t.Fatalf("status %d, %+v", code, reply.Refusal)
	}
	a, err := invite.ParseAnswer(reply.Answer, h.Authority.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	sum, err := req.Transcript(h.Hash())
	if err != nil {
		t.Fatal(err)
	}
	if a.Invite != req.Invite || a.Transcript != sum || a.Hub != "H40" || !a.Time.Equal(start) || !a.CA.Equal(h.Root.Cert) {
		t.Errorf("answer %+v", a)
	}
	if !bytes.Equal(a.Cards[0], h.card) {
		t.Error("the hub's card is not first")
	}
	if _, err := invite.ParseAnswer(reply.Answer, newKey(t).Public()); err == nil {
		t.Error("answer verifies with another key")
	}
}

func TestEnrollHandlerBoundsWhatStrangersMayDo(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01")
	for name, body := range map[string]string{
		"empty": "", "no JSON": "hello", "wrong types": `{"version":1,"invite":5}`, "another version": `{"version":2}`,
		"too large": `{"version":1,"code":"` + strings.Repeat("x", 2*invite.MaxRequest) + `"}`, "deep": strings.Repeat("[", invite.MaxRequest),
	} {
		t.Run(name, func(t *testing.T) {
			code, reply := post(t, h.handler(), strings.NewReader(body))
			if code != http.StatusBadRequest || reply.Refusal == nil || reply.Answer != nil {
				t.Errorf("status %d, %+v", code, reply)
			}
		})
	}
	before := h.actions(t)
	forged := request(t, made[0], newKeys(t))
	forged.Proof[0] ^= 1
	code, reply := post(t, h.handler(), encode(t, forged))
	if code != http.StatusForbidden || reply.Refusal.Code != "invite.proof" {
		t.Errorf("status %d, %+v", code, reply.Refusal)
	}
	if after := h.actions(t); after[actionRefused] != before[actionRefused] {
		t.Error("a stranger can write into the audit log")
	}
	// Who knows the secret is worth an entry.
	if code, _ := post(t, h.handler(), encode(t, request(t, made[0], newKeys(t)))); code != http.StatusOK {
		t.Fatal(code)
	}
	if code, reply = post(t, h.handler(), encode(t, request(t, made[0], newKeys(t)))); reply.Refusal == nil || reply.Refusal.Code != "waiting.used" {
		t.Errorf("status %d, %+v", code, reply.Refusal)
	}
	if after := h.actions(t); after[actionWaiting] != before[actionWaiting]+1 {
		t.Errorf("audit %v", after)
	}
	w := httptest.NewRecorder()
	h.handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, invite.Path, nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET gave %d", w.Code)
	}
	w = httptest.NewRecorder()
	h.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/other", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("another path gave %d", w.Code)
	}
}

func TestEnrollHandlerLimitsAnAddress(t *testing.T) {
	h := newHub(t)
	handler := h.handler()
	busy := 0
	for range limitBurst + 10 {
		if code, _ := post(t, handler, strings.NewReader("x")); code == http.StatusTooManyRequests {
			busy++
		}
	}
	if busy < 5 {
		t.Errorf("only %d of the requests over the burst were refused", busy)
	}
}

func TestLimiterIsBoundedAndForgets(t *testing.T) {
	l := newLimiter()
	for i := range limitSources + 500 {
		if l.take(fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), start) != 0 {
			t.Fatal("a first request was refused")
		}
	}
	if len(l.sources) > limitSources {
		t.Errorf("%d sources remembered", len(l.sources))
	}
	l = newLimiter()
	for range limitBurst {
		l.take("[2001:db8::1]:5", start)
	}
	if l.take("[2001:db8::2]:6", start) == 0 {
		t.Error("the neighbour in the /64 has a bucket of its own")
	}
	if l.take("[2001:db8::2]:6", start.Add(-time.Hour)) == 0 {
		t.Error("a clock that steps back fills the bucket")
	}
	if l.take("[2001:db8::2]:6", start.Add(limitRefill)) != 0 {
		t.Error("the bucket does not fill again")
	}
	if l.take("no address", start) != 0 || l.take("", start) != 0 {
		t.Error("unknown addresses are refused at once")
	}
}

func TestTwoBoxesRaceForOneInvite(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01")
	handler := h.handler()
	var reqs []io.Reader
	for range 4 {
		reqs = append(reqs, encode(t, request(t, made[0], newKeys(t))))
	}
	codes := make([]int, len(reqs))
	var wg sync.WaitGroup
	for i, body := range reqs {
		wg.Go(func() {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, invite.Path, body))
			codes[i] = w.Code
		})
	}
	wg.Wait()
	won := 0
	for _, c := range codes {
		if c == http.StatusOK {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d boxes got in: %v", won, codes)
	}
}

func TestEnrollServerSendsTheCA(t *testing.T) {
	h := newHub(t)
	client := &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}
	var chain int
	client.VerifyConnection = func(cs tls.ConnectionState) error {
		chain = len(cs.PeerCertificates)
		if !cs.PeerCertificates[chain-1].Equal(h.Root.Cert) {
			t.Error("the CA is not in the chain")
		}
		return nil
	}
	if serverErr, clientErr := handshake(t, h.EnrollServer(h.handler(), nil).TLSConfig, client); serverErr != nil || clientErr != nil {
		t.Fatal(serverErr, clientErr)
	}
	if chain != 2 {
		t.Errorf("chain of %d", chain)
	}
	if _, err := handshake(t, h.EnrollTLS(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}); err == nil {
		t.Error("TLS 1.2 was accepted")
	}
}

const passphrase = "một câu dài để nhớ"

func TestP3_RestoredHubIsTheSameHub(t *testing.T) {
	h := newHub(t)
	if err := os.WriteFile(filepath.Join(h.dir, "tram-hub.toml"), []byte("name = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := h.invite(t, InviteOptions{}, "H40.01", "H40.02")
	k := newKeys(t)
	if _, err := h.redeem(t, request(t, made[0], k)); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := h.Backup(t.Context(), &buf, passphrase, h.reg); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(buf.Bytes(), []byte("H40.01")) || bytes.Contains(buf.Bytes(), []byte("PRIVATE KEY")) {
		t.Fatal("the backup is readable")
	}
	serial := h.reg.Serial()

	dir := filepath.Join(t.TempDir(), "new", "hub")
	if err := Restore(dir, bytes.NewReader(buf.Bytes()), passphrase); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if c.Hash() != h.Hash() || c.Code != "H40" || !c.Authority.Key.Equal(h.Authority.Key) || !c.Device().Key.Equal(h.Device().Key) ||
		!c.Server().Cert.Equal(h.Server().Cert) || c.secret(made[0].ID) != h.secret(made[0].ID) || c.Age.String() != h.Age.String() {
		t.Error("another hub came back")
	}
	if data, err := os.ReadFile(filepath.Join(dir, "tram-hub.toml")); err != nil || string(data) != "name = 1\n" {
		t.Errorf("settings: %q, %v", data, err)
	}
	h2 := &hub{CA: c, dir: dir, now: start.Add(time.Hour)}
	h2.openStore(t)
	card, err := h2.reg.Lookup("H40.01")
	if err != nil || card.Recipient != k.recipient || h2.reg.Serial() <= serial {
		t.Errorf("%+v, %v, serial %d after %d", card, err, h2.reg.Serial(), serial)
	}
	// Its registry is newer than the lost one was, whatever that had issued since.
	was, err := registry.ParseCard(h.card, h.Authority.Cert.PublicKey)
	is, bad := registry.ParseCard(h2.card, h.Authority.Cert.PublicKey)
	if err != nil || bad != nil || is.Serial <= was.Serial || is.Recipient != was.Recipient || !h.Device().Key.PublicKey.Equal(is.Device) {
		t.Errorf("the hub's card was %+v and is %+v (errors %v, %v)", was, is, err, bad)
	}
	if _, err := os.Stat(filepath.Join(dir, "keys", restoredDir)); !os.IsNotExist(err) {
		t.Errorf("restored cards were left behind: %v", err)
	}
	// Invites of before are unknown, so that none can be used twice; the
	// enrolled office needs none.
	_, err = h2.redeem(t, request(t, made[1], newKeys(t)))
	wantProblem(t, err, problem.BadInvite, "invite.unknown")
	again := h2.invite(t, InviteOptions{}, "H40.01", "H40.02")
	if again[0].State != InviteUsed || again[1].State != InviteCreated {
		t.Errorf("states %s, %s", again[0].State, again[1].State)
	}
	_, err = h2.redeem(t, request(t, again[1], k)) // keys of the other office, known only from its card
	wantProblem(t, err, problem.BadInvite, "enroll.shared-key")
}

func TestBackupHoldsManyCards(t *testing.T) {
	h := newHub(t)
	const n = 2*backupCards + 10
	h.update(t, func(tx *sqlite.Tx) error {
		for i := range n {
			if _, err := h.reg.Issue(tx, registry.Card{Code: fmt.Sprintf("X%d", i), Name: "x"}, h.Authority.Key); err != nil {
				return err
			}
		}
		return nil
	})
	var buf bytes.Buffer
	if err := h.Backup(t.Context(), &buf, passphrase, h.reg); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := Restore(dir, &buf, passphrase); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	h2 := &hub{CA: c, dir: dir, now: start}
	h2.openStore(t)
	if all, _, err := h2.reg.Count(t.Context()); err != nil || all != n+1 {
		t.Errorf("%d cards, %v", all, err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	h := newHub(t)
	var buf bytes.Buffer
	wantProblem(t, h.Backup(t.Context(), &buf, "short", h.reg), problem.Usage, "backup.passphrase-short")
	buf.Reset()
	if err := h.Backup(t.Context(), &buf, passphrase, h.reg); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(buf.Bytes())
	changed[len(changed)-100] ^= 1
	foreign := func() []byte {
		r, err := age.NewScryptRecipient(passphrase)
		if err != nil {
			t.Fatal(err)
		}
		r.SetWorkFactor(10)
		var out bytes.Buffer
		w, err := age.Encrypt(&out, r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("no archive")); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}()
	tests := []struct {
		name, passphrase string
		data             []byte
		class            problem.Class
		code             string
	}{
		{"wrong passphrase", "another long phrase", buf.Bytes(), problem.Denied, "backup.passphrase"},
		{"empty passphrase", "", buf.Bytes(), problem.Denied, "backup.passphrase"},
		{"no backup", passphrase, []byte("hello"), problem.BadSeal, "backup.damaged"},
		{"changed", passphrase, changed, problem.BadSeal, "backup.damaged"},
		{"cut off", passphrase, buf.Bytes()[:buf.Len()-50], problem.BadSeal, "backup.damaged"},
		{"something else", passphrase, foreign, problem.BadSeal, "backup.damaged"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "hub")
			wantProblem(t, Restore(dir, bytes.NewReader(tt.data), tt.passphrase), tt.class, tt.code)
			if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
				t.Errorf("left behind: %v", entries)
			}
			if Exists(dir) {
				t.Error("a hub is there")
			}
		})
	}
	wantProblem(t, Restore(h.dir, bytes.NewReader(buf.Bytes()), passphrase), problem.Conflict, "backup.not-empty")
}

func TestUnpackStaysInItsFolder(t *testing.T) {
	for _, name := range []string{"keys/../x", "keys/..", "keys/", "../keys/x", "settings/..", "cards/.x", `keys/a\b`, "keys/c:x", "/keys/x"} {
		stage := t.TempDir()
		settings := map[string][]byte{}
		err := unpackFile(stage, name, []byte("x"), settings)
		entries, readErr := os.ReadDir(stage)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if len(entries) > 0 || len(settings) > 0 {
			t.Errorf("%q was unpacked: %v", name, err)
		}
	}
}
