package update

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"tram/agent/release"
	"tram/storage"
	"tram/storage/fsx"
	"tram/storage/storagetest"
)

func TestReleasesThatAreNotTaken(t *testing.T) {
	k, other := newKeys(t), newKeys(t)
	good := k.proof(t, newVersion, 7)
	for name, c := range map[string]struct {
		offer Offer
		here  string
		want  Reason
	}{
		"another province":   {offer: Offer{Proof: other.proof(t, newVersion, 7), Authority: &k.authority.PublicKey}, want: Unsigned},
		"another key":        {offer: k.offer(release.Proof{Warrant: good.Warrant, Release: other.proof(t, newVersion, 7).Release}), want: Unsigned},
		"older":              {offer: k.offer(k.proof(t, "1.3.0", 8)), want: Reason(release.Older)},
		"replayed roll-back": {offer: k.offer(k.proof(t, "1.3.0", 5, func(m *release.Manifest) { m.RollBack = true })), want: Reason(release.Replayed)},
		"too far":            {offer: k.offer(k.proof(t, newVersion, 8, func(m *release.Manifest) { m.After.Major, m.After.Minor = 1, 4; m.After.Patch = 1 })), want: Reason(release.TooFar)},
		"no program":         {offer: k.offer(k.proof(t, newVersion, 8, func(m *release.Manifest) { m.Files[0].Arch = "riscv64" })), want: Reason(release.NoProgram)},
		"another program than said": {offer: Offer{Proof: k.proof(t, newVersion, 8), Authority: &k.authority.PublicKey, Open: func(release.Manifest, release.File) (io.Reader, error) {
			return strings.NewReader("something else"), nil
		}}, want: Damaged},
	} {
		d := newDisk(t)
		s := open(d, oldVersion, "")
		if err := s.saveIn(State{Serial: 6, Warrant: 1}); err != nil {
			t.Fatal(err)
		}
		_, err := s.Take(c.offer)
		var no *Refusal
		if !errors.As(err, &no) || no.Reason != c.want {
			t.Errorf("%s: %v", name, err)
		}
		st, err := s.State()
		if err != nil || st.Ready != nil || st.Refused == nil || st.Refused.Reason != c.want {
			t.Errorf("%s: %+v %v", name, st, err)
		}
		for _, f := range d.Files() {
			if strings.Contains(f, "/tram") {
				t.Errorf("%s left %s", name, f)
			}
		}
	}
}

func TestAKeyThatWasReplacedSignsNothingMore(t *testing.T) {
	k := newKeys(t)
	s := open(newDisk(t), oldVersion, "")
	if err := s.saveIn(State{Warrant: 2}); err != nil {
		t.Fatal(err)
	}
	var no *Refusal
	if _, err := s.Take(k.offer(k.proof(t, newVersion, 7))); !errors.As(err, &no) || no.Reason != Unsigned {
		t.Fatalf("%v", err)
	}
}

func TestTakingTwiceTakesOnce(t *testing.T) {
	k := newKeys(t)
	d := newDisk(t)
	s := open(d, oldVersion, "")
	for range 2 {
		if _, err := s.Take(k.offer(k.proof(t, newVersion, 7))); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Take(k.offer(k.proof(t, oldVersion, 9))); err != nil { // the one that runs
		t.Fatal(err)
	}
	st, err := s.State()
	if err != nil || st.Ready != nil || st.Serial != 9 {
		t.Fatalf("%+v %v", st, err)
	}
}

func TestNoRoomLeavesNothingHalf(t *testing.T) {
	k := newKeys(t)
	d := newDisk(t)
	d.SetCapacity(20)
	if _, err := open(d, oldVersion, "").Take(k.offer(k.proof(t, newVersion, 7))); !errors.Is(err, storage.ErrFull) {
		t.Fatalf("%v", err)
	}
	if files := d.Files(); !slices.Equal(files, []string{dataDir + "/" + dbFile}) {
		t.Fatalf("left %v", files)
	}
}

func TestWithoutRoomForTheCopyTheNewVersionWaits(t *testing.T) {
	b := &box{t: t, disk: newDisk(t), keys: newKeys(t)}
	b.proof = b.keys.proof(t, newVersion, 7)
	s := open(b.disk, oldVersion, "")
	if err := b.runOld(s); !errors.Is(err, ErrRestart) {
		t.Fatal(err)
	}
	b.disk.Fail(func(op storagetest.Op, name string) error {
		if op == storagetest.OpWrite && strings.Contains(name, copyDir) {
			return storagetest.ErrNoSpace
		}
		return nil
	})
	start, err := s.Next()
	if err != nil || start.Program != "" {
		t.Fatalf("%+v %v", start, err)
	}
	if st, err := s.State(); err != nil || st.Ready == nil || st.Ready.Postponed != 1 || st.Trial != nil {
		t.Fatalf("%+v %v", st, err)
	}
}

func TestADamagedSlotGivesWayToTheOneBefore(t *testing.T) {
	b := &box{t: t, disk: newDisk(t), keys: newKeys(t)}
	b.proof = b.keys.proof(t, newVersion, 7)
	if start := b.live(nil, func() {}); start.Version != newVersion {
		t.Fatalf("%+v", start)
	}
	s := open(b.disk, oldVersion, "")
	if err := fsx.WriteFileOn(b.disk, s.program(newVersion), []byte("worn"), 0o700); err != nil {
		t.Fatal(err)
	}
	if start, err := s.Next(); err != nil || start.Program != "" {
		t.Fatalf("%+v %v", start, err)
	}
	if st, err := s.State(); err != nil || len(st.Failed) != 1 || st.Failed[0].Reason != Damaged {
		t.Fatalf("%+v %v", st, err)
	}
}

func TestANewerInstalledProgramGoesBeforeTheSlots(t *testing.T) {
	for installed, slot := range map[string]string{oldVersion: newVersion, "1.5.0": "", "1.6.0": "", "1.4.1": newVersion, "dev": newVersion} {
		b := &box{t: t, disk: newDisk(t), keys: newKeys(t)}
		b.proof = b.keys.proof(t, newVersion, 7)
		b.live(nil, func() {})
		start, err := open(b.disk, installed, "").Next()
		if err != nil || start.Version != slot {
			t.Errorf("installed %s: %+v %v", installed, start, err)
		}
	}
}

func TestAStopInGoodOrderIsNoSignAgainstAVersion(t *testing.T) {
	b := &box{t: t, disk: newDisk(t), keys: newKeys(t)}
	b.proof = b.keys.proof(t, newVersion, 7)
	if err := b.runOld(open(b.disk, oldVersion, "")); !errors.Is(err, ErrRestart) {
		t.Fatal(err)
	}
	for range MaxStarts + 2 {
		start, err := open(b.disk, oldVersion, "").Next()
		if err != nil || !start.Trial {
			t.Fatalf("%+v %v", start, err)
		}
		if err := open(b.disk, newVersion, newVersion).Stopped(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestP1_ADatabaseThatIsBeingPutBackIsPutBackFirst: whatever else the state says.
func TestP1_ADatabaseThatIsBeingPutBackIsPutBackFirst(t *testing.T) {
	b := &box{t: t, disk: newDisk(t), keys: newKeys(t)}
	b.proof = b.keys.proof(t, newVersion, 7)
	if err := b.runOld(open(b.disk, oldVersion, "")); !errors.Is(err, ErrRestart) {
		t.Fatal(err)
	}
	s := open(b.disk, oldVersion, "")
	if start, err := s.Next(); err != nil || !start.Trial {
		t.Fatalf("%+v %v", start, err)
	}
	before := b.db()
	if err := errors.Join(b.write("2:half"), fsx.WriteFileOn(b.disk, dataDir+"/"+dbFile+"-wal", []byte("of another"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.change(func(st *State) bool {
		st.Restoring, st.Trial.Migrates, st.Trial.Over = true, true, NoStore
		return true
	}); err != nil {
		t.Fatal(err)
	}
	b.disk.Fail(func(op storagetest.Op, name string) error {
		if op == storagetest.OpWrite {
			return storagetest.ErrNoSpace
		}
		return nil
	})
	if start, err := s.Next(); err == nil {
		t.Fatalf("%+v starts on a database that is half put back", start)
	}
	b.disk.Fail(nil)
	start, err := s.Next()
	if err != nil || start.Program != "" || b.db() != before || slices.Contains(b.disk.Files(), dataDir+"/"+dbFile+"-wal") {
		t.Fatalf("%+v %v, database %q, files %v", start, err, b.db(), b.disk.Files())
	}
}
