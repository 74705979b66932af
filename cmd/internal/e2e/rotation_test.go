package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/hub"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/tooltest"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/sync/broker"
)

// rotate stops a hub, does a step of the change of its CA as its operator would,
// and starts the hub again.
func rotate(t *testing.T, w *world.World, args ...string) {
	t.Helper()
	if err := w.Hub.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(t.Context(), "tram-hub", append([]string{"ca", "rotate", "--data", w.HubDir(), "--yes"}, args...)...); err != nil {
		t.Fatal(err)
	}
	startAgain(t, w)
}

func rotation(t *testing.T, w *world.World) (r hub.Rotation) {
	t.Helper()
	out, err := w.Run(t.Context(), "tram-hub", "ca", "rotate", "--data", w.HubDir(), "--json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// told waits until all offices of a hub but those named believe its CAs.
func told(t *testing.T, w *world.World, but ...string) {
	t.Helper()
	eventually(t, "every office to be told of the CA", func() bool {
		return strings.Join(rotation(t, w).Untold, " ") == strings.Join(but, " ")
	})
}

// exchanged sends a document and checks at the other end, and in its export, who
// sealed it. It returns the export.
func exchanged(t *testing.T, w *world.World, from, to *world.Office) (container string) {
	t.Helper()
	doc := send(t, from, to.Spec.Code, file{"cong-van.pdf", sample.SmallPDF(20_000, 1)})
	got := reaches(t, to, doc.ID, office.Arrived)
	if got.Seal == nil || got.Seal.Verdict != "passed" || got.Seal.Signer != from.Spec.Code {
		t.Errorf("seal of %s at %s is %+v", from.Spec.Code, to.Spec.Code, got.Seal)
	}
	reaches(t, from, doc.ID, office.Delivered)
	if _, err := to.API.Accept(t.Context(), doc.ID, "test"); err != nil {
		t.Fatal(err)
	}
	reaches(t, from, doc.ID, office.Accepted)
	witnessed(t, from, doc.ID)
	container = filepath.Join(t.TempDir(), "x.asice")
	if _, err := w.Run(t.Context(), "tram", "export", "--data", from.Dir, doc.ID.String(), "--out", container); err != nil {
		t.Fatal(err)
	}
	verified(t, w, container, from, to)
	return container
}

func verified(t *testing.T, w *world.World, container string, by ...*world.Office) {
	t.Helper()
	for _, o := range by {
		if _, err := w.Run(t.Context(), "tram", "verify", "--data", o.Dir, container); err != nil {
			t.Errorf("at %s: %v", o.Spec.Code, err)
		}
	}
}

// forBroker checks how many CAs an external broker is told of, and that openssl
// finds of each a revocation list.
func forBroker(t *testing.T, w *world.World, cas int) {
	t.Helper()
	dir := t.TempDir()
	if _, err := w.Run(t.Context(), "tram-hub", "broker", "config", "--data", w.HubDir(), "--out", dir); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{broker.CAFile, broker.CRLFile} {
		if text, err := os.ReadFile(at(name)); err != nil || strings.Count(string(text), "-----BEGIN") != cas {
			t.Errorf("%s has not %d parts (error %v)", name, cas, err)
		}
	}
	certs := []string{at(broker.CertFile), filepath.Join(w.Offices[0].Dir, identity.Folder, identity.DeviceCertFile)}
	args := append([]string{"verify", "-crl_check", "-CAfile", at(broker.CAFile), "-CRLfile", at(broker.CRLFile)}, certs...)
	if out, err := exec.CommandContext(t.Context(), tooltest.Find(t, "openssl", "checks the revocation lists"), args...).CombinedOutput(); err != nil {
		t.Errorf("openssl verify: %v\n%s", err, out)
	}
}

// TestP7_TheHubChangesItsCA while two offices work and a third is away all the
// time. Nothing is lost, nobody is visited, and what was sealed before still
// holds.
func TestP7_TheHubChangesItsCA(t *testing.T) {
	t.Parallel()
	w := startHub(t, world.Options{Hub: world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"}, Offices: []world.Spec{
		{Code: codeA, Name: "UBND xã An Bình"}, {Code: codeB, Name: "UBND xã Tân Lập"}, {Code: "H40.99", Name: "UBND xã Hòa Xa"},
	}})
	a, b, away := w.Offices[0], w.Offices[1], w.Offices[2]
	before := exchanged(t, w, a, b)
	if err := away.Process.Stop(); err != nil {
		t.Fatal(err)
	}
	waiting := send(t, a, away.Spec.Code, file{"cho.pdf", sample.SmallPDF(20_000, 2)})
	reaches(t, a, waiting.ID, office.AtHub)

	rotate(t, w, "announce")
	told(t, w, away.Spec.Code)
	exchanged(t, w, a, b)
	if err := w.Hub.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err := w.Run(t.Context(), "tram-hub", "ca", "rotate", "switch", "--data", w.HubDir(), "--yes")
	if err == nil || !strings.Contains(err.Error(), "[ca.untold]") || !strings.Contains(err.Error(), away.Spec.Code) {
		t.Errorf("switched before everybody knew: %v", err)
	}
	startAgain(t, w)

	underWay := send(t, a, codeB, file{"lon.pdf", sample.SmallPDF(6_000_000, 3)})
	rotate(t, w, "switch", "--force")
	forBroker(t, w, 2)
	reaches(t, b, underWay.ID, office.Arrived)
	told(t, w, away.Spec.Code)
	during := exchanged(t, w, b, a)
	rotate(t, w, "finish", "--force")
	forBroker(t, w, 1)
	exchanged(t, w, a, b)

	if err := away.Process.Start(); err != nil {
		t.Fatal(err)
	}
	reaches(t, away, waiting.ID, office.Arrived)
	exchanged(t, w, away, b)
	told(t, w)
	for _, container := range []string{before, during} {
		verified(t, w, container, a, b, away)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	out, err := w.Run(t.Context(), "tram", "ca", "--data", away.Dir)
	if err != nil || strings.Count(string(out), "BEGIN CERTIFICATE") != 2 {
		t.Fatalf("tram ca: %v %s", err, out)
	}
	if err := os.WriteFile(ca, out, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, container := range []string{before, during} {
		if _, err := w.Run(t.Context(), "tram", "verify", "--ca", ca, container); err != nil {
			t.Error(err)
		}
	}
	if out, err := w.Run(t.Context(), "tram-hub", "audit", "verify", "--data", w.HubDir()); err != nil {
		t.Errorf("audit chain: %v %s", err, out)
	}
}

// TestP7_AHubBelowChangesItsCA, and the offices of another one believe the seals
// of its offices on the word of its former CA.
func TestP7_AHubBelowChangesItsCA(t *testing.T) {
	t.Parallel()
	tr := startTree(t)
	a1, b1 := tr.east.Offices[0], tr.west.Offices[0]
	before := exchanged(t, tr.east, a1, b1)
	for _, step := range []string{"announce", "switch", "finish"} {
		rotate(t, tr.east, step)
		told(t, tr.east)
		exchanged(t, tr.east, a1, b1)
	}
	verified(t, tr.east, before, a1, b1)

	// The hub above changes its own: those below are its offices.
	for _, step := range []string{"announce", "switch", "finish"} {
		rotate(t, tr.province, step)
		told(t, tr.province)
	}
	exchanged(t, tr.east, a1, b1)
	exchanged(t, tr.west, b1, tr.province.Offices[0])
}
