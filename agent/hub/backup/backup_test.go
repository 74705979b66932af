package backup

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/keystore"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/storage/storagetest"
)

const passphrase = "một mật khẩu dài để thử"

var (
	schemas = []sqlite.Schema{queue.Schema, audit.Schema, registry.Schema, ca.Schema}
	form    = Form{Schemas: schemas, Content: []string{InQueue}}
)

// hub is a hub with content in custody.
type hub struct {
	t     *testing.T
	src   Source
	db    *sqlite.DB
	blobs *blob.Store
	queue *queue.Queue
	into  string
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{t: t, into: filepath.Join(t.TempDir(), "backup")}
	dir := filepath.Join(t.TempDir(), "hub")
	authority, err := ca.Init(dir, ca.Options{Code: "H40", Name: "UBND tỉnh", Hosts: []string{"127.0.0.1"}, Enroll: []string{"127.0.0.1:1"}, MQTT: []string{"127.0.0.1:2"}})
	if err != nil {
		t.Fatal(err)
	}
	authority.WorkFactor = 10
	h.src = Source{Dir: dir, DB: filepath.Join(dir, "hub.db"), Blobs: filepath.Join(dir, "blobs"), CA: authority, Form: form}
	if h.db, err = sqlitetest.Open(t.Context(), h.src.DB, sqlite.Options{Schemas: schemas}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.db.Close() })
	if h.blobs, err = blob.Open(h.src.Blobs, blob.Options{MinFree: -1}); err != nil {
		t.Fatal(err)
	}
	h.queue = queue.New(h.db, h.blobs, queue.Options{})
	if h.src.Registry, err = registry.New(h.db, authority.Authority.Cert.PublicKey, registry.Options{}); err != nil {
		t.Fatal(err)
	}
	err = h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := authority.Register(tx, h.src.Registry)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// holds takes a bundle into custody, for an office that is away.
func (h *hub) holds(seed uint64, sizes ...int) storagetest.Sample {
	h.t.Helper()
	s := storagetest.NewSample(seed, 0, sizes...)
	var contents []blob.Content
	for i, data := range s.Contents {
		c, err := h.blobs.Stage(h.t.Context(), bytes.NewReader(data), 0)
		if err != nil {
			h.t.Fatal(err)
		}
		s.Objects[i].SHA256 = c.SHA256
		contents = append(contents, c)
	}
	err := h.db.Update(h.t.Context(), func(tx *sqlite.Tx) error {
		return h.queue.Put(tx, s.Bundle, contents, []queue.Target{{Peer: "H40.12", Hold: true}})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func (h *hub) ends(s storagetest.Sample) {
	h.t.Helper()
	err := h.db.Update(h.t.Context(), func(tx *sqlite.Tx) error { return h.queue.End(tx, s.ID) })
	if err == nil {
		_, _, err = h.blobs.Sweep(h.t.Context(), func([32]byte) (bool, error) { return false, nil }, time.Now().Add(time.Hour))
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *hub) saves(keep int) Made {
	h.t.Helper()
	m, err := Make(h.t.Context(), h.src, h.into, passphrase, keep)
	if err != nil {
		h.t.Fatal(err)
	}
	return m
}

func (h *hub) target() Target {
	return Target{Dir: filepath.Join(h.t.TempDir(), "new"), DB: "hub.db", Blobs: "blobs", Form: form}
}

// TestP1_P3_ARestoredHubHasWhatWasInCustody, to the byte, under another epoch.
func TestP1_P3_ARestoredHubHasWhatWasInCustody(t *testing.T) {
	h := newHub(t)
	s := h.holds(1, 100, 300_000, 5_000_000)
	h.holds(2, 40_000)
	m := h.saves(DefaultKeep)
	if m.Code != "H40" || m.Files != 3 || m.Bytes != 5_340_000 || m.Copied != 3 || m.Database == 0 {
		t.Errorf("it says %+v", m)
	}
	if found, err := Verify(t.Context(), h.into, "", passphrase, form); err != nil || found.Snapshot != m.Snapshot || found.Files != 3 || found.Code != "H40" {
		t.Errorf("verified: %+v, %v", found, err)
	}
	to := h.target()
	r, err := Restore(t.Context(), to, h.into, "", passphrase)
	if err != nil || r.Code != "H40" || r.Files != 3 {
		t.Fatalf("restored: %+v, %v", r, err)
	}
	c, err := ca.Load(to.Dir)
	if err != nil || !c.Restored() || c.Code != "H40" {
		t.Errorf("the hub's keys: %v", err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(to.Dir, to.DB), sqlite.Options{Schemas: schemas})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.Epoch() == h.db.Epoch() {
		t.Error("the store has the epoch of before: nobody offers again what came after the backup")
	}
	blobs, err := blob.Open(filepath.Join(to.Dir, to.Blobs), blob.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	q := queue.New(db, blobs, queue.Options{})
	list, err := q.Outgoing(t.Context(), "H40.12", storage.ID{}, 10)
	if err != nil || len(list) != 2 {
		t.Fatalf("%d bundles are on their way (error %v)", len(list), err)
	}
	for i, want := range s.Contents {
		got := make([]byte, len(want))
		if _, err := q.ReadObject(t.Context(), s.ID, i, got, 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("object %d is not what it was (error %v)", i, err)
		}
	}
	if report, err := audit.Verify(t.Context(), db); err != nil {
		t.Errorf("audit log: %+v, %v", report, err)
	}
	if left, err := filepath.Glob(filepath.Join(to.Dir, "*.new*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestP6_ABackupShowsNothingInTheClear but what offices have encrypted themselves.
func TestP6_ABackupShowsNothingInTheClear(t *testing.T) {
	h := newHub(t)
	h.holds(1, 40_000)
	m := h.saves(DefaultKeep)
	for _, name := range []string{keysFile, databaseFile} {
		data, err := os.ReadFile(filepath.Join(h.into, m.Snapshot, name))
		if err != nil || !bytes.HasPrefix(data, []byte("age-encryption.org/v1")) {
			t.Errorf("%s is not encrypted (error %v)", name, err)
		}
	}
	err := filepath.WalkDir(h.into, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, []byte("SQLite format")) || bytes.Contains(data, []byte("PRIVATE KEY")) || bytes.Contains(data, []byte("000.01.01.H40")) {
			t.Errorf("%s shows something", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(h.src.plainFile() + "*"); err != nil || len(left) > 0 {
		t.Errorf("left in the clear: %v", left)
	}
	if _, err := Verify(t.Context(), h.into, "", "một mật khẩu khác", form); problem.From(err).Code != "backup.passphrase" {
		t.Errorf("with another passphrase: %v", err)
	}
}

// TestP9_LaterBackupsCopyWhatIsNewAndOldOnesGo with the content that they alone need.
func TestP9_LaterBackupsCopyWhatIsNewAndOldOnesGo(t *testing.T) {
	h := newHub(t)
	first, second := h.holds(1, 50_000), h.holds(2, 60_000)
	h.saves(2)
	h.ends(first)
	third := h.holds(3, 70_000)
	if m := h.saves(2); m.Files != 2 || m.Copied != 1 || m.Removed != 0 {
		t.Errorf("the second: %+v", m)
	}
	if m := h.saves(2); m.Files != 2 || m.Copied != 0 || m.Removed != 1 {
		t.Errorf("the third: %+v", m)
	}
	// Content that this process has copied stays a while: as the next one finds it.
	kept, err := blob.Open(filepath.Join(h.into, blobFolder), blob.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tidy(t.Context(), h.into, kept, 2); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s    storagetest.Sample
		want bool
	}{"of a snapshot that went": {first, false}, "of both": {second, true}, "of the newest": {third, true}} {
		if got := kept.Has(c.s.Objects[0].SHA256, c.s.Objects[0].Size); got != c.want {
			t.Errorf("content %s is there: %v", name, got)
		}
	}
	if names, err := Snapshots(h.into); err != nil || len(names) != 2 {
		t.Errorf("snapshots: %v (error %v)", names, err)
	}
}

// damage changes one byte, or cuts a file, or removes it.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestADamagedBackupRestoresNothing: the data folder stays free for another one.
func TestADamagedBackupRestoresNothing(t *testing.T) {
	h := newHub(t)
	s := h.holds(1, 50_000)
	m := h.saves(DefaultKeep)
	good := map[string][]byte{}
	snapshot := filepath.Join(h.into, m.Snapshot)
	kept, err := blob.Open(filepath.Join(h.into, blobFolder), blob.Options{MinFree: -1})
	if err != nil || !kept.Has(s.Objects[0].SHA256, s.Objects[0].Size) {
		t.Fatal("the content is not there")
	}
	var content string
	err = filepath.WalkDir(filepath.Join(h.into, blobFolder), func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			content = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"keys": filepath.Join(snapshot, keysFile), "database": filepath.Join(snapshot, databaseFile), "list": filepath.Join(snapshot, listFile), "content": content}
	for name, path := range files {
		if good[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	to := h.target()
	for name, path := range files {
		for how, spoil := range map[string]func(){
			"changed": func() { damage(t, path) },
			"cut":     func() { os.Truncate(path, int64(len(good[name])-1)) },
			"gone":    func() { os.Remove(path) },
		} {
			spoil()
			if _, err := Verify(t.Context(), h.into, m.Snapshot, passphrase, form); problem.From(err).Code != "backup.damaged" {
				t.Errorf("%s %s: verified with %v", name, how, err)
			}
			if _, err := Restore(t.Context(), to, h.into, m.Snapshot, passphrase); problem.From(err).Code != "backup.damaged" {
				t.Errorf("%s %s: restored with %v", name, how, err)
			}
			if entries, _ := os.ReadDir(to.Dir); len(entries) > 0 {
				t.Errorf("%s %s: %s was left", name, how, entries[0].Name())
			}
			if err := os.WriteFile(path, good[name], 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := Restore(t.Context(), to, h.into, "", passphrase); err != nil {
		t.Errorf("put right again: %v", err)
	}
	if _, err := Restore(t.Context(), to, h.into, "", passphrase); problem.From(err).Code != "backup.not-empty" {
		t.Errorf("over another hub: %v", err)
	}
}

func TestBackupsThatCannotBe(t *testing.T) {
	h := newHub(t)
	h.holds(1, 50_000)
	if _, err := Verify(t.Context(), h.into, "", passphrase, form); problem.From(err).Code != "backup.none" {
		t.Errorf("no folder: %v", err)
	}
	h.saves(DefaultKeep)
	for _, at := range []string{"20200101T000000Z", "../hub", ".new"} {
		if _, err := Restore(t.Context(), h.target(), h.into, at, passphrase); problem.From(err).Code != "backup.no-snapshot" {
			t.Errorf("snapshot %q: %v", at, err)
		}
	}
	unlock, err := keystore.Lock(h.into)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), h.src, h.into, passphrase, 1); problem.From(err).Code != "backup.busy" {
		t.Errorf("two at a time: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), h.src, h.into, "ngắn", 1); problem.From(err).Code != "backup.passphrase-short" {
		t.Errorf("a short passphrase: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Make(ctx, h.src, h.into, passphrase, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %v", err)
	}
	if err := os.RemoveAll(h.src.Blobs); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(h.into, blobFolder)); err != nil {
		t.Fatal(err)
	}
	if _, err := Make(t.Context(), h.src, h.into, passphrase, 1); problem.From(err).Code != "backup.moving" {
		t.Errorf("content that is gone: %v", err)
	}
	if names, err := Snapshots(h.into); err != nil || len(names) != 1 {
		t.Errorf("what failed has left or removed a snapshot: %v (error %v)", names, err)
	}
}
