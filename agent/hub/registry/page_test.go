package registry

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// follower is an office's registry that is filled by pages.
type follower struct {
	t   testing.TB
	db  *sqlite.DB
	reg *Registry
}

func newFollower(t testing.TB, authority *ecdsa.PrivateKey) *follower {
	t.Helper()
	db, _ := open(t, authority)
	reg, err := New(db, authority.Public(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return &follower{t, db, reg}
}

func (f *follower) take(p Page) Taken {
	f.t.Helper()
	var taken Taken
	err := f.db.Update(f.t.Context(), func(tx *sqlite.Tx) (err error) {
		taken, err = f.reg.TakePage(tx, p)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return taken
}

// pages are all pages of hub after serial, as they are read.
func pages(t testing.TB, hub *Registry, after uint64, authority *ecdsa.PrivateKey) []Page {
	t.Helper()
	var list []Page
	for {
		made, raw, err := hub.PageAfter(t.Context(), after, nil, authority)
		if err != nil {
			t.Fatal(err)
		}
		if made == nil {
			return list
		}
		p, err := ParsePage(raw, authority.Public())
		if err != nil {
			t.Fatal(err)
		}
		list, after = append(list, p), p.Until
	}
}

// content is all that a registry says, to be compared.
func content(t testing.TB, r *Registry) string {
	t.Helper()
	cards, err := r.All(t.Context(), "", 100_000)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range cards {
		payload, err := c.payload()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %x\n", c.Code, sha256.Sum256(payload))
	}
	err = r.view(func(tx *sqlite.Tx) error {
		rows, err := tx.Query(`SELECT old_key, code_key FROM old_codes ORDER BY old_key`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var old, key string
			if err := rows.Scan(&old, &key); err != nil {
				return err
			}
			fmt.Fprintln(&b, old, key)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func fullCard(t testing.TB) Card {
	return Card{
		Code: "H40.01", Name: "UBND xã Kỳ Sơn", Parent: "H40", Kind: "xa", Hub: "H40.DONG", Device: newKey(t).Public(), Recipient: newRecipient(t),
		Serial: 1_700_000_000_123, Issued: time.Unix(1700000000, 0).UTC(), Expires: time.Unix(1800000000, 0).UTC(),
		Succession: Succession{
			Into: "H40.77", Old: []string{"000.01.31.H40"}, May: []string{"H40/*", "G22"},
			Former: []FormerKey{{Device: &newKey(t).PublicKey, From: time.Unix(1600000000, 0).UTC(), Until: time.Unix(1700000000, 0).UTC()}},
		},
	}
}

func TestWhatACardSaysOfPastAndRightsComesBack(t *testing.T) {
	authority := newKey(t)
	want := fullCard(t)
	got, err := ParseCard(sign(t, authority, want), authority.Public())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("a card gives %+v, %v\nwant %+v", got, err, want)
	}
	hub := newTier(t, "VN").card()
	hub.Serial = want.Serial + 5
	bare := Card{Code: "G22", Name: "Văn phòng", Serial: hub.Serial + 1}
	raw, err := EncodePage(Page{After: 7, Until: bare.Serial, Version: bare.Serial + 9, Made: time.UnixMilli(1_700_000_009_001).UTC(), Cards: []Card{want, hub, bare}}, authority)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePage(raw, authority.Public())
	if err != nil || p.After != 7 || p.Until != bare.Serial || p.Version != bare.Serial+9 || p.Made.UnixMilli() != 1_700_000_009_001 || len(p.Cards) != 3 {
		t.Fatalf("a page gives %+v, %v", p, err)
	}
	if !reflect.DeepEqual(p.Cards[0], want) || !p.Cards[1].IsHub() || !same(p.Cards[1], hub) || !reflect.DeepEqual(p.Cards[2], bare) {
		t.Errorf("a page gives %+v", p.Cards)
	}
	if !IsPage(raw) {
		t.Error("the page is not known as one")
	}
	if cards, _ := EncodeCards([][]byte{raw}); IsPage(cards) {
		t.Error("a list of cards passes for a page")
	}
}

func TestP7_PagesOfOthersAreRefused(t *testing.T) {
	authority := newKey(t)
	good := Page{Until: 9, Version: 9, Made: time.UnixMilli(5), Cards: []Card{{Code: "a", Name: "b", Serial: 3}, {Code: "c", Name: "d", Serial: 9}}}
	raw, err := EncodePage(good, authority)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(i int) []byte {
		changed := bytes.Clone(raw)
		changed[(i+len(raw))%len(raw)] ^= 1
		return changed
	}
	forged, err := EncodePage(good, newKey(t))
	if err != nil {
		t.Fatal(err)
	}
	card := sign(t, authority, Card{Code: "a", Name: "b", Serial: 1})
	framed := append(append([]byte(pageMagic), byte(len(card)>>8), byte(len(card))), card...)
	for name, raw := range map[string][]byte{
		"empty": nil, "magic alone": []byte(pageMagic), "cut off": raw[:len(raw)-1], "bytes behind": append(bytes.Clone(raw), 0),
		"signed by another": forged, "head changed": flip(20), "body changed": flip(-1), "a card's signature": framed,
		"too large": append([]byte(pageMagic), make([]byte, MaxPage)...), "head beyond the end": []byte(pageMagic + "\x03\xff\x00"),
	} {
		if _, err := ParsePage(raw, authority.Public()); !errors.Is(err, ErrCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, p := range map[string]Page{
		"serial above the page": {Until: 2, Cards: good.Cards},
		"not in order":          {Until: 9, Cards: []Card{good.Cards[1], good.Cards[0]}},
		"too many":              {Until: 9, Cards: make([]Card, MaxPageCards+1)},
		"bad card":              {Until: 9, Cards: []Card{{Code: "a b", Name: "x", Serial: 1}}},
		"itself as successor":   {Until: 9, Cards: []Card{{Code: "a", Name: "x", Serial: 1, Succession: Succession{Into: "A"}}}},
		"a rule that is none":   {Until: 9, Cards: []Card{{Code: "a", Name: "x", Serial: 1, Succession: Succession{May: []string{"b/**"}}}}},
		"old code that is none": {Until: 9, Cards: []Card{{Code: "a", Name: "x", Serial: 1, Succession: Succession{Old: []string{""}}}}},
		"too many old codes":    {Until: 9, Cards: []Card{{Code: "a", Name: "x", Serial: 1, Succession: Succession{Old: slices.Repeat([]string{"o"}, MaxOld+1)}}}},
	} {
		raw, err := EncodePage(p, authority)
		if err == nil {
			_, err = ParsePage(raw, authority.Public())
		}
		if !errors.Is(err, ErrCard) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSnapshotAndDeltasAreTheSnapshot changes a registry at random. Followers that
// take every delta, in or out of order, some twice, or only the last snapshot, end
// with the same.
func TestSnapshotAndDeltasAreTheSnapshot(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 2026))
		authority := newKey(t)
		db, hub := open(t, authority)
		hub.pageCards = 1 + r.IntN(7)
		steady, shuffled := newFollower(t, authority), newFollower(t, authority)
		var late []Page
		for round := range 12 {
			var cards []Card
			for range 1 + r.IntN(9) {
				n := r.IntN(30)
				c := Card{Code: fmt.Sprintf("O%02d", n), Name: fmt.Sprintf("tên %d", r.IntN(9)), Parent: "O99"}
				if r.IntN(2) == 0 {
					c.Device, c.Recipient = newKey(t).Public(), newRecipient(t)
				}
				if r.IntN(3) == 0 {
					c.Old = []string{fmt.Sprintf("old.%d.%d", n, r.IntN(3))}
				}
				if r.IntN(9) == 0 {
					c.Into = "O99"
				}
				cards = append(cards, c)
			}
			issueAll(t, db, hub, authority, cards)
			for _, p := range pages(t, hub, steady.reg.Serial(), authority) {
				steady.take(p)
				late = append(late, p)
			}
			if round%4 == 3 {
				r.Shuffle(len(late), func(i, j int) { late[i], late[j] = late[j], late[i] })
				for _, p := range append(late, late[0]) {
					shuffled.take(p)
				}
				late = nil
			}
		}
		last := newFollower(t, authority)
		for _, p := range pages(t, hub, 0, authority) {
			last.take(p)
		}
		want := content(t, hub)
		for name, f := range map[string]*follower{"every delta": steady, "out of order": shuffled, "the last snapshot": last} {
			if got := content(t, f.reg); got != want || f.reg.Serial() != hub.Newest() {
				t.Fatalf("seed %d, %s: up to %d of %d\n%s\nwant\n%s", seed, name, f.reg.Serial(), hub.Newest(), got, want)
			}
		}
	}
}

func TestP7_AnOlderRegistryIsRefusedAndTold(t *testing.T) {
	authority := newKey(t)
	db, hub := open(t, authority)
	issueAll(t, db, hub, authority, []Card{{Code: "A", Name: "cũ"}, {Code: "B", Name: "b"}})
	before := pages(t, hub, 0, authority)[0]
	issueAll(t, db, hub, authority, []Card{{Code: "A", Name: "mới"}})
	f := newFollower(t, authority)
	if now := pages(t, hub, 0, authority)[0]; f.take(now).Changed != 2 || f.take(now).Older {
		t.Error("a page that comes again counts as older")
	}
	if got := f.take(before); !got.Older || got.Regressed || got.Changed != 0 || got.Known != hub.Newest() {
		t.Errorf("a page of before, late: %+v", got)
	}
	before.Made = f.reg.Made().Add(time.Second)
	if got := f.take(before); !got.Older || !got.Regressed {
		t.Errorf("a hub that has gone back: %+v", got)
	}
	if c, err := f.reg.Lookup("A"); err != nil || c.Name != "mới" || f.reg.Serial() != hub.Newest() {
		t.Errorf("the card is %+v, %v", c, err)
	}
	again, err := New(f.db, authority.Public(), Options{})
	if err != nil || again.Serial() != hub.Newest() || !again.Made().Equal(f.reg.Made()) {
		t.Errorf("after a restart: serial %d, made %s, %v", again.Serial(), again.Made(), err)
	}
	// So does a hub that takes cards from another one.
	below := newTier(t, "H40")
	from := Source{Code: "VN", Authority: &authority.PublicKey, Above: true, Own: "H40", Signer: below.authority}
	for _, step := range []struct {
		page  Page
		older bool
	}{{pages(t, hub, 0, authority)[0], false}, {before, true}} {
		err := below.db.Update(t.Context(), func(tx *sqlite.Tx) error {
			did, err := below.reg.AdoptPage(tx, from, step.page)
			if did.Older != step.older {
				t.Errorf("a hub adopts %+v", did)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestP9_PagesAheadAreBounded(t *testing.T) {
	authority := newKey(t)
	f := newFollower(t, authority)
	for i := range uint64(maxAhead + 5) {
		f.take(Page{After: 10 + 2*i, Until: 11 + 2*i, Version: 1 << 40})
	}
	var n int
	err := f.db.View(t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM cards_ahead`).Scan(&n)
	})
	if err != nil || n != maxAhead || f.reg.Serial() != 0 {
		t.Errorf("%d pages ahead are remembered, serial %d, %v", n, f.reg.Serial(), err)
	}
}

// TestADatabaseFromBeforeMigrates opens a registry of the schema before, with a
// hub and an office in it.
func TestADatabaseFromBeforeMigrates(t *testing.T) {
	authority := newKey(t)
	path := filepath.Join(t.TempDir(), "old.db")
	old := Schema
	old.Files = os.DirFS(oldMigrations(t, 3))
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{old}})
	if err != nil {
		t.Fatal(err)
	}
	office := Card{Code: "H40.01", Name: "UBND xã Kỳ Sơn", Parent: "H40", Serial: 40, Device: newKey(t).Public(), Recipient: newRecipient(t)}
	err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO cards (code_key, code, name, name_fold, parent_key, kind, serial, device, recipient, raw)
			VALUES ('h40.01', 'H40.01', ?, 'ubnd xa ky son', 'h40', '', 40, ?, ?, ?)`, office.Name, []byte{1}, office.Recipient, sign(t, authority, office))
		if err == nil {
			_, err = tx.Exec(`INSERT INTO cards_complete (one, serial) VALUES (1, 40)`)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = sqlite.Open(t.Context(), path, sqlite.Options{Schemas: []sqlite.Schema{Schema}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	reg, err := New(db, authority.Public(), Options{})
	if err != nil || reg.Serial() != 40 || !reg.Made().IsZero() {
		t.Fatalf("serial %d, made %s, %v", reg.Serial(), reg.Made(), err)
	}
	found, err := reg.Find(t.Context(), Query{Text: "kỳ sơn", Reachable: true})
	if err != nil || len(found) != 1 || !same(found[0], office) {
		t.Errorf("found %+v, %v", found, err)
	}
	f := &follower{t, db, reg}
	if got := f.take(Page{After: 40, Until: 50, Version: 50, Made: time.UnixMilli(1), Cards: []Card{{Code: "B", Name: "b", Serial: 50}}}); got.Changed != 1 || reg.Serial() != 50 {
		t.Errorf("a delta to it: %+v, serial %d", got, reg.Serial())
	}
}

// oldMigrations is a folder with the first migrations.
func oldMigrations(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	names, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(names) < n {
		t.Fatal(names, err)
	}
	for _, name := range names[:n] {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestP12_PageVector holds the example in the README to the codec.
func TestP12_PageVector(t *testing.T) {
	var b pageBody
	cards := []Card{
		{Code: "H40.12", Name: "UBND xã An Bình", Parent: "H40", Kind: "xa", Serial: 1_795_334_400_000, Issued: time.Unix(1_795_334_400, 0),
			Succession: Succession{Old: []string{"000.12.31.H40"}}},
		{Code: "H40.16", Name: "UBND xã Cũ", Parent: "H40", Kind: "xa", Serial: 1_795_334_400_001, Issued: time.Unix(1_795_334_400, 0), Succession: Succession{Into: "H40.12"}},
	}
	before := uint64(1_795_334_399_000)
	for i, c := range cards {
		if err := b.add(uint64(i), c, before); err != nil {
			t.Fatal(err)
		}
		before = c.Serial
	}
	body, err := encoding.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(string(readme)), "")
	if text := hex.EncodeToString(body); !strings.Contains(flat, text) {
		t.Errorf("agent/README.md does not hold the body of the example:\n%s", text)
	}
}

func FuzzPage(f *testing.F) {
	authority := newKey(f)
	seeds := 0
	seed := func(p Page) {
		var b pageBody
		before := p.After
		for i, c := range p.Cards {
			if err := b.add(uint64(i), c, before); err != nil {
				f.Fatal(err)
			}
			before = c.Serial
		}
		body, err := encoding.Marshal(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.After, p.Until, uint64(len(p.Cards)), body)
		seeds++
	}
	seed(Page{})
	seed(Page{Until: 9, Cards: []Card{{Code: "a", Name: "b", Serial: 3}, {Code: "c", Name: "d", Serial: 9}}})
	full := fullCard(f)
	seed(Page{After: 1, Until: full.Serial, Cards: []Card{full}})
	hub := newTier(f, "VN").card()
	hub.Serial = 4
	seed(Page{Until: 4, Cards: []Card{hub}})
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, after, until, cards uint64, body []byte) {
		// The signature is over the head, so a signed page may hold any body.
		head, err := encoding.Marshal(pageHead{Version: pageVersion, After: after, Until: until, Newest: until, Made: 1, Cards: cards, Body: sha256.Sum256(body)})
		if err != nil {
			t.Fatal(err)
		}
		signed, err := bundle.SignCOSE(bundle.AADPage, head, authority)
		if err != nil {
			t.Fatal(err)
		}
		raw := append(append([]byte(pageMagic), byte(len(signed)>>8), byte(len(signed))), signed...)
		p, err := ParsePage(append(raw, body...), authority.Public())
		if err != nil {
			if !errors.Is(err, ErrCard) && !errors.Is(err, ErrVersion) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		// What is read can be written, and says the same then.
		again, err := EncodePage(p, authority)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		q, err := ParsePage(again, authority.Public())
		if err != nil || len(q.Cards) != len(p.Cards) {
			t.Fatalf("%d cards became %d, %v", len(p.Cards), len(q.Cards), err)
		}
		for i := range p.Cards {
			if !same(p.Cards[i], q.Cards[i]) || p.Cards[i].Serial != q.Cards[i].Serial {
				t.Fatalf("%+v became %+v", p.Cards[i], q.Cards[i])
			}
		}
	})
}

// FuzzPageHead feeds the parser bytes that nobody has signed.
func FuzzPageHead(f *testing.F) {
	authority := newKey(f)
	raw, err := EncodePage(Page{Until: 9, Cards: []Card{{Code: "a", Name: "b", Serial: 3}}}, authority)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw[:len(raw)-1])
	f.Add([]byte(pageMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := ParsePage(data, authority.Public()); err == nil && !bytes.Equal(data, raw) {
			t.Fatal("what nobody signed is a page")
		}
	})
}

func TestRecipientsComeBackFromTheirBytes(t *testing.T) {
	for range 200 {
		text := newRecipient(t)
		raw, err := rawRecipient(text)
		if again, bad := textRecipient(raw); err != nil || bad != nil || again != text || len(raw) != 32 {
			t.Fatalf("%s gives %x and %s (errors %v, %v)", text, raw, again, err, bad)
		}
		flipped := []byte(text)
		flipped[20] ^= 1
		for _, bad := range []string{string(flipped), text[:len(text)-1], text + "q", strings.ToUpper(text), ""} {
			if _, err := rawRecipient(bad); !errors.Is(err, ErrCard) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}
