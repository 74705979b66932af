package enroll

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/keystore"
)

func TestEnrollMakesAnIdentity(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01", "H40.02")[0]
	dir := filepath.Join(t.TempDir(), "office")
	r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file})
	if err != nil {
		t.Fatal(err)
	}
	if r.State != Enrolled || r.Code != "H40.01" || r.Hub != "H40" || r.Fingerprint != invite.Fingerprint(h.Hash()) {
		t.Errorf("result %+v", r)
	}
	id, err := identity.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if id.Code != "H40.01" || id.Name != "UBND xã H40.01" || id.Hub != "H40" || id.Trust.Enroll[0] != h.addr || !id.Trust.CA.Equal(h.Root.Cert) {
		t.Errorf("identity %+v", id)
	}
	if !id.SealCert.NotAfter.After(id.DeviceCert.NotAfter) {
		t.Error("the seal does not outlive the device certificate")
	}
	card, err := h.reg.Lookup("h40.01")
	if err != nil || card.Recipient != id.Age.Recipient().String() || !same(id.Device.Public(), card.Device) {
		t.Errorf("card at the hub %+v, %v", card, err)
	}
	cards, err := FirstCards(dir)
	if err != nil || len(cards) < 3 || !bytes.Equal(cards[0], id.Card) {
		t.Errorf("%d cards, %v", len(cards), err)
	}
	if hubCard, err := registry.ParseCard(cards[1], id.Trust.Authority.PublicKey); err != nil || hubCard.Code != "H40" {
		t.Errorf("hub card %+v, %v", hubCard, err)
	}
	for _, left := range []string{pendingFolder(dir), filepath.Join(dir, identity.Folder+".new")} {
		if exists(left) {
			t.Errorf("%s was left behind", left)
		}
	}

	again, err := Enroll(t.Context(), Options{Dir: dir, Invite: "no/such/file", Dial: dead})
	if err != nil || again.State != Already || again.Code != "H40.01" {
		t.Errorf("again: %+v, %v", again, err)
	}
	if r, err := Resume(t.Context(), Options{Dir: dir, Dial: dead}); err != nil || r.State != Already {
		t.Errorf("resume: %+v, %v", r, err)
	}
}

func TestP8_EnrolmentWaitsForALink(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	dir := t.TempDir()
	if r, err := Status(dir); err != nil || r.State != None {
		t.Fatalf("status %+v, %v", r, err)
	}
	if r, err := Resume(t.Context(), Options{Dir: dir}); err != nil || r.State != None {
		t.Fatalf("resume of nothing %+v, %v", r, err)
	}
	r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file, Dial: dead})
	if err != nil || r.State != Pending || r.Why == nil || r.Why.Code != "enroll.unreachable" || r.Code != "H40.01" {
		t.Fatalf("%+v, %v", r, err)
	}
	key, err := keystore.LoadKey(filepath.Join(pendingFolder(dir), identity.DeviceKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil { // the stick is gone
		t.Fatal(err)
	}
	if r, err := Status(dir); err != nil || r.State != Pending || r.Name != "UBND xã H40.01" {
		t.Fatalf("status %+v, %v", r, err)
	}
	if _, err := identity.Load(dir); err == nil {
		t.Fatal("an identity before the hub was reached")
	}
	if r, err := Resume(t.Context(), Options{Dir: dir, Dial: dead}); err != nil || r.State != Pending {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = Resume(t.Context(), Options{Dir: dir})
	if err != nil || r.State != Enrolled {
		t.Fatalf("%+v, %v", r, err)
	}
	id, err := identity.Load(dir)
	if err != nil || !same(key.Public(), id.Device.Public()) {
		t.Errorf("the keys were not those of the first attempt: %v", err)
	}
}

func TestLostAnswerIsAskedForAgain(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	dir := t.TempDir()
	real := h.handler
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		real.ServeHTTP(rec, r) // the hub issues, then the line is cut in the answer
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(rec.Body.Bytes()[:100])
		panic(http.ErrAbortHandler)
	})
	r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file})
	if err != nil || r.State != Pending {
		t.Fatalf("%+v, %v", r, err)
	}
	issued, err := h.reg.Lookup("H40.01")
	if err != nil || !issued.Enrolled() {
		t.Fatalf("the hub did not issue: %+v, %v", issued, err)
	}
	h.handler = real
	if r, err = Enroll(t.Context(), Options{Dir: dir, Invite: file}); err != nil || r.State != Enrolled {
		t.Fatalf("%+v, %v", r, err)
	}
	if card, err := h.reg.Lookup("H40.01"); err != nil || card.Serial != issued.Serial {
		t.Errorf("issued twice: %+v, %v", card, err)
	}
}

func TestUsedRevokedAndUnknownInvites(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	if r, err := Enroll(t.Context(), Options{Dir: t.TempDir(), Invite: file}); err != nil || r.State != Enrolled {
		t.Fatal(r, err)
	}
	second := t.TempDir()
	r, err := Enroll(t.Context(), Options{Dir: second, Invite: file})
	if err != nil || r.State != Waiting || r.Why.Code != "waiting.used" {
		t.Errorf("a second box with a used invite: %+v, %v", r, err)
	}
	if r, err := Status(second); err != nil || r.State != Waiting || r.Why.Code != "waiting.used" {
		t.Errorf("what it waits for is not kept: %+v, %v", r, err)
	}
	// A new invite takes the machine in after all.
	fresh := h.invite(t, ca.InviteOptions{Replace: true}, "H40.01")[0]
	revoked := h.invite(t, ca.InviteOptions{Replace: true}, "H40.01")[0]
	_, err = Enroll(t.Context(), Options{Dir: second, Invite: fresh})
	wantProblem(t, err, problem.BadInvite, "invite.revoked")
	if r, err := Enroll(t.Context(), Options{Dir: second, Invite: revoked}); err != nil || r.State != Enrolled {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestInviteOfAnotherOfficeMakesNewKeys(t *testing.T) {
	h := newHub(t, "H40")
	files := h.invite(t, ca.InviteOptions{}, "H40.01", "H40.02")
	dir := t.TempDir()
	var keys []string
	for _, file := range []string{files[0], files[0], files[1]} {
		if r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file, Dial: dead}); err != nil || r.State != Pending {
			t.Fatal(r, err)
		}
		data, err := os.ReadFile(filepath.Join(pendingFolder(dir), identity.DeviceKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(data))
	}
	if keys[0] != keys[1] || keys[1] == keys[2] {
		t.Error("keys are not kept for the same office and made anew for another")
	}
	if r, err := Resume(t.Context(), Options{Dir: dir}); err != nil || r.Code != "H40.02" || r.State != Enrolled {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestInviteOfAnotherHubsCA(t *testing.T) {
	h, other := newHub(t, "H40"), newHub(t, "H41")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	r, err := Enroll(t.Context(), Options{Dir: t.TempDir(), Invite: file, Dial: to(other.addr)})
	wantProblem(t, err, problem.BadInvite, "enroll.ca-mismatch")
	if r.State != Pending {
		t.Errorf("state %s", r.State)
	}
}

func TestP11_WrongClocks(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	at := func(clock time.Time) func() time.Time { return func() time.Time { return clock } }

	dir := t.TempDir()
	_, err := Enroll(t.Context(), Options{Dir: dir, Invite: file, Now: at(time.Now().AddDate(1, 0, 0))})
	wantProblem(t, err, problem.BadInvite, "invite.expired")
	if exists(pendingFolder(dir)) {
		t.Error("keys were made for an invite that is not valid")
	}

	// The clock dies, or jumps, between invite and link.
	if r, err := Enroll(t.Context(), Options{Dir: dir, Invite: file, Dial: dead}); err != nil || r.State != Pending {
		t.Fatal(r, err)
	}
	r, err := Resume(t.Context(), Options{Dir: dir, Now: at(time.Now().AddDate(60, 0, 0))})
	wantProblem(t, err, problem.BadClock, "enroll.clock")
	if r.State != Pending {
		t.Errorf("state %s: the invite is lost", r.State)
	}

	// The hub's clock is behind: the office hears it is a matter of the clock.
	h.now = at(time.Now().AddDate(0, -2, 0))
	_, err = Resume(t.Context(), Options{Dir: dir})
	wantProblem(t, err, problem.BadClock, "invite.not-yet")

	// A clock some hours off is no obstacle, nor is one that stands in 1970, and
	// the offset is told.
	h.now = time.Now
	files := h.invite(t, ca.InviteOptions{}, "H40.02", "H40.03")
	for i, clock := range []time.Time{time.Now().Add(-20 * time.Hour), time.Unix(0, 0)} {
		r, err := Enroll(t.Context(), Options{Dir: t.TempDir(), Invite: files[i], Now: at(clock)})
		if err != nil || r.State != Enrolled {
			t.Fatal(r, err)
		}
		if off := r.ClockOffset - time.Since(clock); off.Abs() > time.Hour {
			t.Errorf("clock at %s: offset %s", clock, r.ClockOffset)
		}
	}
}

func TestBusyHubMeansPending(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	h.handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"version":1,"refusal":{"code":"enroll.busy"}}`)
	})
	r, err := Enroll(t.Context(), Options{Dir: t.TempDir(), Invite: file})
	if err != nil || r.State != Pending || r.Why == nil {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSecondEndpointIsTried(t *testing.T) {
	h := newHub(t, "H40")
	if err := h.SetEndpoints([]string{"127.0.0.2:1", h.addr}, h.MQTT); err != nil {
		t.Fatal(err)
	}
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	if r, err := Enroll(t.Context(), Options{Dir: t.TempDir(), Invite: file}); err != nil || r.State != Enrolled {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestEnrolmentsOfOneBoxExcludeEachOther(t *testing.T) {
	h := newHub(t, "H40")
	file := h.invite(t, ca.InviteOptions{}, "H40.01")[0]
	dir := t.TempDir()
	waiting, release := make(chan struct{}), make(chan struct{})
	slow := func(context.Context, string, string) (net.Conn, error) {
		close(waiting)
		<-release
		return nil, net.ErrClosed
	}
	done := make(chan error, 1)
	go func() {
		_, err := Enroll(t.Context(), Options{Dir: dir, Invite: file, Dial: slow})
		done <- err
	}()
	<-waiting
	_, err := Enroll(t.Context(), Options{Dir: dir, Invite: file})
	wantProblem(t, err, problem.Busy, "data.locked")
	_, err = Resume(t.Context(), Options{Dir: dir})
	wantProblem(t, err, problem.Busy, "data.locked")
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
