package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
	"tram/storage"
)

// bin is the folder with the built programs.
var bin string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tram-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// As they are shipped: what is left out of them must not be missed.
	build := exec.Command("make", "-C", root, "build", "BIN="+dir)
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the programs: %v\n%s", err, out)
		return 1
	}
	bin = dir
	return m.Run()
}

// root is the folder of the sources.
var root = filepath.Join("..", "..", "..")

// lookAtSources reads their folders, which the go command sees only while a test
// runs: so it does not take the result of an earlier run for that of programs
// that have changed.
var lookAtSources = sync.OnceValue(func() (err error) {
	for _, folder := range []string{"agent", "cmd", "storage", "sync"} {
		err = errors.Join(err, filepath.WalkDir(filepath.Join(root, folder), func(_ string, _ fs.DirEntry, err error) error { return err }))
	}
	return err
})

const (
	codeA, codeB = "H40.12", "H40.15"
	arrivesIn    = 60 * time.Second
)

// start runs a hub and two offices until the test ends.
func start(t *testing.T, change ...func(*world.Options)) *world.World {
	t.Helper()
	o := world.Options{
		Dir: t.TempDir(), Bin: bin,
		Hub:     world.Spec{Code: "H40", Name: "UBND tỉnh Minh Sơn"},
		Offices: []world.Spec{{Code: codeA, Name: "UBND xã An Bình"}, {Code: codeB, Name: "UBND phường Tân Lập"}},
	}
	for _, c := range change {
		c(&o)
	}
	if err := lookAtSources(); err != nil {
		t.Fatal(err)
	}
	w, err := world.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, p := range []*world.Process{w.Hub, w.Offices[0].Process, w.Offices[1].Process} {
				log, _ := os.ReadFile(p.LogFile())
				t.Logf("%s:\n%s", p.LogFile(), log[max(0, len(log)-4000):])
			}
		}
	})
	return w
}

type file struct {
	name string
	data []byte
}

// send hands a document over; a new office and its key may take a moment to be
// known.
func send(t *testing.T, from *world.Office, to string, files ...file) office.Document {
	t.Helper()
	deadline := time.Now().Add(arrivesIn)
	for {
		doc, err := trySend(t.Context(), from, to, files...)
		if err == nil {
			return doc
		}
		code := problem.From(err).Code
		if code != "send.recipient-not-enrolled" && code != "send.unknown-recipient" || time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func trySend(ctx context.Context, from *world.Office, to string, files ...file) (office.Document, error) {
	d := api.DraftRequest{To: []string{to}, Subject: "V/v thử nghiệm", By: "test"}
	var readers []io.Reader
	for _, f := range files {
		d.Files = append(d.Files, f.name)
		readers = append(readers, bytes.NewReader(f.data))
	}
	return from.API.Send(ctx, d, readers)
}

// eventually asks until ok, at most arrivesIn.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(arrivesIn)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not happen within %v", what, arrivesIn)
		}
		time.Sleep(30 * time.Millisecond)
	}
}

func reaches(t *testing.T, o *world.Office, id storage.ID, want office.State) office.Document {
	t.Helper()
	var d office.Document
	eventually(t, fmt.Sprintf("state %q of %s at %s", want, id, o.Spec.Code), func() bool {
		var err error
		d, err = o.API.Get(t.Context(), id)
		return err == nil && d.State == want
	})
	return d
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// steps are the steps of a track, each once, in order.
func steps(d office.Document) []office.State {
	var list []office.State
	for _, e := range d.Events {
		if !slices.Contains(list, e.Step) {
			list = append(list, e.Step)
		}
	}
	return list
}

// TestP10_ADocumentTravels is the main job: files arrive byte for byte, and
// both ends see the same track, whatever the receiver decides.
func TestP10_ADocumentTravels(t *testing.T) {
	w := start(t)
	a, b := w.Offices[0], w.Offices[1]
	large, small := sample.SmallPDF(20_000_000, 1), sample.SmallPDF(5000, 2)
	sent := send(t, a, codeB, file{"Bản đồ.pdf", large}, file{"Công văn.pdf", small})
	got := reaches(t, b, sent.ID, office.Arrived)
	for i, data := range [][]byte{large, small} {
		if got.Attachments[i].SHA256 != digest(data) {
			t.Errorf("attachment %d has SHA-256 %s, want %s", i, got.Attachments[i].SHA256, digest(data))
		}
		body, err := b.API.Attachment(t.Context(), sent.ID, i)
		if err != nil {
			t.Fatal(err)
		}
		read, err := io.ReadAll(body)
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		if err != nil || !bytes.Equal(read, data) {
			t.Errorf("attachment %d differs (error %v)", i, err)
		}
	}
	if got.Seal == nil || got.Seal.Verdict != "passed" || got.Seal.Signer != codeA {
		t.Errorf("seal is %+v", got.Seal)
	}
	reaches(t, a, sent.ID, office.Delivered)

	if _, err := b.API.Accept(t.Context(), sent.ID, "test"); err != nil {
		t.Fatal(err)
	}
	accepted := reaches(t, a, sent.ID, office.Accepted)
	want := []office.State{office.Saved, office.Sending, office.AtHub, office.Delivered, office.Accepted}
	if got := steps(accepted); !slices.Equal(got, want) {
		t.Errorf("track at the sender is %v, want %v", got, want)
	}
	for _, e := range accepted.Events {
		if e.Evidence == office.EvidenceRecord || e.Evidence == office.EvidenceStamp {
			continue // stands beside the step of another witness
		}
		if signer := map[office.State]string{office.Saved: codeA, office.AtHub: "H40", office.Delivered: codeB, office.Accepted: codeB}[e.Step]; e.Signer != signer {
			t.Errorf("step %s is signed by %q, want %q", e.Step, e.Signer, signer)
		}
	}
	checkContainer(t, w, sent.ID)

	back := send(t, b, codeA, file{"Giấy mời.pdf", small})
	reaches(t, a, back.ID, office.Arrived)
	if _, err := a.API.Return(t.Context(), back.ID, "Gửi nhầm nơi nhận", "test"); err != nil {
		t.Fatal(err)
	}
	returned := reaches(t, b, back.ID, office.Returned)
	if returned.To[0].Reason != "Gửi nhầm nơi nhận" {
		t.Errorf("reason at the sender is %q", returned.To[0].Reason)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, o := range w.Offices {
		if out, err := w.Run(t.Context(), "tram", "audit", "verify", "--data", o.Dir); err != nil {
			t.Errorf("audit chain: %v %s", err, out)
		}
	}
}

// checkContainer exports the document and lets openssl judge its seal.
func checkContainer(t *testing.T, w *world.World, id storage.ID) {
	t.Helper()
	dir := t.TempDir()
	container := filepath.Join(dir, "x.asice")
	if _, err := w.Run(t.Context(), "tram", "export", "--data", w.Offices[0].Dir, id.String(), "--out", container); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Run(t.Context(), "tram", "verify", "--data", w.Offices[1].Dir, container); err != nil {
		t.Error(err)
	}
	archive, err := zip.OpenReader(container)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for _, part := range []string{"META-INF/signature001.p7s", "META-INF/ASiCManifest001.xml"} {
		data, err := fs.ReadFile(archive, part)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(part)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := filepath.Join(dir, "ca.pem")
	pem, err := w.Run(t.Context(), "tram", "ca", "--data", w.Offices[0].Dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "cms", "-verify", "-binary", "-inform", "DER", "-purpose", "any",
		"-in", filepath.Join(dir, "signature001.p7s"), "-content", filepath.Join(dir, "ASiCManifest001.xml"),
		"-CAfile", ca, "-out", os.DevNull).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "successful") {
		t.Errorf("openssl: %v %s", err, out)
	}
}

func readLog(t *testing.T, p *world.Process) string {
	t.Helper()
	data, err := os.ReadFile(p.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
