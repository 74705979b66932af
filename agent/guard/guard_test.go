package guard_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/guard"
	"tram/agent/hub/registry"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// cards is a registry in memory.
type cards map[string]registry.Card

func (c cards) Lookup(code string) (registry.Card, error) {
	card, ok := c[code]
	if !ok {
		return card, registry.ErrNotFound
	}
	return card, nil
}

func (c cards) Serial() uint64 { return 77 }

type fixture struct {
	guard   *guard.Guard
	keys    map[string]*ecdsa.PrivateKey
	refused []guard.Refusal
	denied  []string // "peer code id"
	ends    time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{keys: map[string]*ecdsa.PrivateKey{}, ends: now}
	known := cards{}
	for _, code := range []string{"H40", "H40.1", "H40.2"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		f.keys[code] = key
		known[code] = registry.Card{Code: code, Device: key.Public()}
	}
	known["H40.9"] = registry.Card{Code: "H40.9"} // invited, not enrolled
	f.guard = guard.New(guard.Options{
		Code: "H40", Epoch: uuid.New(), Device: f.keys["H40"], Registry: known, Now: func() time.Time { return now }, Ends: func() time.Time { return f.ends },
		Policy: func(_ context.Context, peer string, h bundle.Header) *exchange.Denial {
			if h.From != peer {
				return &exchange.Denial{Code: wire.CodeSender, Text: "not yours"}
			}
			return nil
		},
		Refused: func(_ context.Context, r guard.Refusal) { f.refused = append(f.refused, r) },
		Denied: func(_ context.Context, peer string, signed bundle.Signed, code wire.Code) {
			f.denied = append(f.denied, fmt.Sprint(peer, code, signed.Header.ID))
		},
	})
	return f
}

func (f *fixture) header(t *testing.T, signer string, change func(*bundle.Header)) bundle.Signed {
	t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	h := bundle.Header{
		ID: uuid.Must(uuid.NewV7()), From: "H40.1", To: []string{"H40.2"}, Kind: bundle.KindDocument, Created: now,
		Expires: now.Add(time.Hour), Key: key.Recipient(),
		Objects: []bundle.Object{bundle.Describe([]byte("x"), bundle.RoleHead, bundle.Plain)},
	}
	if change != nil {
		change(&h)
	}
	signed, err := bundle.Sign(h, f.keys[signer])
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestP7_Offers(t *testing.T) {
	none := func(*bundle.Header) {}
	tests := []struct {
		name     string
		signer   string
		change   func(*bundle.Header)
		want     wire.Code
		deferred bool
		reported bool
	}{
		{"good", "H40.1", none, wire.CodeNone, false, false},
		{"signed by another office", "H40.2", none, wire.CodeSignature, false, true},
		{"handed over for another office", "H40.2", func(h *bundle.Header) { h.From = "H40.2" }, wire.CodeSender, false, true},
		{"sender unknown", "H40.1", func(h *bundle.Header) { h.From = "H40.77" }, wire.CodeUnknownSender, true, false},
		{"sender not enrolled", "H40.1", func(h *bundle.Header) { h.From = "H40.9" }, wire.CodeUnknownSender, true, false},
		{"expired", "H40.1", func(h *bundle.Header) { h.Created, h.Expires = now.Add(-2*time.Hour), now.Add(-time.Hour) }, wire.CodeExpired, false, false},
		{"clock a little ahead", "H40.1", func(h *bundle.Header) { h.Created, h.Expires = now.Add(time.Hour), now.Add(2*time.Hour) }, wire.CodeNone, false, false},
		{"clock days ahead", "H40.1", func(h *bundle.Header) {
			h.Created, h.Expires = now.Add(50*time.Hour), now.Add(60*time.Hour)
		}, wire.CodeClock, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t)
			_, err := f.guard.Offer(t.Context(), "H40.1", f.header(t, tt.signer, tt.change).Raw)
			var d *exchange.Denial
			if errors.As(err, &d) != (tt.want != wire.CodeNone) {
				t.Fatalf("error is %v", err)
			}
			if d != nil && (d.Code != tt.want || (d.After > 0) != tt.deferred || d.Text == "") {
				t.Errorf("denial is %+v, want code %d, deferred %v", d, tt.want, tt.deferred)
			}
			if (len(f.refused) > 0) != tt.reported {
				t.Errorf("reported: %v", f.refused)
			}
		})
	}
}

// TestP3_P11_AClockThatNothingVouchesForRefusesNothingForGood: what has expired by it alone
// is to be offered again.
func TestP3_P11_AClockThatNothingVouchesForRefusesNothingForGood(t *testing.T) {
	f := newFixture(t)
	f.ends = time.Time{}
	old := f.header(t, "H40.1", func(h *bundle.Header) { h.Created, h.Expires = now.Add(-2*time.Hour), now.Add(-time.Hour) })
	var d *exchange.Denial
	if _, err := f.guard.Offer(t.Context(), "H40.1", old.Raw); !errors.As(err, &d) || d.Code != wire.CodeClock || d.After <= 0 {
		t.Errorf("offer: %v", err)
	}
}

func TestOffersThatDoNotParse(t *testing.T) {
	f := newFixture(t)
	good := f.header(t, "H40.1", nil).Raw
	for name, raw := range map[string][]byte{"empty": nil, "garbage": []byte("garbage"), "cut": good[:len(good)-3], "longer": append(good[:len(good):len(good)], 0)} {
		var d *exchange.Denial
		if _, err := f.guard.Offer(t.Context(), "H40.1", raw); !errors.As(err, &d) || d.Code != wire.CodeMalformed || d.After != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestP7_Custody(t *testing.T) {
	f := newFixture(t)
	mine, other := f.header(t, "H40.1", nil), f.header(t, "H40.1", nil)
	receipt := func(s bundle.Signed, office, signer string) []byte {
		raw, err := bundle.SignReceipt(bundle.Receipt{ID: s.Header.ID, Header: s.Digest(), Office: office, At: now, Epoch: uuid.New()}, f.keys[signer])
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	tests := []struct {
		name    string
		receipt []byte
		good    bool
	}{
		{"good", receipt(mine, "H40.2", "H40.2"), true},
		{"of another bundle", receipt(other, "H40.2", "H40.2"), false},
		{"of another office", receipt(mine, "H40.1", "H40.1"), false},
		{"signed by another office", receipt(mine, "H40.2", "H40.1"), false},
		{"garbage", []byte{1, 2, 3}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.refused = nil
			if err := f.guard.Custody(t.Context(), "H40.2", mine.Raw, tt.receipt); (err == nil) != tt.good {
				t.Errorf("error is %v", err)
			}
			if (len(f.refused) == 0) != tt.good {
				t.Errorf("reported: %v", f.refused)
			}
		})
	}
}

// TestReceiptCoversTheHeader closes the circle: what one guard signs, another
// believes.
func TestReceiptCoversTheHeader(t *testing.T) {
	f := newFixture(t)
	signed := f.header(t, "H40.1", nil)
	raw, err := f.guard.Receipt(t.Context(), signed.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.guard.Custody(t.Context(), "H40", signed.Raw, raw); err != nil {
		t.Error(err)
	}
}

func TestP7_Hello(t *testing.T) {
	f := newFixture(t)
	if err := f.guard.Hello(t.Context(), "H40.1", wire.Hello{Office: "h40.1"}, false); err != nil {
		t.Errorf("own code in lower case: %v", err)
	}
	if err := f.guard.Hello(t.Context(), "H40.1", wire.Hello{Office: "H40.2"}, false); err == nil || len(f.refused) != 1 {
		t.Errorf("another office's code: error %v, reported %v", err, f.refused)
	}
}
