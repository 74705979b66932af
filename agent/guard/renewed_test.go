package guard_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"tram/agent/guard"
	"tram/agent/hub/registry"
	"tram/sync/bundle"
	"tram/sync/exchange"
	"tram/sync/wire"
)

// TestHeadersOfAnOfficeThatEnrolledAnew: one that is signed with a key of before
// stays good, one that is signed with a key not known yet is waited for, and
// one that nothing can explain is refused for good.
func TestHeadersOfAnOfficeThatEnrolledAnew(t *testing.T) {
	enrolled := now.Add(-30 * time.Hour)
	for _, c := range []struct {
		name    string
		signer  string
		created time.Time
		current bool // the registry here is newer than the header
		want    wire.Code
		after   time.Duration
	}{
		{"with the key of today", "H40.1", now, false, wire.CodeNone, 0},
		{"with the key of before, made before", "former", enrolled.Add(-time.Hour), true, wire.CodeNone, 0},
		{"with the key of before, by a clock that lags", "former", enrolled.Add(time.Hour), true, wire.CodeNone, 0},
		{"with the key of before, made long after", "former", enrolled.Add(guard.ClockTolerance + time.Minute), true, wire.CodeSignature, 0},
		{"with a key that is not known yet", "H40.2", now, false, wire.CodeUnknownSender, 5 * time.Second},
		{"so for hours", "H40.2", now.Add(-9 * time.Hour), false, wire.CodeUnknownSender, time.Minute},
		{"so, and no newer card can come", "H40.2", now, true, wire.CodeSignature, 0},
		{"older than the card", "H40.2", enrolled.Add(-guard.ClockTolerance), false, wire.CodeSignature, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			former, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			f.keys["former"] = former
			known := cards{"H40.1": {Code: "H40.1", Device: f.keys["H40.1"].Public(), Issued: enrolled, Succession: registry.Succession{
				Former: []registry.FormerKey{{Device: &former.PublicKey, Until: enrolled}},
			}}}
			var refused int
			g := guard.New(guard.Options{
				Code: "H40", Device: f.keys["H40"], Registry: known, Now: func() time.Time { return now },
				Current: func(_ registry.Card, created time.Time) bool {
					if !created.Equal(c.created) {
						t.Errorf("asked about %s, want %s", created, c.created)
					}
					return c.current
				},
				Refused: func(context.Context, guard.Refusal) { refused++ },
			})
			header := f.header(t, c.signer, func(h *bundle.Header) { h.Created, h.Expires = c.created, now.Add(48*time.Hour) })
			_, err = g.Offer(t.Context(), "H40", header.Raw)
			var d *exchange.Denial
			switch errors.As(err, &d) {
			case false:
				if c.want != wire.CodeNone || err != nil {
					t.Errorf("error %v, want code %d", err, c.want)
				}
			case true:
				if d.Code != c.want || d.After != c.after {
					t.Errorf("denial %+v, want code %d after %s", d, c.want, c.after)
				}
			}
			if (refused > 0) != (c.want == wire.CodeSignature) {
				t.Errorf("%d refusals reported", refused)
			}
			// The new card settles what was waited for.
			if c.want == wire.CodeUnknownSender {
				known["H40.1"] = registry.Card{Code: "H40.1", Device: f.keys["H40.2"].Public(), Issued: now}
				if _, err := g.Offer(t.Context(), "H40", header.Raw); err != nil {
					t.Errorf("with the new card: %v", err)
				}
			}
		})
	}
}
