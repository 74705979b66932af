package countersign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/usb"
)

// pack makes a package of the office: its number, then its entry in the log, then
// what it says of that, as usb.Local does.
func (s *stage) pack() usb.Manifest {
	s.t.Helper()
	s.now = s.now.Add(FullEvery + time.Minute)
	s.number++
	s.exec(func(tx *sqlite.Tx) error {
		return audit.Append(tx, audit.Entry{At: s.now, Actor: code, Action: "usb.exported", Subject: fmt.Sprint(s.number)})
	})
	log := must2(s, func() ([]byte, error) { return s.book.Say(s.t.Context(), hubCode, nil) })
	return usb.Manifest{From: code, To: hubCode, Created: s.now.Truncate(time.Second), Sequence: s.number, Epoch: s.epoch, Log: log}
}

// arrives has the hub take in packages, in this order.
func (s *stage) arrives(packages ...usb.Manifest) {
	s.t.Helper()
	s.now = s.now.Add(time.Minute)
	for _, m := range packages {
		s.done(s.ledger.HearByStick(s.t.Context(), code, m))
	}
}

// returns has the office take in a package of the hub.
func (s *stage) returns() {
	s.t.Helper()
	log := must2(s, func() ([]byte, error) { return s.ledger.Say(s.t.Context(), code) })
	s.done(s.book.HearByStick(s.t.Context(), hubCode, usb.Manifest{From: hubCode, To: code, Log: log}))
}

// stick is one contact by stick: there, back, and there again.
func (s *stage) stick() {
	s.t.Helper()
	s.arrives(s.pack())
	s.returns()
	s.arrives(s.pack())
}

func TestAHonestLogIsCountersignedBySticks(t *testing.T) {
	s := newStage(t)
	for i := range 4 {
		s.add(3, "lan")
		s.stick()
		s.returns()
		if got, want := s.countersigned(), int64(5*(i+1)); got != want || s.finding() != "" {
			t.Errorf("contact %d: countersigned up to %d, want %d, finding %q", i, got, want, s.finding())
		}
	}
	s.add(1, "lan")
	s.meet() // a line comes
	s.arrives(s.pack())
	s.returns()
	if s.countersigned() != 22 || s.finding() != "" || s.book.Finding() != nil {
		t.Errorf("after a line: countersigned up to %d, finding %q", s.countersigned(), s.finding())
	}
	s.arrives(usb.Manifest{From: code, Epoch: s.epoch, Sequence: s.number + 1}) // of an earlier version
	s.returns()
	if s.countersigned() != 22 || s.finding() != "" {
		t.Errorf("after a package that says nothing: countersigned up to %d, finding %q", s.countersigned(), s.finding())
	}
}

// TestSticksComeLateAndInAnyOrder: what lay in a drawer proves nothing against
// an honest log.
func TestSticksComeLateAndInAnyOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {3, 3, 0, 0}} {
		for _, line := range []bool{false, true} {
			t.Run(fmt.Sprint(order, line), func(t *testing.T) {
				s := newStage(t)
				s.add(2, "lan")
				s.stick()
				s.returns()
				var packages []usb.Manifest
				for range 4 {
					s.add(2, "lan")
					packages = append(packages, s.pack())
				}
				if line {
					s.add(5, "lan")
					s.meet()
				}
				for _, i := range order {
					s.arrives(packages[i])
					s.returns()
				}
				if s.finding() != "" || s.book.Finding() != nil {
					t.Fatalf("finding %q, %v", s.finding(), s.book.Finding())
				}
				s.add(1, "lan")
				s.stick()
				s.returns()
				if last := must2(s, func() ([]byte, error) { return s.book.Say(t.Context(), hubCode, nil) }); s.finding() != "" || len(last) == 0 {
					t.Errorf("finding %q", s.finding())
				}
				if got, want := s.countersigned(), s.entriesOf(s.office); got != want {
					t.Errorf("countersigned up to %d of %d", got, want)
				}
			})
		}
	}
}

func (s *stage) entriesOf(db *sqlite.DB) int64 {
	s.t.Helper()
	rep, err := audit.Verify(s.t.Context(), db)
	s.done(err)
	return rep.Entries
}

// TestP6_ATamperedLogIsFoundAtTheNextStick, as on the line.
func TestP6_ATamperedLogIsFoundAtTheNextStick(t *testing.T) {
	for _, c := range []struct {
		name   string
		tamper func(s *stage)
		want   string // finding of the hub
		entry  int64  // of the office
	}{
		{"an entry edited", func(s *stage) { s.sql(`UPDATE audit SET actor = 'hoa' WHERE seq = 2`) }, "broken:2", 2},
		{"an entry edited that is not countersigned yet", func(s *stage) { s.add(2, "lan"); s.sql(`UPDATE audit SET actor = 'hoa' WHERE seq = 10`) }, "broken:10", 10},
		{"the end cut off", func(s *stage) { s.sql(`DELETE FROM audit WHERE seq > 4`) }, "broken:5", 5},
		{"the end cut off and the head set back", func(s *stage) {
			s.sql(`DELETE FROM audit WHERE seq > 4`, `UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)`)
		}, "broken:7", 7},
		{"written anew", func(s *stage) { s.anew(6, "hoa") }, "broken:7", 7},
		{"written anew and longer", func(s *stage) { s.anew(60, "hoa") }, "broken:7", 7},
		{"cut short and its countersignatures too", func(s *stage) {
			s.sql(`DELETE FROM countersigned`)
			s.anew(3, "lan")
		}, "shorter:5", 8},
		{"written anew without countersignatures", func(s *stage) {
			s.sql(`DELETE FROM countersigned`)
			s.anew(7, "hoa")
		}, "changed:8", 8},
		{"written anew and longer without countersignatures", func(s *stage) {
			s.sql(`DELETE FROM countersigned`)
			s.anew(60, "hoa")
		}, "broken:8", 8},
		{"set back with the number of its packages", func(s *stage) {
			s.sql(`DELETE FROM countersigned`, `DELETE FROM audit WHERE seq > 7`, `UPDATE audit_head SET seq = 7, hash = (SELECT hash FROM audit WHERE seq = 7)`)
			s.number = 1
		}, "changed:8", 8},
		{"set back far", func(s *stage) {
			s.sql(`DELETE FROM countersigned`, `DELETE FROM audit WHERE seq > 4`, `UPDATE audit_head SET seq = 4, hash = (SELECT hash FROM audit WHERE seq = 4)`)
			s.number = 0
		}, "broken:8", 8},
	} {
		t.Run(c.name, func(t *testing.T) { finds(t, (*stage).stick, c.tamper, c.want, c.entry) })
	}
}

// TestANewStoreAndAReleasedLogBySticks: a package of the store before says
// nothing any more, and a released log is taken as it is.
func TestANewStoreAndAReleasedLogBySticks(t *testing.T) {
	s := newStage(t)
	s.add(6, "lan")
	s.stick()
	s.add(1, "lan")
	before := s.pack()
	s.newBox()
	s.number = 0
	s.add(2, "lan")
	s.stick()
	s.returns()
	if s.finding() != "" || s.countersigned() != 4 || s.entries(s.hub, actionReplaced) != 1 {
		t.Errorf("finding %q, countersigned %d, %d entries", s.finding(), s.countersigned(), s.entries(s.hub, actionReplaced))
	}
	s.arrives(before)
	if s.finding() != "" || s.entries(s.hub, actionReplaced) != 1 {
		t.Errorf("a package of the store before: finding %q, %d entries", s.finding(), s.entries(s.hub, actionReplaced))
	}
	old := s.pack()
	s.add(4, "lan")
	s.stick()
	s.returns()
	s.done(s.hub.Update(t.Context(), func(tx *sqlite.Tx) error { return Release(tx, code) }))
	s.arrives(old) // comes first, and is signed as all there is
	s.returns()
	s.add(1, "lan")
	s.arrives(s.pack())
	s.returns()
	if got, want := s.countersigned(), s.entriesOf(s.office); s.finding() != "" || got != want {
		t.Errorf("released: finding %q, countersigned %d of %d", s.finding(), got, want)
	}
}

// vector is the device key of the vectors of sync/README.md.
func vector(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	d, _ := new(big.Int).SetString("f154c1d4f43e74dd5e1e9fc339e7ec51bbc33b71525d1e7cd208f145108891e1", 16)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestP12_TheWordAboutLogsIsDocumented holds the vectors of agent/README.md to
// what is written and read.
func TestP12_TheWordAboutLogsIsDocumented(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	section := string(readme)
	section = section[strings.Index(section, "## Audit log"):]
	section = section[:strings.Index(section, "\n# ")]
	var blocks [][]byte
	for i, block := range strings.Split(section, "```") {
		if i%2 == 0 {
			continue
		}
		raw, err := hex.DecodeString(strings.Join(strings.Fields(block), ""))
		if err != nil {
			t.Fatalf("block %d: %v", i, err)
		}
		blocks = append(blocks, raw)
	}
	if len(blocks) != 2 {
		t.Fatalf("%d vectors", len(blocks))
	}
	of := func(b byte) []byte { return slices.Repeat([]byte{b}, 32) }
	word := word{Seq: 1287, Head: of(1), Known: 1280, Same: of(2)}
	if raw, err := word.encode(); err != nil || !slices.Equal(raw, blocks[0]) {
		t.Errorf("an office's word is %x (error %v)", raw, err)
	}
	key := vector(t)
	told, err := decodeWord(blocks[1])
	if err != nil {
		t.Fatal(err)
	}
	signed, err := Open(told.Sealed, key.Public())
	if err != nil {
		again, _ := sign(exampleSigned(), key)
		raw, _ := wordOf(again).encode()
		t.Fatalf("a hub's word: %v; one would be %x", err, raw)
	}
	signed.Raw = nil
	if want := exampleSigned(); signed.Office != want.Office || signed.Epoch != want.Epoch || signed.Witness != want.Witness ||
		signed.Seq != want.Seq || signed.Hash != want.Hash || !signed.At.Equal(want.At) {
		t.Errorf("a hub's word is %+v", signed)
	}
}

func wordOf(sealed []byte) word { return word{Sealed: sealed} }

func exampleSigned() Signed {
	return Signed{
		Office: "H01.12.34", Epoch: uuid.MustParse("5b0e0001-0000-4000-8000-000000000001"), Witness: "H01", Seq: 1280,
		Hash: [32]byte(slices.Repeat([]byte{2}, 32)), At: time.UnixMilli(1782893460789),
	}
}
