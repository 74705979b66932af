package e2e

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/office"
	"tram/cmd/internal/sample"
	"tram/cmd/internal/world"
)

// officeBackups is what `tram backup` prints.
type officeBackups []struct {
	Backup string `json:"backup"`
	Files  int    `json:"files"`
	Copied int    `json:"copied"`
}

// saver backs an office up to a stick, and has its recovery code on paper.
type saver struct {
	t           *testing.T
	w           *world.World
	o           *world.Office
	stick, code string
}

func newSaver(t *testing.T, w *world.World, o *world.Office) *saver {
	t.Helper()
	s := &saver{t: t, w: w, o: o, stick: t.TempDir(), code: filepath.Join(t.TempDir(), "paper")}
	s.backup()
	out := s.run("backup", "code", "--data", o.Dir)
	if err := os.WriteFile(s.code, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *saver) run(args ...string) []byte {
	s.t.Helper()
	out, err := s.w.Run(s.t.Context(), "tram", args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *saver) backup() officeBackups {
	s.t.Helper()
	var made officeBackups
	if err := json.Unmarshal(s.run("backup", s.stick, "--data", s.o.Dir, "--json"), &made); err != nil || len(made) != 1 {
		s.t.Fatalf("backup: %v", err)
	}
	return made
}

// known waits until the hub has heard of the office's backup.
func (s *saver) known() {
	s.t.Helper()
	eventually(s.t, "the hub hears of the backup", func() bool {
		out, err := s.w.Run(s.t.Context(), "tram-hub", "agents", "show", s.o.Spec.Code, "--data", s.w.HubDir(), "--json")
		var a struct {
			Last struct{ Backup time.Time }
		}
		return err == nil && json.Unmarshal(out, &a) == nil && !a.Last.Backup.IsZero()
	})
}

// burn deletes the office's data folder and raises the office from the stick.
func (s *saver) burn(between ...func()) {
	s.t.Helper()
	lost := time.Now()
	if err := errors.Join(s.o.Kill(), os.RemoveAll(s.o.Dir)); err != nil {
		s.t.Fatal(err)
	}
	for _, do := range between {
		do()
	}
	s.run("restore", s.stick, "--data", s.o.Dir, "--code-file", s.code)
	s.t.Logf("the office was back after %v", time.Since(lost))
}

func (s *saver) start() {
	s.t.Helper()
	if err := errors.Join(s.o.Start(), s.o.Wait(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
}

// boxHas checks that a box of an office lists exactly these documents, each once.
func boxHas(t *testing.T, o *world.Office, box office.Box, docs ...office.Document) {
	t.Helper()
	page, err := o.API.Documents(t.Context(), office.Query{Box: box})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, d := range page.Documents {
		seen[d.ID.String()]++
	}
	for _, d := range docs {
		if seen[d.ID.String()] != 1 {
			t.Errorf("%s has %s %d times in box %s", o.Spec.Code, d.ID, seen[d.ID.String()], box)
		}
	}
	if page.Total != len(docs) {
		t.Errorf("%s has %d documents in box %s, want %d", o.Spec.Code, page.Total, box, len(docs))
	}
}

// TestP1_P2_P3_AnOfficeIsRestoredByItsRecoveryCode deletes an office's data folder and
// raises it from a stick, with documents both ways before the backup, between it and the
// loss, and after it. The recipe is that of README.md.
func TestP1_P2_P3_AnOfficeIsRestoredByItsRecoveryCode(t *testing.T) {
	w := start(t, func(o *world.Options) { o.Offices[0].Env = []string{"TRAM_HEARTBEAT_EVERY=10s"} })
	a, b := w.Offices[0], w.Offices[1]
	toA := func(seed uint64) office.Document {
		return send(t, b, codeA, file{"toi.pdf", sample.SmallPDF(100_000, seed)})
	}
	fromA := func(seed uint64) office.Document {
		return send(t, a, codeB, file{"di.pdf", sample.SmallPDF(100_000, seed)})
	}
	in1, out1 := toA(1), fromA(2)
	reaches(t, b, in1.ID, office.Delivered)
	reaches(t, a, out1.ID, office.Delivered)
	s := newSaver(t, w, a)
	s.known()

	in2, out2 := toA(3), fromA(4) // after the backup, and answered
	reaches(t, b, in2.ID, office.Delivered)
	reaches(t, a, out2.ID, office.Delivered)
	var in3 office.Document
	s.burn(func() { in3 = toA(5) }) // while there is no box
	if _, err := w.Run(t.Context(), "tram", "audit", "verify", "--data", a.Dir); err != nil {
		t.Error(err)
	}
	s.start()
	in4, out4 := toA(6), fromA(7)
	for _, d := range []office.Document{in1, in2, in3, in4} {
		reaches(t, a, d.ID, office.Arrived)
		reaches(t, b, d.ID, office.Delivered)
	}
	for _, d := range []office.Document{out1, out4} {
		reaches(t, a, d.ID, office.Delivered)
	}
	boxHas(t, a, office.In, in1, in2, in3, in4)
	boxHas(t, a, office.Out, out1, out4) // out2 is at its receiver, and its number stays
	boxHas(t, b, office.In, out1, out2, out4)
	boxHas(t, b, office.Out, in1, in2, in3, in4)
	if out4.Number == out2.Number || out4.Number == "" {
		t.Errorf("number %s was given twice", out4.Number)
	}
	if made := s.backup(); made[0].Files != 6 || made[0].Copied == 0 || made[0].Copied > 4 {
		t.Errorf("the next backup: %+v", made)
	}
	for _, o := range w.Offices {
		if _, err := w.Run(t.Context(), "tram", "audit", "verify", "--data", o.Dir); err != nil {
			t.Error(err)
		}
	}
}
