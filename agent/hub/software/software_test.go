package software

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/agent/release"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
	"tram/sync/bundle"
)

func TestTheNextRingOpensOnlyWhenTheLastIsWell(t *testing.T) {
	for name, c := range map[string]struct {
		count release.Count
		most  int
		want  Hold
	}{
		"nobody":                   {release.Count{}, 5, Go},
		"nobody has it yet":        {release.Count{Offices: 20}, 5, Wait},
		"nearly all":               {release.Count{Offices: 20, Done: 18}, 5, Wait},
		"as many as must":          {release.Count{Offices: 20, Done: 19}, 5, Go},
		"one of twenty failed":     {release.Count{Offices: 20, Done: 18, Failed: 1}, 5, Go},
		"two of twenty failed":     {release.Count{Offices: 20, Done: 18, Failed: 2}, 5, Failing},
		"one failed, one silent":   {release.Count{Offices: 20, Failed: 1, Silent: 1}, 5, Failing},
		"nothing may fail":         {release.Count{Offices: 200, Done: 199, Failed: 1}, 0, Failing},
		"whatever comes":           {release.Count{Offices: 20, Failed: 20}, 100, Go},
		"fails before many had it": {release.Count{Offices: 100, Done: 1, Failed: 6}, 5, Failing},
	} {
		if got := Judge(c.count, c.most); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestRingsAreDrawnFromTheCode(t *testing.T) {
	p := release.Plan{Named: []string{"H40.7"}, Percent: 10, Ring: release.RingShare}
	if Ring(p, "h40.7") != release.RingNamed || !Member(p, "H40.7") {
		t.Error("a named office is not in ring 0")
	}
	n := 0
	for i := range 4000 {
		code := fmt.Sprintf("H%d.%d", i%40, i)
		if Ring(p, code) == release.RingShare {
			n++
		}
		more := p
		more.Percent = 30
		if Ring(p, code) <= release.RingShare && Ring(more, code) > release.RingShare {
			t.Fatalf("%s leaves the ring when its share grows", code)
		}
	}
	if n < 320 || n > 480 {
		t.Errorf("%d of 4000 in a share of 10 %%", n)
	}
	p.Stopped = true
	if Member(p, "H40.7") {
		t.Error("a stopped release has members")
	}
}

// fixture is a hub's releases with offices that say what they run.
type fixture struct {
	*Software
	t    *testing.T
	now  time.Time
	post *post

	serial uint64 // of the last release: 1, 2, … here
}

// post is a carrier that remembers.
type post struct {
	sent  []string // office, its bundle's objects
	waits map[string]storage.ID
}

func (p *post) Send(_ *sqlite.Tx, peers []string, key bundle.Key, objects []bundle.Object, contents []blob.Content) (storage.ID, []string, error) {
	id := uuid.New()
	var roles []string
	for i, o := range objects {
		roles = append(roles, o.Role.String())
		if contents[i].SHA256 != o.SHA256 || o.Size == 0 {
			return id, nil, errors.New("content is not the object's")
		}
	}
	for _, peer := range peers {
		p.sent = append(p.sent, peer+" "+strings.Join(roles, "+"))
		p.waits[peer] = id
	}
	return id, peers, nil
}

func (p *post) Waits(_ *sqlite.Tx, id storage.ID, peer string) (bool, error) {
	return p.waits[peer] == id, nil
}

func (p *post) Withdraw(_ *sqlite.Tx, id storage.ID, peer string) error {
	p.sent = append(p.sent, peer+" withdrawn")
	delete(p.waits, peer)
	return nil
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, now: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), post: &post{waits: map[string]storage.ID{}}}
	dir := t.TempDir()
	db, err := sqlitetest.Open(t.Context(), filepath.Join(dir, "hub.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: func() time.Time { return f.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.Software = New(Options{DB: db, Blobs: blobs, Code: "H40", Authority: key, Now: func() time.Time { return f.now }})
	if err := f.TrustOwn(t.Context(), &key.PublicKey); err != nil {
		t.Fatal(err)
	}
	return f
}

// add makes a release for two platforms.
func (f *fixture) add(version string, change ...func(*release.Manifest)) error {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	v, err := release.ParseVersion(version)
	if err != nil {
		f.t.Fatal(err)
	}
	program := []byte("program " + version)
	m := release.Manifest{Version: v, Channel: release.Stable, Created: f.now, Files: []release.File{
		{OS: "linux", Arch: "amd64", Size: int64(len(program)), SHA256: sha256.Sum256(program)},
		{OS: "linux", Arch: "arm64", Size: int64(len(program)), SHA256: sha256.Sum256(program)},
	}}
	next, err := f.NextSerial(f.t.Context())
	if err != nil || next < uint64(f.now.Unix()) || next <= f.serial {
		f.t.Fatalf("serial %d after %d, %v", next, f.serial, err)
	}
	f.serial++
	m.Serial = f.serial
	for _, c := range change {
		c(&m)
	}
	signed, err := release.Sign(m, key)
	if err != nil {
		f.t.Fatal(err)
	}
	k, err := f.Keep(m, signed, func(int) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(program)), nil })
	if err == nil {
		_, err = f.Add(f.t.Context(), k, "test")
	}
	return err
}

// told has an office say what it runs.
func (f *fixture) told(code string, t release.Told) {
	f.t.Helper()
	f.now = f.now.Add(time.Second)
	if t.OS == "" {
		t.OS, t.Arch = "linux", "amd64"
	}
	raw, err := t.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	delete(f.post.waits, code)
	card := registry.Card{Code: code}
	if len(t.Below) > 0 || strings.HasPrefix(code, "G") {
		card.Kind, card.Authority = "hub", &f.o.Authority.PublicKey
	}
	if err := f.o.DB.Update(f.t.Context(), func(tx *sqlite.Tx) error { return f.Heard(tx, card, f.now, raw) }); err != nil {
		f.t.Fatal(err)
	}
}

// goes publishes and says what went out since.
func (f *fixture) goes(want ...string) {
	f.t.Helper()
	f.post.sent = nil
	for more := true; more; {
		var err error
		if more, err = f.Publish(context.Background(), f.post); err != nil {
			f.t.Fatal(err)
		}
	}
	slices.Sort(f.post.sent)
	if !slices.Equal(f.post.sent, want) {
		f.t.Fatalf("went out: %q, want %q", f.post.sent, want)
	}
}

func (f *fixture) stage(q Stage) {
	f.t.Helper()
	if _, err := f.Stage(f.t.Context(), q, "test"); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) stands(version string, want Standing) {
	f.t.Helper()
	if r, err := f.Show(f.t.Context(), version); err != nil || r.Standing != want {
		f.t.Fatalf("%s stands %s, %v; want %s: %+v", version, r.Standing, err, want, r.Rings)
	}
}

func TestAReleaseIsPausedHeldAndGoesOn(t *testing.T) {
	f := newFixture(t)
	if err := f.add("1.5.0"); err != nil {
		t.Fatal(err)
	}
	f.goes()
	f.told("A", release.Told{Version: "1.4.0"})
	f.told("B", release.Told{Version: "1.4.0", OS: "linux", Arch: "arm64"})
	f.told("C", release.Told{Version: "1.4.0", OS: "windows", Arch: "386"}) // there is no program for it
	f.goes()
	f.stands("1.5.0", Added)
	f.stage(Stage{Version: "1.5.0", Ring: release.RingAll, Offices: []string{"A"}, Percent: 1, Most: 10})
	f.goes("A release+program")
	f.goes() // once
	if _, err := f.Pause(t.Context(), "1.5.0", "test", true); err != nil {
		t.Fatal(err)
	}
	f.goes("A withdrawn")
	f.stands("1.5.0", Paused)
	if _, err := f.Pause(t.Context(), "1.5.0", "test", false); err != nil {
		t.Fatal(err)
	}
	f.goes("A release+program")
	f.told("A", release.Told{Version: "1.4.0", Failed: []release.Failure{{Version: "1.5.0", Serial: 1, Reason: "dies"}}})
	f.goes()
	f.stands("1.5.0", Held)
	f.stage(Stage{Version: "1.5.0", Ring: release.RingAll, Most: 100}) // the operator says so
	f.goes("B release+program")
	f.told("B", release.Told{Version: "1.5.0", Serial: 1})
	f.goes()
	if err := f.add("1.5.1"); err != nil {
		t.Fatal(err)
	}
	f.stage(Stage{Version: "1.5.1", Ring: release.RingNamed, Offices: []string{"A", "B"}, Most: -1})
	f.goes("A release+program", "B release+program")
	if _, err := f.Withdraw(t.Context(), "1.5.1", "test"); err != nil {
		t.Fatal(err)
	}
	f.goes("A withdrawn", "B withdrawn")
	f.stands("1.5.1", Withdrawn)
}

func TestWhoIsSilentHoldsUpTheNextRing(t *testing.T) {
	f := newFixture(t)
	if err := f.add("1.5.0"); err != nil {
		t.Fatal(err)
	}
	f.told("A", release.Told{Version: "1.4.0"})
	f.told("B", release.Told{Version: "1.4.0"})
	f.stage(Stage{Version: "1.5.0", Ring: release.RingAll, Offices: []string{"A"}, Percent: 1, Most: 0})
	f.goes("A release+program")
	f.stands("1.5.0", Rolling)
	f.now = f.now.Add(Silence + time.Minute)
	f.goes()
	f.stands("1.5.0", Held)
	f.told("A", release.Told{Version: "1.5.0", Serial: 1})
	f.goes("B release+program")
}

func TestAHubBelowGetsProgramsOnceAndEachPlan(t *testing.T) {
	f := newFixture(t)
	if err := f.add("1.5.0"); err != nil {
		t.Fatal(err)
	}
	f.told("G1", release.Told{Version: "1.0.0"})
	f.told("A", release.Told{Version: "1.4.0"})
	f.stage(Stage{Version: "1.5.0", Ring: release.RingAll, Offices: []string{"A"}, Percent: 50, Most: 20})
	f.goes("A release+program", "G1 release+program+program+plan")
	f.told("A", release.Told{Version: "1.5.0", Serial: 1})
	f.goes() // the hub below has not said how many it is for
	f.told("G1", release.Told{Version: "1.0.0", Serial: 1, Below: []release.Count{{Serial: 1, Ring: 1, Offices: 4}}})
	f.goes("G1 release+plan") // ring 1 is open
	f.told("G1", release.Told{Version: "1.0.0", Serial: 1, Below: []release.Count{{Serial: 1, Ring: 1, Offices: 4, Done: 2, Failed: 2}}})
	f.goes()
	f.stands("1.5.0", Held)
	if _, err := f.Pause(t.Context(), "1.5.0", "test", true); err != nil {
		t.Fatal(err)
	}
	f.goes("G1 release+plan")
}

func TestARollBackGoesToWhoRunsTheHigherVersion(t *testing.T) {
	f := newFixture(t)
	if err := errors.Join(f.add("1.5.0"), f.add("1.4.9", func(m *release.Manifest) { m.RollBack = true })); err != nil {
		t.Fatal(err)
	}
	f.told("A", release.Told{Version: "1.5.0", Serial: 1})
	f.told("B", release.Told{Version: "1.6.0"}) // installed by hand
	f.stage(Stage{Version: "1.5.0", Ring: release.RingAll, Most: -1})
	f.goes()
	f.stage(Stage{Version: "1.4.9", Ring: release.RingAll, Most: 100})
	f.goes("A release+program", "B release+program")
}

func TestWhatMayNotBeStaged(t *testing.T) {
	f := newFixture(t)
	if err := errors.Join(f.add("1.5.0"), f.add("1.6.0-rc.1", func(m *release.Manifest) { m.Channel = release.Trial })); err != nil {
		t.Fatal(err)
	}
	if err := f.add("1.5.0"); problem.From(err).Code != "software.version-taken" {
		t.Errorf("a version with other content: %v", err)
	}
	for code, q := range map[string]Stage{
		"software.trial":   {Version: "1.6.0-rc.1", Ring: release.RingShare, Most: -1},
		"software.none":    {Version: "9.9.9", Most: -1},
		"software.ring":    {Version: "1.5.0", Ring: 3, Most: -1},
		"software.percent": {Version: "1.5.0", Percent: 101, Most: -1},
		"software.named":   {Version: "1.5.0", Offices: make([]string, release.MaxNamed+1), Most: -1},
	} {
		if _, err := f.Stage(t.Context(), q, "test"); problem.From(err).Code != code {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestP6_AProgramThatIsNotTheSignedOneIsNotKept(t *testing.T) {
	f := newFixture(t)
	v, _ := release.ParseVersion("1.5.0")
	m := release.Manifest{Version: v, Files: []release.File{{OS: "linux", Arch: "amd64", Size: 3, SHA256: sha256.Sum256([]byte("abc"))}}}
	for _, body := range []string{"abd", "ab", "abcd"} {
		if _, err := f.Keep(m, nil, func(int) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }); !errors.Is(err, release.ErrProgram) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestWhatWasSaidEarlierDoesNotCountLater(t *testing.T) {
	f := newFixture(t)
	f.told("A", release.Told{Version: "1.5.0", Serial: 3})
	raw, err := release.Told{Version: "1.4.0", OS: "linux", Arch: "amd64"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	early := f.now.Add(-time.Hour)
	if err := f.o.DB.Update(t.Context(), func(tx *sqlite.Tx) error { return f.Heard(tx, registry.Card{Code: "A"}, early, raw) }); err != nil {
		t.Fatal(err)
	}
	list, err := f.Offices(t.Context())
	if err != nil || len(list) != 1 || list[0].Version != "1.5.0" {
		t.Fatalf("%+v %v", list, err)
	}
}

func TestEachOfficeSaysHowFarItIs(t *testing.T) {
	f := newFixture(t)
	if err := f.add("1.5.0"); err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{"H40.1", "H40.2", "H40.3", "H40.4", "H40.5"} {
		f.told(code, release.Told{Version: "1.4.0"})
	}
	f.told("H40.5", release.Told{Version: "1.4.0", OS: "windows", Arch: "arm64"})
	f.told("G1", release.Told{Version: "1.4.0"})
	would, hubs, err := f.Members(t.Context(), "1.5.0", &Stage{Offices: []string{"H40.1", "H40.2", "H40.3"}, Percent: 100})
	if err != nil || hubs != 1 || len(would) != 5 || would[0].Ring != release.RingNamed || would[3].Ring != release.RingShare || would[0].Progress != Lacks || !would[4].NoProgram {
		t.Fatalf("would be %+v, %d hubs, %v", would, hubs, err)
	}
	if r, err := f.Show(t.Context(), "1.5.0"); err != nil || r.Aim != -1 || len(r.Named) != 0 {
		t.Fatalf("looking has changed it: %+v, %v", r, err)
	}
	f.stage(Stage{Version: "1.5.0", Ring: release.RingNamed, Offices: []string{"H40.1", "H40.2", "H40.3"}})
	if _, err := f.Publish(t.Context(), f.post); err != nil {
		t.Fatal(err)
	}
	serial := f.serialOf("1.5.0")
	f.told("H40.1", release.Told{Version: "1.5.0", Serial: serial})
	f.told("H40.2", release.Told{Version: "1.4.0", Failed: []release.Failure{{Version: "1.5.0", Serial: serial, Reason: "dies"}}})
	list, _, err := f.Members(t.Context(), "1.5.0", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Progress{}
	for _, m := range list {
		got[m.Code] = m.Progress
	}
	want := map[string]Progress{"H40.1": Done, "H40.2": Failed, "H40.3": OnItsWay, "H40.4": Lacks, "H40.5": Lacks}
	if fmt.Sprint(got) != fmt.Sprint(want) || list[1].Failure == nil || list[1].Failure.Reason != "dies" {
		t.Errorf("stand %v, want %v", got, want)
	}
	f.now = f.now.Add(Silence + time.Minute)
	if list, _, err = f.Members(t.Context(), "1.5.0", nil); err != nil || list[2].Progress != Silent {
		t.Errorf("%v, %v", list, err)
	}
	if _, _, err := f.Members(t.Context(), "9.9.9", nil); !errors.Is(err, problem.New(problem.NotFound, "software.none", "", nil)) {
		t.Errorf("an unknown version: %v", err)
	}
}

func (f *fixture) serialOf(version string) uint64 {
	f.t.Helper()
	r, err := f.Show(f.t.Context(), version)
	if err != nil {
		f.t.Fatal(err)
	}
	return r.Serial
}
