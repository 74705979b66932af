package enroll

import (
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// join enrols an office with an invite file.
func join(t *testing.T, file string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file}); err != nil || r.State != Enrolled {
		t.Fatalf("%+v, %v", r, err)
	}
	return dir
}

func load(t *testing.T, dir string) *identity.Identity {
	t.Helper()
	id, err := identity.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func renew(t *testing.T, dir string) *identity.Identity {
	t.Helper()
	r, err := Renew(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return r.Identity
}

// TestP7_ABoxThatMissedTheChangeOfTheCA comes back when all is over, and finds
// its hub by itself. An invite of before still lets its office in.
func TestP7_ABoxThatMissedTheChangeOfTheCA(t *testing.T) {
	h := newHub(t, "H40")
	files := h.invite(t, ca.InviteOptions{}, "H40.01", "H40.02", "H40.03")
	first := h.Root.Cert
	away := join(t, files[0])
	before := load(t, away)
	h.rotate(t, ca.StepAnnounce, ca.StepSwitch, ca.StepFinish)
	second := h.Root.Cert
	if second.Equal(first) {
		t.Fatal("the CA is the former one")
	}

	wantTrust := func(id *identity.Identity) {
		t.Helper()
		trust := id.Trust
		if !trust.CA.Equal(second) || trust.Next != nil || len(trust.Former) != 1 || !trust.Former[0].Equal(first) {
			t.Errorf("%s believes %d CAs, %q first", id.Code, len(trust.Issuers()), trust.CA.Subject.CommonName)
		}
		if id.DeviceCert.CheckSignatureFrom(second) != nil || id.SealCert.CheckSignatureFrom(second) != nil {
			t.Errorf("certificates of %s are not of the new CA", id.Code)
		}
	}
	wantTrust(renew(t, away))
	after := load(t, away)
	wantTrust(after)
	if !same(before.Device.Public(), after.Device.Public()) || !same(before.Seal.Public(), after.Seal.Public()) || before.Age.String() != after.Age.String() {
		t.Error("the keys of the office have changed")
	}
	if again := renew(t, away); !again.DeviceCert.Equal(after.DeviceCert) {
		t.Error("asking again gave another certificate")
	}
	wantTrust(load(t, join(t, files[1])))
	wantTrust(load(t, join(t, h.invite(t, ca.InviteOptions{}, "H40.04")[0])))

	h.rotate(t, ca.StepAnnounce, ca.StepSwitch, ca.StepFinish)
	id := renew(t, away)
	if !id.Trust.CA.Equal(h.Root.Cert) || len(id.Trust.Former) != 2 {
		t.Errorf("after a second change %d CAs are believed", len(id.Trust.Issuers()))
	}
	// Its server certificate of two CAs ago is gone: the box is told that the hub
	// is not the one that it knows, and nothing is sent.
	_, err := Enroll(t.Context(), Options{Dir: t.TempDir(), Invite: files[2]})
	wantProblem(t, err, problem.BadInvite, "enroll.ca-mismatch")
}

// TestP7_TheNextCAIsBelievedBeforeItIssues, and goes when it is taken back.
func TestP7_TheNextCAIsBelievedBeforeItIssues(t *testing.T) {
	h := newHub(t, "H40")
	files := h.invite(t, ca.InviteOptions{}, "H40.01", "H40.02")
	dir := join(t, files[0])
	h.rotate(t, ca.StepAnnounce)
	id := renew(t, dir)
	if id.Trust.Next == nil || !id.Trust.Next.Equal(h.Next()) || !id.Trust.CA.Equal(h.Root.Cert) || id.DeviceCert.CheckSignatureFrom(h.Root.Cert) != nil {
		t.Fatalf("believes %+v", id.Trust.Next)
	}
	if other := load(t, join(t, files[1])); other.Trust.Next == nil || !other.Trust.Next.Equal(h.Next()) {
		t.Error("who joins now does not know the next CA")
	}
	h.rotate(t, ca.StepCancel)
	if id = renew(t, dir); id.Trust.Next != nil || len(id.Trust.Former) != 0 {
		t.Error("the next CA is still believed")
	}
}

// TestP7_OnlyTheCAItselfVouchesForAnother: the authority key, which signs what
// offices are told, cannot bring in a CA.
func TestP7_OnlyTheCAItselfVouchesForAnother(t *testing.T) {
	h, stranger := newHub(t, "H40"), newHub(t, "H40")
	dir := join(t, h.invite(t, ca.InviteOptions{}, "H40.01")[0])
	id := load(t, dir)
	old := renewedFrom(t, h, id)
	h.rotate(t, ca.StepAnnounce)
	now := renewedFrom(t, h, id)
	vouchers := now.Vouchers
	back, err := identity.Vouch(stranger.Root.Key, h.Root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	word, err := identity.Vouch(h.Authority.Key, stranger.Root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(a *invite.Answer){
		"next without a word":     func(a *invite.Answer) { a.Vouchers = nil },
		"another next":            func(a *invite.Answer) { a.Next = stranger.Root.Cert },
		"word of the authority":   func(a *invite.Answer) { a.Next, a.Vouchers = stranger.Root.Cert, append(vouchers, word) },
		"word of the stranger":    func(a *invite.Answer) { a.Next, a.Vouchers = stranger.Root.Cert, append(vouchers, back) },
		"a stranger of the past":  func(a *invite.Answer) { a.Former = []*x509.Certificate{stranger.Root.Cert} },
		"a stranger at once":      func(a *invite.Answer) { a.CA, a.Authority, a.Next = stranger.Root.Cert, stranger.Authority.Cert, nil },
		"a stranger's authority":  func(a *invite.Answer) { a.Authority = stranger.Authority.Cert },
		"certificate that is old": func(a *invite.Answer) { a.Next = id.DeviceCert },
	} {
		a := *now
		change(&a)
		raw, err := a.SignRenewed(h.Authority.Key)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Take(dir, raw)
		wantProblem(t, err, problem.BadSeal, "enroll.answer")
		if got := load(t, dir); got.Trust.Next != nil || len(got.Trust.Former) != 0 || !got.Trust.CA.Equal(h.Root.Cert) {
			t.Errorf("%s: believed", name)
		}
	}
	take := func(a *invite.Answer) *identity.Identity {
		t.Helper()
		raw, err := a.SignRenewed(h.Authority.Key)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Take(dir, raw)
		if err != nil {
			t.Fatal(err)
		}
		return r.Identity
	}
	if got := take(now); got.Trust.Next == nil {
		t.Error("the next CA is not believed")
	}
	h.rotate(t, ca.StepSwitch)
	present := take(renewedFrom(t, h, id))
	// The hub's words of before, played again, take nothing back.
	for _, a := range []*invite.Answer{old, now} {
		if got := take(a); !got.Trust.CA.Equal(h.Root.Cert) || !got.DeviceCert.Equal(present.DeviceCert) {
			t.Errorf("believes %q again", got.Trust.CA.Subject.CommonName)
		}
	}
}

// renewedFrom is what the hub tells an office now.
func renewedFrom(t *testing.T, h *hub, id *identity.Identity) *invite.Answer {
	t.Helper()
	var raw []byte
	err := h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		r, err := h.Prepare(tx, h.reg, id.Code)
		if errors.Is(err, ca.ErrNothingDue) {
			r, err = h.Renew(tx, h.reg, &invite.Renewal{Certificate: id.DeviceCert, Seal: id.SealCert})
		}
		if err != nil {
			return err
		}
		raw, err = h.Renewed(r, [32]byte{}, id.Card, time.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	a, err := invite.ParseRenewed(raw, h.Authority.Cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
