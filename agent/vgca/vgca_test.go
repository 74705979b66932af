package vgca_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"io"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tram/agent/problem"
	"tram/agent/vgca"
	"tram/agent/vgca/vgcatest"
)

// signer is a simulator whose key signs; its listener is of no use here.
func signer(t testing.TB) *vgcatest.Simulator {
	srv := httptest.NewTLSServer(nil)
	t.Cleanup(srv.Close)
	return vgcatest.Start(t, &tls.Config{Certificates: srv.TLS.Certificates})
}

func extension(old, now []byte) (string, error) {
	signer, err := vgca.Extension(context.Background(), bytes.NewReader(old), bytes.NewReader(now), int64(len(old)), int64(len(now)))
	if err != nil {
		return "", err
	}
	return signer.Name, nil
}

func TestP6_OnlyAFileThatExtendsTheOldOneAndIsSignedWhollyIsTaken(t *testing.T) {
	s := signer(t)
	old := vgcatest.PDF("Cong van so 12")
	once, err := vgcatest.SignPDF(old, s.CMS)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := vgcatest.SignPDF(once, s.CMS)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2][]byte{"first": {old, once}, "second": {once, twice}, "both at once": {old, twice}} {
		if who, err := extension(pair[0], pair[1]); err != nil || who != "Nguyen Van Lanh Dao" {
			t.Errorf("%s signature: %q, %v", name, who, err)
		}
	}
	other, err := vgcatest.SignPDF(vgcatest.PDF("Cong van so 13"), s.CMS)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(file []byte, from, to string) []byte {
		i := len(old) + bytes.Index(file[len(old):], []byte(from))
		return append(append(bytes.Clone(file[:i]), to...), file[i+len(from):]...)
	}
	foreign, err := vgcatest.SignPDF(old, func([]byte) ([]byte, error) { return s.CMS([]byte("something else")) })
	if err != nil {
		t.Fatal(err)
	}
	update := func(text string) []byte { return append(bytes.Clone(once), text...) }
	// Without the signer's certificate nothing can be verified: the serial number
	// in it, the first of two, is changed, and what is drawn as well.
	orphan := edit(once, "/F 132", "/F 133")
	serial := regexp.MustCompile(`0214[0-9a-f]{40}`).FindIndex(orphan)
	copy(orphan[serial[1]-8:serial[1]], "00000000")
	for name, tt := range map[string]struct {
		old, now []byte
		want     error
	}{
		"unchanged":                    {old, old, vgca.ErrNotExtended},
		"shorter":                      {once, old, vgca.ErrNotExtended},
		"another document":             {old, other, vgca.ErrNotExtended},
		"old part edited":              {old, bytes.Replace(once, []byte("so 12"), []byte("so 99"), 1), vgca.ErrNotExtended},
		"unsigned update":              {old, append(bytes.Clone(old), "\n9 0 obj\n<< >>\nendobj\n"...), vgca.ErrNotSigned},
		"signed, then added to":        {old, update("9 0 obj\n<< >>\nendobj\n"), vgca.ErrNotSigned},
		"signed before, update not":    {once, update("9 0 obj\n<< >>\nendobj\n"), vgca.ErrNotSigned},
		"signed part edited":           {old, edit(once, "/F 132", "/F 133"), vgca.ErrSignature},
		"value of other content":       {old, foreign, vgca.ErrSignature},
		"no certificate of the signer": {old, orphan, vgca.ErrSignature},
		"byte range from 1":            {old, edit(once, "/ByteRange [0 ", "/ByteRange [1 "), vgca.ErrNotSigned},
		"gap opened in the old part":   {once, regexp.MustCompile(`\[0 \d{10}`).ReplaceAll(once, []byte("[0 0000000010")), vgca.ErrNotExtended},
		"value is not its Contents":    {old, edit(once, "/Contents <", "/Contentz <"), vgca.ErrNotSigned},
		"value without brackets":       {old, edit(once, "/Contents <", "/Contents  "), vgca.ErrNotSigned},
		"value of zeros":               {old, regexp.MustCompile(`<30[0-9a-f]{100,}`).ReplaceAllFunc(once, func(b []byte) []byte { return append([]byte("<"), bytes.Repeat([]byte("0"), len(b)-1)...) }), vgca.ErrSignature},
		"something behind the value":   {old, edit(once, "00> >>", "01> >>"), vgca.ErrSignature},
		"two ranges over one file":     {old, edit(once, "/F 132", "/F 132 "), vgca.ErrNotSigned},
		"too much added":               {old, append(bytes.Clone(old), make([]byte, vgca.MaxUpdate+1)...), vgca.ErrNotExtended},
		"range ends before the end":    {old, update("\n"), vgca.ErrNotSigned},
		"nothing but the end of file":  {old, append(bytes.Clone(old), "%%EOF\n"...), vgca.ErrNotSigned},
	} {
		if who, err := extension(tt.old, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v, want %v", name, who, err, tt.want)
		}
	}
}

// update signs the sample of FuzzExtension anew.
var update = flag.Bool("update", false, "rewrite testdata/signed.pdf")

// FuzzExtension has a sample from a file: each process of the fuzzer has to know
// the one update that may be taken.
func FuzzExtension(f *testing.F) {
	path := filepath.Join("testdata", "signed.pdf")
	old := vgcatest.PDF("x")
	if *update {
		once, err := vgcatest.SignPDF(old, signer(f).CMS)
		if err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(path, once, 0o644); err != nil {
			f.Fatal(err)
		}
	}
	once, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := extension(old, once); err != nil {
		f.Fatalf("the sample: %v", err)
	}
	value := regexp.MustCompile(`^/Contents <[0-9a-fA-F\x00\t\n\f\r ]*>$`) // with white space of PDF
	at := regexp.MustCompile(`/Contents <[0-9a-f]*>`).FindIndex(once)
	if at == nil {
		f.Fatal("the sample has no signature value")
	}
	f.Add(once[len(old):])
	f.Add([]byte("/ByteRange [0 600 700 100] /Contents <3000>"))
	f.Fuzz(func(t *testing.T, update []byte) {
		now := append(bytes.Clone(old), update...)
		if _, err := extension(old, now); err != nil {
			return
		}
		// The value is not under itself: in it, the certificate may be another one
		// of the same key, which whoever judges the signer finds out.
		if len(now) != len(once) || !bytes.Equal(now[:at[0]], once[:at[0]]) || !bytes.Equal(now[at[1]:], once[at[1]:]) || !value.Match(now[at[0]:at[1]]) {
			t.Error("another update than the signed one is taken")
		}
	})
}

// clock is the desk's time.
type clock struct{ now time.Time }

func newDesk(t *testing.T) (*vgca.Desk, *clock, string) {
	c := &clock{time.Date(2026, 11, 21, 3, 32, 0, 0, time.UTC)}
	dir := t.TempDir()
	return vgca.NewDesk(vgca.Options{Dir: dir, Pattern: "tai-len-*", MaxFile: 1 << 20, Now: func() time.Time { return c.now }}), c, dir
}

func wantProblem(t *testing.T, what string, err error, code string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Errorf("%s: %v, want the problem %s", what, err, code)
	}
}

func TestP7_ATokenOpensWhatItsCallIsForAndNothingElse(t *testing.T) {
	s := signer(t)
	d, c, dir := newDesk(t)
	old := vgcatest.PDF("Cong van")
	signed, err := vgcatest.SignPDF(old, s.CMS)
	if err != nil {
		t.Fatal(err)
	}
	job, err := d.Create("lan", "cong-van.pdf", bytes.NewReader(old))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Get("minh", job.ID)
	wantProblem(t, "somebody else's job", err, "signing.gone")
	_, _, err = d.Begin("minh", job.ID, vgca.SignIssued)
	wantProblem(t, "a call for somebody else's job", err, "signing.gone")
	_, _, err = d.Begin("lan", job.ID, "Config")
	wantProblem(t, "a method that is not offered", err, "signing.method")

	stale, staleUp, err := d.Begin("lan", job.ID, vgca.SignIssued)
	if err != nil {
		t.Fatal(err)
	}
	fetch, deliver, err := d.Begin("lan", job.ID, vgca.SignApproved)
	if err != nil || fetch == deliver || fetch == stale {
		t.Fatalf("tokens %q %q, %v", fetch, deliver, err)
	}
	read := func(token string) error {
		_, f, err := d.Fetch(token)
		if err != nil {
			return err
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		if err == nil && !bytes.Equal(got, old) {
			err = errors.New("another file")
		}
		return err
	}
	bring := func(token string, file []byte) error {
		_, err := d.Deliver(t.Context(), token, bytes.NewReader(file))
		return err
	}
	wantProblem(t, "fetching with an earlier call's token", read(stale), "signing.gone")
	wantProblem(t, "bringing with an earlier call's token", bring(staleUp, signed), "signing.gone")
	wantProblem(t, "fetching with the token to bring", read(deliver), "signing.gone")
	wantProblem(t, "bringing with the token to fetch", bring(fetch, signed), "signing.gone")
	wantProblem(t, "no token", read(""), "signing.gone")
	if err := read(fetch); err != nil {
		t.Errorf("fetching: %v", err)
	}
	wantProblem(t, "bringing another document", bring(deliver, vgcatest.PDF("khac")), "signing.not-extended")
	wantProblem(t, "bringing the unsigned one", bring(deliver, append(bytes.Clone(old), " "...)), "signing.not-signed")
	if err := bring(deliver, signed); err != nil {
		t.Fatalf("bringing: %v", err)
	}
	wantProblem(t, "bringing again", bring(deliver, signed), "signing.gone")
	wantProblem(t, "fetching after that", read(fetch), "signing.gone")
	after, err := d.Get("lan", job.ID)
	if err != nil || len(after.Signatures) != 1 || after.Signatures[0].Method != vgca.SignApproved || after.Signatures[0].Signer != "Nguyen Van Lanh Dao" || after.Size != int64(len(signed)) {
		t.Errorf("the job is %+v, %v", after, err)
	}

	// Time and tries run out.
	fetch, deliver, _ = d.Begin("lan", job.ID, vgca.SignIssued)
	for range vgca.MaxDeliveries {
		wantProblem(t, "bringing rubbish", bring(deliver, []byte("x")), "signing.not-extended")
	}
	wantProblem(t, "bringing rubbish once more", bring(deliver, []byte("x")), "signing.gone")
	c.now = c.now.Add(vgca.CallLife + time.Second)
	_, _, err = d.Fetch(fetch)
	wantProblem(t, "fetching too late", err, "signing.gone")
	c.now = c.now.Add(vgca.JobLife)
	_, err = d.Get("lan", job.ID)
	wantProblem(t, "the next day", err, "signing.gone")
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

func TestLimitsOfTheDesk(t *testing.T) {
	d, _, dir := newDesk(t)
	_, err := d.Create("lan", "x.docx", strings.NewReader("PK\x03\x04 a Word file"))
	wantProblem(t, "no PDF", err, "signing.not-pdf")
	_, err = d.Create("lan", "x.pdf", io.MultiReader(strings.NewReader("%PDF-1.7"), bytes.NewReader(make([]byte, 1<<20))))
	wantProblem(t, "too large", err, "signing.too-large")
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("refused files are left: %v", left)
	}
	for range vgca.MaxJobs {
		if _, err := d.Create("lan", "x.pdf", strings.NewReader("%PDF-1.7")); err != nil {
			t.Fatal(err)
		}
	}
	_, err = d.Create("lan", "x.pdf", strings.NewReader("%PDF-1.7"))
	wantProblem(t, "too many", err, "signing.too-many")
	if _, err := d.Create("minh", "x.pdf", strings.NewReader("%PDF-1.7")); err != nil {
		t.Errorf("one person's files keep out another's: %v", err)
	}
}

// What the simulator makes is a signed PDF to another program too.
func TestP12_SignedFilesAreGoodForPdfsig(t *testing.T) {
	s := signer(t)
	file := vgcatest.PDF("Cong van")
	for range 2 {
		var err error
		if file, err = vgcatest.SignPDF(file, s.CMS); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "signed.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("pdfsig", "-nocert", path).CombinedOutput()
	if err != nil || strings.Count(string(out), "Signature is Valid") != 2 || !strings.Contains(string(out), "Total document signed") {
		t.Errorf("pdfsig: %v\n%s", err, out)
	}
}
