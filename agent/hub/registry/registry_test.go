package registry

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"tram/storage/sqlite"
	"tram/sync/bundle"
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRecipient(t testing.TB) string {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String()
}

func open(t testing.TB, authority *ecdsa.PrivateKey) (*sqlite.DB, *Registry) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{Schema}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	r, err := New(db, authority.Public(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Originate()
	return db, r
}

func sign(t testing.TB, key *ecdsa.PrivateKey, c Card) []byte {
	t.Helper()
	raw, err := SignCard(c, key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func merge(t testing.TB, db *sqlite.DB, r *Registry, cards ...[]byte) int {
	t.Helper()
	var n int
	err := db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
		n, err = r.Merge(tx, cards)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCardComesBackAsItWas(t *testing.T) {
	authority, device := newKey(t), newKey(t)
	want := Card{Code: "H40.01", Name: "UBND xã Kỳ Sơn", Parent: "H40", Kind: "xa", Device: device.Public(), Recipient: newRecipient(t),
		Serial: 17, Issued: time.Unix(1700000000, 0).UTC(), Expires: time.Unix(1800000000, 0).UTC()}
	got, err := ParseCard(sign(t, authority, want), authority.Public())
	if err != nil {
		t.Fatal(err)
	}
	if !device.PublicKey.Equal(got.Device) {
		t.Error("device key differs")
	}
	got.Device, want.Device = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if bare, err := ParseCard(sign(t, authority, Card{Code: "a", Name: "b", Serial: 1}), authority.Public()); err != nil || bare.Enrolled() {
		t.Errorf("card without keys: %+v, %v", bare, err)
	}
}

func TestP7_CardsOfOthersAreRefused(t *testing.T) {
	authority, other := newKey(t), newKey(t)
	good := Card{Code: "H40.01", Name: "Xã", Serial: 1}
	raw := sign(t, authority, good)
	payload := func(p card) []byte {
		data, err := encoding.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := bundle.SignCOSE(bundle.AADCard, data, authority)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	otherPurpose, err := bundle.SignCOSE(bundle.AADInvite, []byte{0xa0}, authority)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := SignCard(Card{Code: "a", Name: "b", Serial: 1, Device: p384.Public(), Recipient: newRecipient(t)}, authority); !errors.Is(err, ErrCard) {
		t.Errorf("signing a P-384 card gave %v", err)
	}
	changed := bytes.Clone(raw)
	changed[len(changed)-1] ^= 1
	tests := []struct {
		name string
		raw  []byte
		want error
	}{
		{"empty", nil, ErrCard},
		{"signed by another key", sign(t, other, good), ErrCard},
		{"signature changed", changed, ErrCard},
		{"cut off", raw[:len(raw)-3], ErrCard},
		{"bytes behind", append(bytes.Clone(raw), 0), ErrCard},
		{"signed for another purpose", otherPurpose, ErrCard},
		{"too large", make([]byte, MaxCard+1), ErrCard},
		{"newer version", payload(card{Version: 2, Code: "a", Name: "b", Serial: 1}), ErrVersion},
		{"no code", payload(card{Version: 1, Name: "b", Serial: 1}), ErrCode},
		{"code for a topic trick", payload(card{Version: 1, Code: "a/#", Name: "b", Serial: 1}), ErrCode},
		{"no name", payload(card{Version: 1, Code: "a", Serial: 1}), ErrCard},
		{"serial zero", payload(card{Version: 1, Code: "a", Name: "b"}), ErrCard},
		{"serial over the database", payload(card{Version: 1, Code: "a", Name: "b", Serial: 1 << 63}), ErrCard},
		{"one key only", payload(card{Version: 1, Code: "a", Name: "b", Serial: 1, Recipient: "age1x"}), ErrCard},
		{"garbage key", payload(card{Version: 1, Code: "a", Name: "b", Serial: 1, Recipient: newRecipient(t), Device: []byte{1}}), ErrCard},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := ParseCard(tt.raw, authority.Public()); !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v, want %v", c, err, tt.want)
			}
		})
	}
}

func TestCheckCode(t *testing.T) {
	good := []string{"H40", "H49.64.33", "000.00.00.H49", "H37.DN.001", "vxp.saas.03", "CS:GOV:1", "a-b", strings.Repeat("a", MaxCode)}
	bad := []string{"", " H40", "H40_1", "H40/1", "H40+", "#", "$SYS", "H 40", "Đ01", "a\x00", "a\n", ".H40", "-x", "a,b", "a\\b", "\xff",
		strings.Repeat("a", MaxCode+1)}
	for _, code := range good {
		if err := CheckCode(code); err != nil {
			t.Errorf("CheckCode(%q) = %v", code, err)
		}
	}
	for _, code := range bad {
		if err := CheckCode(code); !errors.Is(err, ErrCode) {
			t.Errorf("CheckCode(%q) = %v, want ErrCode", code, err)
		}
	}
}

func TestMergeKeepsTheHighestSerialInWhateverOrder(t *testing.T) {
	authority := newKey(t)
	var cards [][]byte
	for serial := range uint64(6) {
		for _, code := range []string{"H40.01", "h40.02"} {
			cards = append(cards, sign(t, authority, Card{Code: code, Name: fmt.Sprint("Xã ", serial), Serial: 10 + serial}))
		}
	}
	forged := sign(t, newKey(t), Card{Code: "H40.01", Name: "Giả", Serial: 99})
	for _, order := range [][][]byte{cards, reversed(cards), append(slices.Clone(cards[6:]), cards...)} {
		db, r := open(t, authority)
		for _, c := range order {
			merge(t, db, r, c, forged, []byte("garbage"))
		}
		for _, code := range []string{"h40.01", " H40.02 "} {
			c, err := r.Lookup(code)
			if err != nil || c.Serial != 15 || c.Name != "Xã 5" {
				t.Errorf("%s: %+v, %v", code, c, err)
			}
		}
		if r.Serial() != 15 {
			t.Errorf("Serial is %d", r.Serial())
		}
		if want := uint64(2 * len(order)); r.Rejected() != want {
			t.Errorf("Rejected is %d, want %d", r.Rejected(), want)
		}
		if n := merge(t, db, r, order...); n != 0 {
			t.Errorf("merging again changed %d cards", n)
		}
		again, err := New(db, authority.Public(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if again.Originate(); again.Serial() != 15 {
			t.Errorf("reopened: serial %d, %v", again.Serial(), err)
		}
	}
}

func reversed(cards [][]byte) [][]byte {
	c := slices.Clone(cards)
	slices.Reverse(c)
	return c
}

func TestLookupSeesEveryCommit(t *testing.T) {
	authority := newKey(t)
	db, r := open(t, authority)
	if _, err := r.Lookup("h40"); !errors.Is(err, ErrNotFound) {
		t.Fatalf("empty registry gave %v", err)
	}
	for serial := uint64(1); serial < 5; serial++ {
		merge(t, db, r, sign(t, authority, Card{Code: "H40", Name: "Tỉnh", Serial: serial}))
		for range 2 { // from the database, from the cache
			if c, err := r.Lookup("H40"); err != nil || c.Serial != serial {
				t.Fatalf("serial %d: %+v, %v", serial, c, err)
			}
		}
	}
	failed := errors.New("later step failed")
	err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
		if _, err := r.Merge(tx, [][]byte{sign(t, authority, Card{Code: "H40", Name: "Tỉnh", Serial: 50})}); err != nil {
			return err
		}
		if c, err := r.LookupTx(tx, "H40"); err != nil || c.Serial != 50 {
			t.Errorf("inside: %+v, %v", c, err)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if c, err := r.Lookup("H40"); err != nil || c.Serial != 4 || r.Serial() != 4 {
		t.Errorf("after a rollback: %+v, %v, serial %d", c, err, r.Serial())
	}
}

func TestIssueRisesEvenWhenTheClockFalls(t *testing.T) {
	authority := newKey(t)
	clock := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "tram.db"),
		sqlite.Options{Schemas: []sqlite.Schema{Schema}, Now: func() time.Time { return clock }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := New(db, authority.Public(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.Originate()
	last := uint64(0)
	for _, clock = range []time.Time{clock, clock, clock.AddDate(-56, 0, 0), time.Unix(-1e9, 0), clock.Add(time.Hour)} {
		err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := r.Issue(tx, Card{Code: "H40.01", Name: "Xã"}, authority)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if r.Serial() <= last {
			t.Fatalf("at %s: serial %d after %d", clock, r.Serial(), last)
		}
		last = r.Serial()
	}
	err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := r.Issue(tx, Card{Code: "H40.01", Name: "Xã"}, newKey(t))
		return err
	})
	if !errors.Is(err, ErrCard) {
		t.Errorf("issuing with another key gave %v", err)
	}
}

func TestSearchFindsWithoutDiacritics(t *testing.T) {
	authority := newKey(t)
	db, r := open(t, authority)
	offices := []struct{ code, name string }{
		{"H40", "UBND tỉnh Nghệ An"}, {"H40.01", "UBND xã Đường Liên Xã"}, {"H40.02", "UBND xã Kỳ Sơn"},
		{"H40.03", "Kỳ Sơn – Trạm y tế"}, {"H40.04", "Trường Sơn Kỳ"}, {"H40.100%", ""}, {"H41.05", "Sở Kế hoạch và Đầu tư"},
	}
	for i, o := range offices {
		if o.name != "" {
			merge(t, db, r, sign(t, authority, Card{Code: o.code, Name: o.name, Parent: "H40", Serial: uint64(i + 1)}))
		}
	}
	tests := []struct {
		query string
		limit int
		want  []string
	}{
		{"duong lien xa", 0, []string{"H40.01"}},
		{"ĐƯỜNG", 0, []string{"H40.01"}},
		{"ky son", 0, []string{"H40.03", "H40.02", "H40.04"}},
		{"kỳ sơn", 2, []string{"H40.03", "H40.02"}},
		{"son ky", 0, []string{"H40.04", "H40.03", "H40.02"}},
		{"h40", 3, []string{"H40", "H40.03", "H40.04"}},
		{"H41", 0, []string{"H41.05"}},
		{"dau tu", 0, []string{"H41.05"}},
		{"ubnd h40.02", 0, []string{"H40.02"}},
		{"%", 0, nil},
		{"_", 0, nil},
		{"' OR 1=1 --", 0, nil},
		{"", 0, nil},
		{"   ", 0, nil},
		{strings.Repeat("đ", 5000), 0, nil},
		{strings.Repeat("xa ", 5000), 0, []string{"H40.01", "H40.02"}},
	}
	for _, tt := range tests {
		got, err := r.Search(t.Context(), tt.query, tt.limit)
		if err != nil {
			t.Fatal(err)
		}
		var codes []string
		for _, c := range got {
			codes = append(codes, c.Code)
		}
		if !slices.Equal(codes, tt.want) {
			t.Errorf("Search(%.20q) = %v, want %v", tt.query, codes, tt.want)
		}
	}
	children, err := r.Children(t.Context(), "h40", 100)
	if err != nil || len(children) != 6 { // all of them name H40, itself included here
		t.Errorf("Children gave %d, %v", len(children), err)
	}
}

func TestSinceSkipsNothing(t *testing.T) {
	authority := newKey(t)
	db, r := open(t, authority)
	var cards [][]byte
	for i := range 30 {
		cards = append(cards, sign(t, authority, Card{Code: fmt.Sprintf("H%02d", i), Name: "x", Serial: uint64(1 + i/4)})) // four share a serial
	}
	merge(t, db, r, cards...)
	for _, limit := range []int{1, 2, 3, 5, 29, 30, 31, 0} {
		seen := map[string]bool{}
		after := uint64(0)
		for {
			page, err := r.Since(t.Context(), after, limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, raw := range page {
				c, err := ParseCard(raw, authority.Public())
				if err != nil {
					t.Fatal(err)
				}
				if seen[c.Code] {
					t.Fatalf("limit %d: %s came twice", limit, c.Code)
				}
				seen[c.Code], after = true, c.Serial
			}
		}
		if len(seen) != len(cards) {
			t.Errorf("limit %d: %d of %d cards", limit, len(seen), len(cards))
		}
	}
}

func TestSerialSaysOnlyWhatIsComplete(t *testing.T) {
	authority := newKey(t)
	hubDB, hub := open(t, authority)
	var cards [][]byte
	for i := range 200 {
		cards = append(cards, sign(t, authority, Card{Code: fmt.Sprintf("H%03d", i), Name: "x", Serial: uint64(i + 1)}))
	}
	merge(t, hubDB, hub, cards...)

	db, _ := open(t, authority)
	hub.pageCards = 50
	office, err := New(db, authority.Public(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	// What enrolment and greeting bring: the office's own card is the newest.
	merge(t, db, office, cards[0], cards[1], cards[199])
	if office.Serial() != 0 {
		t.Fatalf("single cards raised Serial to %d", office.Serial())
	}
	for {
		page, _, err := hub.PageAfter(t.Context(), office.Serial(), nil, authority)
		if err != nil {
			t.Fatal(err)
		}
		if page == nil {
			break
		}
		err = db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := office.TakePage(tx, *page)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if all, _, err := office.Count(t.Context()); err != nil || all != len(cards) || office.Serial() != 200 {
		t.Errorf("%d cards, serial %d, %v", all, office.Serial(), err)
	}
	again, err := New(db, authority.Public(), Options{})
	if err != nil || again.Serial() != 200 {
		t.Errorf("reopened: %d, %v", again.Serial(), err)
	}
}

func TestByDevice(t *testing.T) {
	authority, device := newKey(t), newKey(t)
	db, r := open(t, authority)
	merge(t, db, r, sign(t, authority, Card{Code: "H40.01", Name: "x", Serial: 1, Device: device.Public(), Recipient: newRecipient(t)}))
	err := db.View(t.Context(), func(tx *sqlite.Tx) error {
		if c, err := r.ByDevice(tx, device.Public()); err != nil || c.Code != "H40.01" {
			t.Errorf("got %+v, %v", c, err)
		}
		if _, err := r.ByDevice(tx, newKey(t).Public()); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown key gave %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, enrolled, err := r.Count(context.Background()); err != nil || all != 1 || enrolled != 1 {
		t.Errorf("Count gave %d, %d, %v", all, enrolled, err)
	}
}

func TestWarmRegistryAnswersFromMemory(t *testing.T) {
	authority := newKey(t)
	db, r := open(t, authority)
	device, recipient := newKey(t).Public(), newRecipient(t)
	old := sign(t, authority, Card{Code: "A", Name: "x", Serial: 1, Device: device, Recipient: recipient})
	merge(t, db, r, old, sign(t, authority, Card{Code: "B", Name: "x", Serial: 2, Device: device, Recipient: recipient}))
	if err := r.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(r.cache) != 2 || r.Newest() != 2 {
		t.Errorf("%d cards in memory, the newest is %d", len(r.cache), r.Newest())
	}
	newer := sign(t, authority, Card{Code: "a", Name: "y", Serial: 3})
	if !r.Has(old) || r.Has(newer) || r.Has([]byte("no card")) {
		t.Error("Has is wrong about what is stored")
	}
	// A change costs only its own card.
	merge(t, db, r, newer)
	if _, kept := r.cache["b"]; !kept || len(r.cache) != 1 {
		t.Errorf("after a change memory holds %v", r.cache)
	}
	if c, err := r.Lookup("A"); err != nil || c.Name != "y" || !r.Has(old) || !r.Has(newer) {
		t.Errorf("after a change the card is %+v, %v", c, err)
	}
}

func TestCacheIsBounded(t *testing.T) {
	authority := newKey(t)
	db, r := open(t, authority)
	var cards [][]byte
	for i := range CacheSize + 50 {
		cards = append(cards, sign(t, authority, Card{Code: fmt.Sprintf("C%d", i), Name: "x", Serial: uint64(i + 1)}))
	}
	merge(t, db, r, cards...)
	for i := range cards {
		if _, err := r.Lookup(fmt.Sprintf("C%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.cache) > CacheSize {
		t.Errorf("cache holds %d cards", len(r.cache))
	}
}
