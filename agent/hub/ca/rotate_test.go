package ca

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/enroll/invite"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/keystore"
	"tram/storage/sqlite"
)

// step does a step of the change of the CA; the store stays.
func (h *hub) step(t *testing.T, step Step) {
	t.Helper()
	next, err := Rotate(h.dir, step, h.now)
	if err != nil {
		t.Fatal(err)
	}
	h.CA = next
	h.update(t, func(tx *sqlite.Tx) (err error) {
		h.card, err = h.Register(tx, h.reg)
		return err
	})
}

func (h *hub) dueNow(t *testing.T) []string {
	t.Helper()
	due, err := h.DueOffices(t.Context(), h.db, h.now)
	if err != nil {
		t.Fatal(err)
	}
	return due
}

// tell sends an office what is due and, when it arrives, notes that.
func (h *hub) tell(t *testing.T, code string, arrives bool) (r *Redeemed) {
	t.Helper()
	bundle := uuid.New()
	h.update(t, func(tx *sqlite.Tx) (err error) {
		if r, err = h.Prepare(tx, h.reg, code); err != nil {
			return err
		}
		if err := r.NoteSent(tx, bundle); err != nil || !arrives {
			return err
		}
		return NoteDelivered(tx, bundle)
	})
	return r
}

// TestP7_TheCAChangesInSteps follows who is told what, and which CA issues.
func TestP7_TheCAChangesInSteps(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01", "H40.02")
	office := newKeys(t)
	old, err := h.redeem(t, request(t, made[0], office))
	if err != nil {
		t.Fatal(err)
	}
	first := h.Root.Cert
	if len(h.dueNow(t)) != 0 {
		t.Error("something is due before the change")
	}

	h.step(t, StepAnnounce)
	if h.Phase() != Announced || !h.Root.Cert.Equal(first) || h.Next().Subject.CommonName != "Tram CA H40 G2" || !h.Next().NotBefore.Equal(first.NotBefore) {
		t.Errorf("phase %s, next %+v", h.Phase(), h.Next().Subject)
	}
	if due := h.dueNow(t); !slices.Equal(due, []string{"h40.01"}) {
		t.Errorf("due are %v", due)
	}
	if r := h.tell(t, "H40.01", false); !r.Device.Equal(old.Device) || !r.Seal.Equal(old.Seal) {
		t.Error("new certificates before the next CA issues")
	}
	if due := h.dueNow(t); len(due) != 0 {
		t.Errorf("due again at once: %v", due)
	}
	h.now = h.now.Add(sendAgain + time.Minute) // it did not arrive
	if due := h.dueNow(t); len(due) != 1 {
		t.Errorf("due are %v", due)
	}
	h.tell(t, "H40.01", true)
	if due := h.dueNow(t); len(due) != 0 {
		t.Errorf("due after all: %v", due)
	}

	h.step(t, StepSwitch)
	if h.Phase() != Switched || h.Root.Cert.Equal(first) || h.Device().Cert.CheckSignatureFrom(h.Root.Cert) != nil {
		t.Errorf("phase %s, CA %q", h.Phase(), h.Root.Cert.Subject.CommonName)
	}
	if p := h.Judge(old.Device, h.now, 0); p != nil {
		t.Errorf("the former certificate: %v", p)
	}
	r := h.tell(t, "H40.01", true)
	if r.Device.CheckSignatureFrom(h.Root.Cert) != nil || r.Seal.CheckSignatureFrom(h.Root.Cert) != nil {
		t.Error("certificates of the former CA")
	}
	if due := h.dueNow(t); len(due) != 0 {
		t.Errorf("due after all: %v", due)
	}
	h.invitedBefore(t, made[1])
	if lists, err := h.CRLs(h.now); err != nil || len(lists) != 2 {
		t.Errorf("%d revocation lists, %v", len(lists), err)
	}

	h.step(t, StepFinish)
	if h.Phase() != Settled || len(h.Signing()) != 1 || len(h.Roots()) != 2 {
		t.Errorf("phase %s, %d CAs sign", h.Phase(), len(h.Signing()))
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "keys*", "former.*")); len(left) != 0 {
		t.Errorf("the former key is in %v", left)
	}
	if due := h.dueNow(t); len(due) != 0 {
		t.Errorf("due after all: %v", due)
	}
}

// invitedBefore redeems an invite that names the former CA.
func (h *hub) invitedBefore(t *testing.T, m Made) {
	t.Helper()
	req := request(t, m, newKeys(t))
	r, err := h.redeem(t, req)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := h.answer(t.Context(), h.reg, req, r, h.card, h.now)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := invite.Parse(m.Raw)
	if err != nil {
		t.Fatal(err)
	}
	a, err := invite.ParseAnswer(raw, inv.Authority.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if sum, err := req.Transcript(inv.CA); err != nil || a.Transcript != sum || !a.CA.Equal(h.Root.Cert) || len(a.Former) != 1 {
		t.Errorf("answer %+v, %v", a, err)
	}
	known := func(words ...string) []string { return append([]string{"http/1.1"}, words...) }
	former, _ := h.shown(known(identity.KnownCA(inv.CA)))
	present, _ := h.shown(known())
	both, _ := h.shown(known(identity.KnownCA(inv.CA), identity.KnownCA(h.Hash())))
	if former.Cert.CheckSignatureFrom(a.Former[0]) != nil || present.Cert.CheckSignatureFrom(h.Root.Cert) != nil || !both.Cert.Equal(present.Cert) {
		t.Error("a client is shown the certificate of a CA that it does not know")
	}
}

func TestStepsOfTheCAInAnotherOrder(t *testing.T) {
	h := newHub(t)
	refused := func(want string, steps ...Step) {
		t.Helper()
		for _, step := range steps {
			_, err := Rotate(h.dir, step, h.now)
			wantProblem(t, err, problem.Conflict, want)
		}
	}
	refused("ca.phase.settled", StepSwitch, StepFinish, StepCancel)
	h.step(t, StepAnnounce)
	refused("ca.phase.announced", StepAnnounce, StepFinish)
	next := h.Next()
	h.step(t, StepCancel)
	if h.Phase() != Settled || h.Next() != nil || len(h.Roots()) != 1 {
		t.Errorf("phase %s after it was taken back", h.Phase())
	}
	h.step(t, StepAnnounce)
	if h.Next().Equal(next) {
		t.Error("the same CA is announced again")
	}
	h.step(t, StepSwitch)
	refused("ca.phase.switched", StepAnnounce, StepSwitch, StepCancel)
	for range identity.MaxOtherCAs + 2 { // many changes: the lists stay within their bounds
		h.step(t, StepFinish)
		h.step(t, StepAnnounce)
		h.step(t, StepSwitch)
	}
	if got := h.Root.Cert.Subject.CommonName; got != "Tram CA H40 G8" || len(h.Roots()) != 1+maxFormerCAs {
		t.Errorf("CA %q, %d believed", got, len(h.Roots()))
	}
	_, err := Rotate(filepath.Join(t.TempDir(), "none"), StepAnnounce, h.now)
	wantProblem(t, err, problem.NotEnrolled, "hub.none")
}

// TestP1_ACutWhileTheCAChanges leaves the hub before or after the step.
func TestP1_ACutWhileTheCAChanges(t *testing.T) {
	for name, c := range map[string]struct {
		cut   func(dir, after string) error // from the state before the step
		phase Phase
	}{
		"while the copy is written": {func(dir, after string) error { return keystore.CopyFolder(after, filepath.Join(dir, rotatingFolder)) }, Settled},
		"before the swap":           {func(dir, after string) error { return keystore.CopyFolder(after, filepath.Join(dir, rotatedFolder)) }, Settled},
		"between the renames": {func(dir, after string) error {
			return errors.Join(keystore.CopyFolder(after, filepath.Join(dir, rotatedFolder)), os.Rename(filepath.Join(dir, identity.Folder), filepath.Join(dir, replacedFolder)))
		}, Announced},
		"before the former folder is removed": {func(dir, after string) error {
			return errors.Join(os.Rename(filepath.Join(dir, identity.Folder), filepath.Join(dir, replacedFolder)), keystore.CopyFolder(after, filepath.Join(dir, identity.Folder)))
		}, Announced},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t)
			before := filepath.Join(t.TempDir(), "before")
			if err := keystore.CopyFolder(h.folder, before); err != nil {
				t.Fatal(err)
			}
			h.step(t, StepAnnounce)
			after := filepath.Join(t.TempDir(), "after")
			if err := errors.Join(keystore.CopyFolder(h.folder, after), os.RemoveAll(h.folder), keystore.CopyFolder(before, h.folder), c.cut(h.dir, after)); err != nil {
				t.Fatal(err)
			}
			got, err := Load(h.dir)
			if err != nil || got.Phase() != c.phase {
				t.Fatalf("phase %v, %v", got, err)
			}
			if _, err := got.Refresh(h.now); err != nil {
				t.Fatal(err)
			}
			for _, left := range []string{rotatingFolder, rotatedFolder, replacedFolder} {
				if _, err := os.Stat(filepath.Join(h.dir, left)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left (%v)", left, err)
				}
			}
			next := map[Phase]Step{Settled: StepAnnounce, Announced: StepSwitch}[c.phase]
			if _, err := Rotate(h.dir, next, h.now); err != nil {
				t.Errorf("the next step: %v", err)
			}
		})
	}
}

// TestP3_AHubIsRaisedInTheMiddleOfTheChange from a backup of each phase.
func TestP3_AHubIsRaisedInTheMiddleOfTheChange(t *testing.T) {
	h := newHub(t)
	for _, step := range []Step{StepAnnounce, StepSwitch, StepFinish} {
		h.step(t, step)
		h.WorkFactor = 10
		dir := filepath.Join(t.TempDir(), "raised")
		var backup bytes.Buffer
		if err := h.Backup(t.Context(), &backup, passphrase, h.reg); err != nil {
			t.Fatal(err)
		}
		if err := Restore(dir, &backup, passphrase); err != nil {
			t.Fatal(err)
		}
		got, err := Load(dir)
		if err != nil || got.Phase() != h.Phase() || got.Hash() != h.Hash() || len(got.Roots()) != len(h.Roots()) {
			t.Errorf("after %s: %v", step, err)
		}
	}
}
