package update

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"tram/agent/release"
	"tram/storage/fsx"
	"tram/storage/storagetest"
)

const (
	oldVersion = "1.4.0"
	newVersion = "1.5.0"
	dataDir    = "/data"
	dbFile     = "office.db"
)

// keys are those of a province.
type keys struct{ authority, software *ecdsa.PrivateKey }

func newKeys(t testing.TB) keys {
	t.Helper()
	make := func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	return keys{make(), make()}
}

func content(version string) []byte { return []byte("program of version " + version) }

// proof signs a release whose one program is content(version).
func (k keys) proof(t testing.TB, version string, serial uint64, change ...func(*release.Manifest)) release.Proof {
	t.Helper()
	v, err := release.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	body := content(version)
	m := release.Manifest{
		Version: v, Serial: serial, Channel: release.Stable, NotesVI: "Mới.", NotesEN: "New.", Created: time.Unix(1_800_000_000, 0).UTC(),
		Files: []release.File{{OS: "linux", Arch: "amd64", Size: int64(len(body)), SHA256: sha256.Sum256(body)}},
	}
	for _, c := range change {
		c(&m)
	}
	raw, err := release.Sign(m, k.software)
	if err != nil {
		t.Fatal(err)
	}
	w, err := release.SignWarrant(release.Warrant{Hub: "H01", Serial: 1, Key: &k.software.PublicKey}, k.authority)
	if err != nil {
		t.Fatal(err)
	}
	return release.Proof{Warrant: w, Release: raw}
}

func (k keys) offer(p release.Proof) Offer {
	return Offer{Proof: p, Authority: &k.authority.PublicKey, Open: func(m release.Manifest, _ release.File) (io.Reader, error) {
		return bytes.NewReader(content(m.Version.String())), nil
	}}
}

func open(d fsx.Disk, version, slot string) *Store {
	return New(Options{Dir: dataDir, Database: dbFile, Version: version, Slot: slot, Disk: d, OS: "linux", Arch: "amd64"})
}

func newDisk(t testing.TB) *storagetest.Disk {
	t.Helper()
	d := storagetest.NewDisk()
	if err := errors.Join(fsx.MkdirAll(d, dataDir, 0o700), fsx.WriteFileOn(d, dataDir+"/"+dbFile, []byte("1:"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return d
}

// fate is what a new version does.
type fate struct {
	migrates bool
	ends     string // "": it works; else where it fails: "closed", "open"
	quietly  bool   // it gives up by itself in the place of dying
}

// box is an office's machine whose power may go at any step on its disk.
type box struct {
	t     *testing.T
	disk  *storagetest.Disk
	keys  keys
	proof release.Proof
	fate  fate
	saved []string // documents of which somebody was told that they are saved
	next  int
}

var errDied, errPower = errors.New("program died"), errors.New("the power is gone")

func (b *box) db() string {
	f, err := b.disk.OpenFile(dataDir+"/"+dbFile, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	return string(raw)
}

func (b *box) write(content string) error {
	return fsx.WriteFileOn(b.disk, dataDir+"/"+dbFile, []byte(content), 0o600)
}

// save is a clerk's document.
func (b *box) save() error {
	b.next++
	doc := fmt.Sprintf("d%d;", b.next)
	if err := b.write(b.db() + doc); err != nil {
		return err
	}
	b.saved = append(b.saved, doc)
	return nil
}

// runOld is the installed program: it works, takes the release and makes room for it.
func (b *box) runOld(s *Store) error {
	db := b.db()
	if db == "" {
		return errPower
	}
	if !strings.HasPrefix(db, "1:") {
		b.t.Fatalf("the installed program runs on database %q of another version", db)
	}
	if err := b.save(); err != nil {
		return err
	}
	var no *Refusal
	if _, err := s.Take(b.keys.offer(b.proof)); err != nil && !errors.As(err, &no) {
		return err
	}
	begun, err := s.Begin(true)
	if begun && err == nil {
		return ErrRestart
	}
	return err
}

// runNew is the version on trial, or in use.
func (b *box) runNew(s *Store) error {
	_, trial := s.OnTrial()
	fail := func(why Reason) error {
		if !b.fate.quietly {
			return errDied
		}
		if back, err := s.GiveUp(why); err != nil || back {
			return errors.Join(err, ErrRestart)
		}
		return nil
	}
	if b.fate.migrates && strings.HasPrefix(b.db(), "1:") {
		if err := s.Migrating(); err != nil {
			return err
		}
		if err := b.write("2:" + strings.TrimPrefix(b.db(), "1:")); err != nil {
			return err
		}
	}
	if trial && b.fate.ends == "closed" {
		return fail(NoStore)
	}
	if err := s.Opening(); err != nil {
		return err
	}
	if err := b.save(); err != nil {
		return err
	}
	if trial && b.fate.ends == "open" {
		return fail(NoPages)
	}
	return s.Confirm()
}

// live starts what is to run until something rests, and says what. A start may meet a
// power cut: then the disk forgets what was not durable, and all begins anew. after
// is called after each.
func (b *box) live(r *mathrand.Rand, after func()) Start {
	for range 40 {
		start, err := open(b.disk, oldVersion, "").Next()
		if err == nil && start.Program == "" {
			err = b.runOld(open(b.disk, oldVersion, ""))
		} else if err == nil {
			raw, readErr := open(b.disk, oldVersion, "").read(start.Program, 1<<20)
			if readErr == nil && !bytes.Equal(raw, content(newVersion)) {
				b.t.Fatalf("started %q", raw)
			}
			err = b.runNew(open(b.disk, newVersion, start.Version))
		}
		if err == nil {
			b.disk.Fail(nil)
			return start
		}
		if !errors.Is(err, ErrRestart) && !errors.Is(err, errDied) {
			b.disk.Fail(nil)
			b.disk.Cut(r)
			after()
		}
	}
	b.t.Fatal("nothing comes to rest")
	return Start{}
}

// holds checks that what was saved is there (P1) and that it is what should run.
func (b *box) holds(what string, start Start) {
	b.t.Helper()
	db := b.db()
	for _, doc := range b.saved {
		if strings.Count(db, doc) != 1 {
			b.t.Fatalf("%s: document %s stands %d times in %q", what, doc, strings.Count(db, doc), db)
		}
	}
	stays := b.fate.ends == "" || b.fate.migrates && b.fate.ends == "open"
	if (start.Version == newVersion) != stays {
		b.t.Fatalf("%s: %+v runs at the end", what, start)
	}
	st, err := open(b.disk, oldVersion, "").State()
	if err != nil || st.Trial != nil || st.Restoring {
		b.t.Fatalf("%s: state %+v, %v", what, st, err)
	}
	if !stays && (len(st.Failed) != 1 || st.Failed[0].Version != newVersion) {
		b.t.Fatalf("%s: nobody knows that it was taken back: %+v", what, st)
	}
	if stuck := stays && b.fate.ends != ""; (st.Stuck != nil) != stuck {
		b.t.Fatalf("%s: stuck %+v", what, st.Stuck)
	}
}

func fates() (list []fate) {
	for _, migrates := range []bool{false, true} {
		list = append(list, fate{migrates: migrates})
		for _, ends := range []string{"closed", "open"} {
			for _, quietly := range []bool{false, true} {
				list = append(list, fate{migrates, ends, quietly})
			}
		}
	}
	return list
}

// TestP1_APowerCutAtAnyStepLeavesAWorkingProgram: the power goes at each step on the
// disk in turn, of every life that a new version can have. Afterwards what is to run
// runs, on the database that it understands, with every document that was saved.
func TestP1_APowerCutAtAnyStepLeavesAWorkingProgram(t *testing.T) {
	k := newKeys(t)
	p := k.proof(t, newVersion, 7)
	for _, f := range fates() {
		t.Run(fmt.Sprintf("%+v", f), func(t *testing.T) {
			t.Parallel()
			cuts := 0
			for step := 1; ; step++ {
				b := &box{t: t, disk: newDisk(t), keys: k, proof: p, fate: f}
				n, cut := 0, false
				b.disk.Fail(func(storagetest.Op, string) error {
					if n++; n >= step {
						cut = true
						return errors.New("no power")
					}
					return nil
				})
				r := mathrand.New(mathrand.NewPCG(uint64(step), 1))
				b.holds(fmt.Sprintf("cut at step %d", step), b.live(r, func() {}))
				if !cut {
					break
				}
				cuts++
			}
			if cuts < 40 {
				t.Fatalf("only %d cuts", cuts)
			}
		})
	}
}

// TestP1_TwoPowerCutsInOneUpdate: the second comes while the first is mended.
func TestP1_TwoPowerCutsInOneUpdate(t *testing.T) {
	k := newKeys(t)
	p := k.proof(t, newVersion, 7)
	list := fates()
	for seed := range uint64(200) {
		r := mathrand.New(mathrand.NewPCG(seed, 2))
		b := &box{t: t, disk: newDisk(t), keys: k, proof: p, fate: list[r.IntN(len(list))]}
		left := 2
		arm := func() {
			n, at := 0, 1+r.IntN(120)
			b.disk.Fail(func(storagetest.Op, string) error {
				if n++; n >= at {
					return errors.New("no power")
				}
				return nil
			})
		}
		arm()
		start := b.live(r, func() {
			if left--; left > 0 {
				arm()
			}
		})
		b.holds(fmt.Sprintf("seed %d, %+v", seed, b.fate), start)
	}
}
