package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// TestP1_P3_ARestoredOfficeHasWhatItHad deletes everything, and has it back by the
// recovery code alone.
func TestP1_P3_ARestoredOfficeHasWhatItHad(t *testing.T) {
	b := newBox(t, newProvince(t), code)
	b.saves("một", "hai")
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	m := b.backs(store)
	if !m.NewKey || m.Copied != 2 || m.Files != 2 || m.Read != 2 || m.Code != code || !m.At.Equal(b.now) {
		t.Errorf("made: %+v", m)
	}
	a, epoch := b.access(store), b.db.Epoch()
	b.db.Close()
	if err := os.RemoveAll(b.src.Dir); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(t.Context(), a, "", t.TempDir(), form); err != nil || r.Read != 2 {
		t.Errorf("verified: %+v, %v", r, err)
	}
	r, err := Restore(t.Context(), target(b.src.Dir), a, "")
	if err != nil || r.NewKeys || r.Backup != m.Backup {
		t.Fatalf("restored: %+v, %v", r, err)
	}
	holds(t, b.src.Dir, "một", "hai")
	id, err := identity.Load(b.src.Dir)
	if err != nil || !id.DeviceCert.Equal(b.id.DeviceCert) {
		t.Errorf("the keys: %v", err)
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(b.src.Dir, "office.db"), sqlite.Options{Schemas: form.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.Epoch() == epoch {
		t.Error("the store has the epoch of before: the hub does not offer again")
	}
	for name, want := range map[string]string{"tram.toml": "language = \"vi\"\n", "drafts/one/scan.pdf": "%PDF", "uploads/half": ""} {
		if got, _ := os.ReadFile(filepath.Join(b.src.Dir, name)); string(got) != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if k, err := LoadKey(b.src.Dir); err != nil || k.Code() != a.Code {
		t.Errorf("the restored office has another recovery code (error %v)", err)
	}
	for _, left := range []string{Unfinished, plainName} {
		if _, err := os.Stat(filepath.Join(b.src.Dir, left)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was left", left)
		}
	}
}

// TestP2_P7_AReplacedBoxKeepsItsOwnKeys and reads what was encrypted for the former ones.
func TestP2_P7_AReplacedBoxKeepsItsOwnKeys(t *testing.T) {
	p := newProvince(t)
	b := newBox(t, p, code)
	b.file("keys/seals/seals.json", "{}")
	b.saves("một")
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	b.backs(store)
	fresh := newBox(t, p, code)
	r, err := Restore(t.Context(), target(fresh.src.Dir), b.access(store), "")
	if err != nil || !r.NewKeys {
		t.Fatalf("restored: %+v, %v", r, err)
	}
	holds(t, fresh.src.Dir, "một")
	id, err := identity.Load(fresh.src.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if !id.DeviceCert.Equal(fresh.id.DeviceCert) || id.Age.String() != fresh.id.Age.String() {
		t.Error("the new box has the keys of the former one")
	}
	if len(id.FormerAge) != 1 || id.FormerAge[0].String() != b.id.Age.String() {
		t.Error("what was encrypted for the former box cannot be read")
	}
	if _, err := os.Stat(filepath.Join(fresh.src.Dir, "keys", "seals", "seals.json")); err != nil {
		t.Errorf("the seals of the office: %v", err)
	}
	other := newBox(t, p, "H40.15")
	if _, err := Restore(t.Context(), target(other.src.Dir), b.access(store), ""); problem.From(err).Code != "backup.other-office" {
		t.Errorf("a backup of another office: %v", err)
	}
	other.saves("hai")
	if _, err := Restore(t.Context(), target(other.src.Dir), b.access(store), ""); problem.From(err).Code != "backup.holds" {
		t.Errorf("over documents: %v", err)
	}
	holds(t, other.src.Dir, "hai")
}

// TestP6_ABackupShowsNothingInTheClear, not even which documents there are.
func TestP6_ABackupShowsNothingInTheClear(t *testing.T) {
	b := newBox(t, newProvince(t), code)
	b.saves("một")
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	b.backs(store)
	sum := b.hex("một")
	err := filepath.WalkDir(store.Place(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if !bytes.HasPrefix(data, []byte("age-encryption.org/v1\n")) || strings.Contains(path, sum) {
			t.Errorf("%s shows something", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	other := newTestKey(t)
	if _, err := Verify(t.Context(), Access{Store: store, Code: other.Code()}, "", t.TempDir(), form); problem.From(err).Code != "backup.other-code" {
		t.Errorf("with another code: %v", err)
	}
}

func (b *box) hex(name string) string {
	b.t.Helper()
	var sum [32]byte
	err := b.db.View(b.t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT sha256 FROM documents WHERE name = ?`, name).Scan(sqlite.Digest(&sum))
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return hexOf(sum[:])
}

// TestP4_P9_LaterBackupsCopyWhatIsNewAndOldOnesGo, and nothing that belongs to another.
func TestP4_P9_LaterBackupsCopyWhatIsNewAndOldOnesGo(t *testing.T) {
	p := newProvince(t)
	b, neighbour := newBox(t, p, code), newBox(t, p, "H40.15")
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	neighbour.saves("của bên cạnh")
	neighbour.backs(store)
	b.src.Policy = Policy{Days: 2}
	b.saves("một", "hai")
	b.backs(store)
	b.drops("một")
	b.saves("ba")
	b.now = b.now.Add(day)
	if m := b.backs(store); m.Copied != 1 || m.Removed != 0 || m.Files != 2 {
		t.Errorf("the second: %+v", m)
	}
	b.now = b.now.Add(day)
	if m := b.backs(store); m.Copied != 0 || m.Removed != 1 {
		t.Errorf("the third: %+v", m)
	}
	list, err := List(t.Context(), b.access(store))
	if err != nil || len(list) != 2 {
		t.Fatalf("listed: %+v, %v", list, err)
	}
	if n := count(t, store, newRepoOf(t, b, store).name+"/b"); n != 2 {
		t.Errorf("%d files of content, want those of hai and ba", n)
	}
	for _, r := range list {
		if _, err := Verify(t.Context(), b.access(store), r.Backup, t.TempDir(), form); err != nil {
			t.Errorf("%s: %v", r.Backup, err)
		}
	}
	if r, err := Verify(t.Context(), neighbour.access(store), "", t.TempDir(), form); err != nil || r.Files != 1 {
		t.Errorf("the neighbour's: %+v, %v", r, err)
	}
}

func newRepoOf(t *testing.T, b *box, s Store) repo {
	t.Helper()
	k, err := LoadKey(b.src.Dir)
	if err != nil {
		t.Fatal(err)
	}
	return newRepo(s, k, b.src.Code)
}

// TestADamagedBackupIsNamedAndRestoresNothing: every part, in each way that a stick spoils
// it.
func TestADamagedBackupIsNamedAndRestoresNothing(t *testing.T) {
	b := newBox(t, newProvince(t), code)
	b.saves("một")
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	m, a := b.backs(store), b.access(store)
	r := newRepoOf(t, b, store)
	parts := map[string]string{"key": r.keyName(), "index": r.at(indexFolder, m.Backup), "database": r.at(dataFolder, m.Backup+".db"), "files": r.at(dataFolder, m.Backup+".tar")}
	if err := store.List(t.Context(), r.at(contentFolder, ""), func(name string, _ int64) { parts["content"] = name }); err != nil {
		t.Fatal(err)
	}
	for part, name := range parts {
		path := filepath.Join(store.Place(), filepath.FromSlash(name))
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for how, spoil := range map[string]func() error{
			"changed": func() error {
				bad := bytes.Clone(good)
				bad[len(bad)-20] ^= 1
				return os.WriteFile(path, bad, 0o600)
			},
			"cut":  func() error { return os.Truncate(path, int64(len(good)-1)) },
			"gone": func() error { return os.Remove(path) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			want := "backup.spoilt"
			if how == "gone" && (part == "key" || part == "index") {
				want = "backup.nothing"
			}
			to := filepath.Join(t.TempDir(), "new")
			_, verified := Verify(t.Context(), a, "", t.TempDir(), form)
			_, restored := Restore(t.Context(), target(to), a, "")
			for does, err := range map[string]error{"verify": verified, "restore": restored} {
				if p := problem.From(err); p.Code != want || want == "backup.spoilt" && !strings.Contains(p.Message("vi"), filepath.Base(name)) {
					t.Errorf("%s %s: %s says %v", part, how, does, err)
				}
			}
			if identity.Exists(to) {
				t.Errorf("%s %s: an office was restored", part, how)
			}
			if err := os.WriteFile(path, good, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	to := filepath.Join(t.TempDir(), "new")
	if _, err := Restore(t.Context(), target(to), a, ""); err != nil {
		t.Errorf("put right again: %v", err)
	}
	holds(t, to, "một")
}

// failing is a store that is pulled out after some calls.
type failing struct {
	Store
	left atomic.Int64
}

func breaks(s Store, left int) *failing {
	f := &failing{Store: s}
	f.left.Store(int64(left))
	return f
}

var errPulled = errors.New("pulled out")

func (f *failing) spend() error {
	if f.left.Add(-1) < 0 {
		return errPulled
	}
	return nil
}

func (f *failing) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	if err := f.spend(); err != nil {
		return err
	}
	return f.Store.Put(ctx, name, func(w io.Writer) error {
		if err := write(w); err != nil {
			return err
		}
		return f.spend() // all was written, and the name is not there
	})
}

func (f *failing) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := f.spend(); err != nil {
		return nil, err
	}
	return f.Store.Open(ctx, name)
}

func (f *failing) Remove(ctx context.Context, name string) error {
	if err := f.spend(); err != nil {
		return err
	}
	return f.Store.Remove(ctx, name)
}

// TestP1_P4_AStickMayBePulledOutAtAnyStep, at backup, prune and restore: what is there
// holds, and the next attempt goes on.
func TestP1_P4_AStickMayBePulledOutAtAnyStep(t *testing.T) {
	b := newBox(t, newProvince(t), code)
	b.src.Policy = Policy{Days: 1}
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	b.saves("một", "hai", "ba")
	b.backs(store)
	b.drops("một")
	b.saves("bốn", "năm")
	b.now = b.now.Add(day)
	a := b.access(store)
	broken := 0
	for left := 0; ; left++ {
		_, err := Make(t.Context(), b.src, breaks(store, left))
		if _, err := Verify(t.Context(), a, "", t.TempDir(), form); err != nil {
			t.Fatalf("after %d calls: %v", left, err)
		}
		if err == nil {
			break
		}
		if broken++; !errors.Is(err, errPulled) {
			t.Fatalf("after %d calls: %v", left, err)
		}
	}
	if broken < 10 {
		t.Errorf("it was pulled out %d times only", broken)
	}
	if m := b.backs(store); m.Copied != 0 {
		t.Errorf("%d files were copied again", m.Copied)
	}
	to := filepath.Join(t.TempDir(), "new")
	resumed := 0
	for left := 1; ; left++ {
		a.Store = breaks(store, left)
		r, err := Restore(t.Context(), target(to), a, "")
		resumed = max(resumed, r.Resumed)
		if err == nil {
			break
		}
		if !errors.Is(err, errPulled) || identity.Exists(to) {
			t.Fatalf("after %d calls: %v", left, err)
		}
	}
	if resumed == 0 {
		t.Error("each attempt began from nothing")
	}
	holds(t, to, "hai", "ba", "bốn", "năm")
}

// TestP1_ARestoreThatWasCompleteIsFinishedLater cuts it between its renames. The office's
// program finishes it as well as another restore.
func TestP1_ARestoreThatWasCompleteIsFinishedLater(t *testing.T) {
	b := newBox(t, newProvince(t), code)
	b.saves("một")
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	b.backs(store)
	to := filepath.Join(t.TempDir(), "new")
	first, err := Restore(t.Context(), target(to), b.access(store), "")
	if err != nil {
		t.Fatal(err)
	}
	said, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	stage := filepath.Join(to, Unfinished)
	for n, moved := range [][]string{{"office.db"}, {"keys"}, {"office.db", "keys", "blobs"}, {}, {"keys"}} {
		if err := os.Mkdir(stage, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range moved {
			if err := os.Rename(filepath.Join(to, name), filepath.Join(stage, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(stage, commitFile), said, 0o600); err != nil {
			t.Fatal(err)
		}
		if n < 3 {
			err = Settle(to)
		} else {
			var again Restored
			if again, err = Restore(t.Context(), target(to), b.access(store), ""); again != first {
				t.Errorf("told is %+v, want %+v", again, first)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		holds(t, to, "một")
		if !identity.Exists(to) {
			t.Error("the keys are not there")
		}
	}
}

func TestP11_BackupsStayInOrderWhateverTheClock(t *testing.T) {
	b := newBox(t, newProvince(t), code)
	store := OpenFolder(filepath.Join(t.TempDir(), "stick"))
	first := b.backs(store)
	b.now = time.Date(1970, 1, 1, 0, 5, 0, 0, time.UTC)
	b.saves("một")
	second := b.backs(store)
	if second.Backup <= first.Backup || !second.At.Equal(b.now) {
		t.Errorf("after %s came %s of %v", first.Backup, second.Backup, second.At)
	}
	if r, err := Verify(t.Context(), b.access(store), "", t.TempDir(), form); err != nil || r.Files != 1 {
		t.Errorf("the newest: %+v, %v", r, err)
	}
}

func TestP9_WhichBackupsStay(t *testing.T) {
	var made []time.Time
	for d := range 800 { // daily, the newest first
		made = append(made, time.Date(2026, 11, 26, 20, 0, 0, 0, time.UTC).AddDate(0, 0, -d))
	}
	keep := DefaultPolicy.Keep(made)
	n, last := 0, 0
	for i, k := range keep {
		if k {
			n, last = n+1, i
		}
	}
	if n < 7+2+10 || n > 7+4+12 || last < 300 || last > 365 {
		t.Errorf("%d stay, the oldest of %v", n, made[last])
	}
	for i := range 7 {
		if !keep[i] {
			t.Errorf("the one of %v goes", made[i])
		}
	}
	if got := (Policy{}).Keep(made[:3]); !got[0] || got[1] {
		t.Errorf("without a policy %v stay", got)
	}
}

// FuzzIndex holds that an index that is read is one that was written.
func FuzzIndex(f *testing.F) {
	k, err := NewKey()
	if err != nil {
		f.Fatal(err)
	}
	good, err := index{record: record{Code: code}}.encode(k)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("tram-backup 2 00\n{}\n"))
	f.Add([]byte("tram-backup 1 00\n{}\n" + strings.Repeat("0", 64) + " 1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := decodeIndex(bytes.NewReader(data), k)
		if err != nil {
			return
		}
		again, err := x.encode(k)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q was read and is written as %q (error %v)", data, again, err)
		}
	})
}

// FuzzUnpack holds that no archive writes beside the folder.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte(strings.Repeat("x", 512)))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := unpack(bytes.NewReader(data), filepath.Join(dir, "in")); err == nil && len(data) == 0 {
			t.Error("an empty archive passes")
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 1 {
			t.Errorf("%d entries (error %v)", len(entries), err)
		}
	})
}
