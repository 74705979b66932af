package registry

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"tram/storage/sqlite"
)

func TestCardListsComeBack(t *testing.T) {
	want := [][]byte{[]byte("one"), {}, []byte("three")}
	data, err := EncodeCards(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeCards(data)
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := EncodeCards(make([][]byte, MaxCards+1)); !errors.Is(err, ErrCard) {
		t.Errorf("too many gave %v", err)
	}
	if _, err := DecodeCards([]byte{0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}); !errors.Is(err, ErrCard) {
		t.Errorf("a huge list gave %v", err)
	}
}

func FuzzParseCard(f *testing.F) {
	authority := newKey(f)
	f.Add(sign(f, authority, Card{Code: "H40", Name: "Tỉnh", Serial: 1}))
	f.Add(sign(f, authority, Card{Code: "H40.01", Name: "Xã", Parent: "H40", Serial: 2, Device: newKey(f).Public(), Recipient: newRecipient(f)}))
	f.Add([]byte{0xd2, 0x84, 0x40, 0xa0, 0x40, 0x40})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := ParseCard(raw, authority.Public()); err == nil && (CheckCode(c.Code) != nil || CheckName(c.Name) != nil || c.Serial == 0) {
			t.Errorf("accepted %+v", c)
		}
		// The payload alone, so that fuzzing gets behind the signature.
		c, err := parsePayload(raw)
		if err != nil {
			return
		}
		again, err := SignCard(c, authority)
		if err != nil {
			t.Fatalf("%+v does not sign again: %v", c, err)
		}
		if _, err := ParseCard(again, authority.Public()); err != nil {
			t.Fatalf("%+v does not parse again: %v", c, err)
		}
	})
}

func TestAllPagesByCode(t *testing.T) {
	authority := newKey(t)
	db, reg := open(t, authority)
	codes := []string{"H40", "H40.1", "H40.2", "H41"}
	err := db.Update(t.Context(), func(tx *sqlite.Tx) error {
		for _, code := range codes {
			if _, err := reg.Issue(tx, Card{Code: code, Name: "UBND " + code}, authority); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for after := ""; ; {
		page, err := reg.All(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			got = append(got, c.Code)
		}
		after = got[len(got)-1]
	}
	if !slices.Equal(got, codes) {
		t.Errorf("all offices are %v, want %v", got, codes)
	}
}
