package compose

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tram/agent/problem"
	"tram/storage/audit"
	"tram/storage/sqlite"
)

// office is a store that can be opened again, as after a power cut.
type office struct {
	t   *testing.T
	dir string
	db  *sqlite.DB
	*Store
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, dir: t.TempDir()}
	o.open()
	t.Cleanup(func() { o.db.Close() })
	return o
}

func (o *office) open() {
	o.t.Helper()
	var err error
	if o.db, err = sqlite.Open(o.t.Context(), filepath.Join(o.dir, "office.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}}); err != nil {
		o.t.Fatal(err)
	}
	if o.Store, err = New(o.t.Context(), Options{DB: o.db, Dir: filepath.Join(o.dir, "drafts"), Scans: filepath.Join(o.dir, "scans")}); err != nil {
		o.t.Fatal(err)
	}
}

// again closes and opens the store.
func (o *office) again() {
	o.t.Helper()
	if err := o.db.Close(); err != nil {
		o.t.Fatal(err)
	}
	o.open()
}

func (o *office) ok(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) wants(err error, code string) {
	o.t.Helper()
	if p := problem.From(err); err == nil || p.Code != code {
		o.t.Errorf("got %v, want %s", err, code)
	}
}

func (o *office) filesOnDisk() int {
	entries, err := os.ReadDir(filepath.Join(o.dir, "drafts"))
	o.ok(err)
	return len(entries)
}

func TestP1_ADraftIsThereAfterARestart(t *testing.T) {
	o := newOffice(t)
	id, fields := NewID(), url.Values{"subject": {"V/v lũ quét"}, "to": {"H40.15, H40.16"}}
	o.ok(o.Save(t.Context(), "lan", id, fields))
	o.ok(o.AddFile(t.Context(), "lan", id, "Công văn.pdf", strings.NewReader("%PDF"), 100))
	o.ok(o.AddFile(t.Context(), "lan", id, "../phụ lục.xlsx", strings.NewReader("bảng"), 100))
	o.again()
	d, err := o.Get(t.Context(), "lan", id)
	if err != nil || d.Fields.Get("subject") != "V/v lũ quét" || len(d.Files) != 2 || d.Files[1].Name != "../phụ lục.xlsx" || d.Saved.IsZero() {
		t.Fatalf("%+v %v", d, err)
	}
	f, body, err := o.Open(t.Context(), "lan", id, d.Files[0].ID)
	o.ok(err)
	defer body.Close()
	if text, err := io.ReadAll(body); err != nil || string(text) != "%PDF" || f.Size != 4 {
		t.Errorf("%q %+v %v", text, f, err)
	}
	o.ok(o.Keep(t.Context(), "lan", id, []string{d.Files[1].ID}))
	if d, err = o.Get(t.Context(), "lan", id); err != nil || len(d.Files) != 1 || o.filesOnDisk() != 1 {
		t.Errorf("%+v %v, %d files", d, err, o.filesOnDisk())
	}
	fields.Set("subject", "V/v lũ quét, sạt lở")
	o.ok(o.Save(t.Context(), "lan", id, fields))
	if list, err := o.List(t.Context(), "lan"); err != nil || len(list) != 1 || list[0].Fields.Get("subject") != "V/v lũ quét, sạt lở" || len(list[0].Files) != 1 {
		t.Errorf("%+v %v", list, err)
	}
	o.ok(o.Drop(t.Context(), "lan", id))
	o.ok(o.Drop(t.Context(), "lan", id))
	if list, err := o.List(t.Context(), "lan"); err != nil || len(list) != 0 || o.filesOnDisk() != 0 {
		t.Errorf("dropped: %+v %v, %d files", list, err, o.filesOnDisk())
	}
}

func TestADraftIsItsOwnersAlone(t *testing.T) {
	o := newOffice(t)
	id := NewID()
	o.ok(o.Save(t.Context(), "lan", id, url.Values{"subject": {"riêng"}}))
	o.ok(o.AddFile(t.Context(), "lan", id, "a.pdf", strings.NewReader("x"), 10))
	d, err := o.Get(t.Context(), "lan", id)
	o.ok(err)
	o.wants(o.Save(t.Context(), "minh", id, url.Values{}), "compose.no-draft")
	o.wants(o.AddFile(t.Context(), "minh", id, "b.pdf", strings.NewReader("x"), 10), "compose.no-draft")
	_, _, err = o.Open(t.Context(), "minh", id, d.Files[0].ID)
	o.wants(err, "compose.no-draft")
	o.ok(o.Drop(t.Context(), "minh", id))
	o.ok(o.Keep(t.Context(), "minh", id, nil))
	if after, err := o.Get(t.Context(), "lan", id); err != nil || len(after.Files) != 1 {
		t.Errorf("%+v %v", after, err)
	}
	if list, err := o.List(t.Context(), "minh"); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestBadDraftsAreRefusedAndLeaveNoFile(t *testing.T) {
	o := newOffice(t)
	for _, id := range []string{"", "../../etc/passwd", strings.Repeat("a", 26), strings.Repeat("A", 27)} {
		o.wants(o.Save(t.Context(), "lan", id, nil), "compose.no-draft")
	}
	id := NewID()
	o.wants(o.Save(t.Context(), "lan", id, url.Values{"subject": {strings.Repeat("x", MaxFields)}}), "compose.draft-large")
	o.ok(o.Save(t.Context(), "lan", id, nil))
	o.ok(o.AddFile(t.Context(), "lan", id, "a", strings.NewReader("12345"), 8))
	o.wants(o.AddFile(t.Context(), "lan", id, "b", strings.NewReader("1234"), 8), "compose.draft-files-large")
	broken := errors.New("the line is cut")
	if err := o.AddFile(t.Context(), "lan", id, "c", io.MultiReader(strings.NewReader("1"), iotest.ErrReader(broken)), 8); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	if n := o.filesOnDisk(); n != 1 {
		t.Errorf("%d files", n)
	}
	for range MaxDrafts - 1 {
		o.ok(o.Save(t.Context(), "lan", NewID(), nil))
	}
	o.wants(o.Save(t.Context(), "lan", NewID(), nil), "compose.drafts-full")
	o.ok(o.Save(t.Context(), "lan", id, nil))
	o.ok(o.Save(t.Context(), "minh", NewID(), nil))
}

// TestFilesOfACrashAreSwept leaves a file without its row, as a power cut between
// the two does.
func TestFilesOfACrashAreSwept(t *testing.T) {
	o := newOffice(t)
	id := NewID()
	o.ok(o.Save(t.Context(), "lan", id, nil))
	o.ok(o.AddFile(t.Context(), "lan", id, "a", strings.NewReader("1"), 8))
	o.ok(os.WriteFile(filepath.Join(o.dir, "drafts", NewID()), []byte("rest"), 0o600))
	o.again()
	if d, err := o.Get(t.Context(), "lan", id); err != nil || len(d.Files) != 1 || o.filesOnDisk() != 1 {
		t.Errorf("%+v %v, %d files", d, err, o.filesOnDisk())
	}
}

func TestGroups(t *testing.T) {
	o := newOffice(t)
	o.ok(o.SaveGroup(t.Context(), Group{"Các  xã vùng cao ", []string{"H40.15", "H40.16"}}, "lan"))
	o.ok(o.SaveGroup(t.Context(), Group{"Ban ngành", []string{"H40.1"}}, "lan"))
	o.ok(o.SaveGroup(t.Context(), Group{"CÁC XÃ VÙNG CAO", []string{"H40.15", "H40.17"}}, "minh"))
	o.again()
	list, err := o.Groups(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "Ban ngành" || list[1].Name != "CÁC XÃ VÙNG CAO" || !slices.Equal(list[1].Codes, []string{"H40.15", "H40.17"}) {
		t.Fatalf("%+v %v", list, err)
	}
	for code, g := range map[string]Group{
		"compose.group-name": {" ", []string{"H40.1"}}, "compose.group-codes": {"A", nil}, "compose.group-long": {strings.Repeat("ắ", MaxGroupName+1), []string{"H40.1"}},
	} {
		o.wants(o.SaveGroup(t.Context(), g, "lan"), code)
	}
	o.wants(o.SaveGroup(t.Context(), Group{"A", []string{"H40.1,H40.2"}}, "lan"), "compose.group-codes")
	o.ok(o.DropGroup(t.Context(), "ban nganh", "lan"))
	o.ok(o.DropGroup(t.Context(), "ban nganh", "lan"))
	if list, err := o.Groups(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%+v %v", list, err)
	}
}

func TestP1_AScanStaysUntilItsDocumentIsSaved(t *testing.T) {
	o := newOffice(t)
	if _, err := o.Scans(); err == nil || problem.From(err).Code != "compose.scans-folder" {
		t.Errorf("no folder: %v", err)
	}
	dir := filepath.Join(o.dir, "scans")
	o.ok(os.Mkdir(dir, 0o700))
	old := time.Now().Add(-time.Hour)
	put := func(name, text string, at time.Time) {
		path := filepath.Join(dir, name)
		o.ok(os.WriteFile(path, []byte(text), 0o600))
		o.ok(os.Chtimes(path, at, at))
	}
	put("Quét 1.PDF", "%PDF một", old)
	put("quét 2.tif", "II*", old.Add(time.Minute))
	put("dang-ghi.pdf", "%PD", time.Now())
	put("khac.docx", "PK", old)
	put("rong.pdf", "", old)
	put("ngoai", "bí mật", old)
	o.ok(os.Symlink(filepath.Join(o.dir, "office.db"), filepath.Join(dir, "lien-ket.pdf")))
	o.ok(os.Mkdir(filepath.Join(dir, "thu-muc.pdf"), 0o700))
	list, err := o.Scans()
	if err != nil || len(list) != 2 || list[0].Name != "quét 2.tif" || list[1].Name != "Quét 1.PDF" {
		t.Fatalf("%+v %v", list, err)
	}
	scan, body, err := o.OpenScan(list[1].ID)
	o.ok(err)
	text, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil || !bytes.Equal(text, []byte("%PDF một")) || scan.Size != int64(len(text)) {
		t.Errorf("%q %v", text, err)
	}
	for range 2 {
		put("Quét 1.PDF", "%PDF một", old)
		o.ok(o.ScanTaken(list[1].ID))
		o.ok(o.ScanTaken(list[1].ID))
	}
	for _, name := range []string{"Quét 1.PDF", "Quét 1-2.PDF"} {
		if text, err := os.ReadFile(filepath.Join(dir, SentFolder, name)); err != nil || string(text) != "%PDF một" {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	put("quét 2.tif", "II* khác", old.Add(time.Minute)) // another page under the name
	_, _, err = o.OpenScan(list[0].ID)
	o.wants(err, "compose.no-scan")
	o.ok(o.ScanTaken(list[0].ID))
	if _, err := os.Stat(filepath.Join(dir, "quét 2.tif")); err != nil {
		t.Errorf("a file that no document took was moved: %v", err)
	}
}
