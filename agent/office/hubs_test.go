package office

import (
	"crypto/ecdsa"
	"crypto/x509/pkix"
	"testing"

	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/storage/sqlite"
)

// TestP7_OnlyTheCAOfItsHubSealsForAnOffice: an office of another hub is believed
// with a seal of that hub's CA, and no other.
func TestP7_OnlyTheCAOfItsHubSealsForAnOffice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "A", "B")
	foreign, third := w.issue(pair{}, pkix.Name{CommonName: "CA of H41"}, true), w.issue(pair{}, pkix.Name{CommonName: "CA of H42"}, true)
	for code, ca := range map[string]pair{"H41": foreign, "H42": third} {
		w.card(registry.Card{Code: code, Name: "UBND " + code, Kind: registry.KindHub, Authority: &ca.key.PublicKey, CA: ca.cert})
	}
	a, b := w.offices["A"], w.offices["B"]
	raw := w.card(registry.Card{Code: "A", Name: "A", Hub: "H41", Device: a.id.Device.Public().(*ecdsa.PublicKey), Recipient: a.id.Age.Recipient().String()})
	err := b.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := b.registry.Merge(tx, [][]byte{w.cards["H41"], w.cards["H42"], raw})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name := pkix.Name{CommonName: "A", SerialNumber: "A", OrganizationalUnit: []string{identity.UnitSeal}}
	for _, c := range []struct {
		name string
		ca   pair
		want State
	}{
		{"its hub's", foreign, Arrived}, {"our hub's", w.ca, Returned}, {"a third hub's", third, Returned},
	} {
		id := forge(w, func(f *forgery) {
			own := w.issue(c.ca, name, false)
			f.sealer = seal.Sealer{Key: own.key, Cert: own.cert, Now: w.now}
		})
		if err := b.drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d := b.get(id); d.State != c.want {
			t.Errorf("sealed by %s CA: state %s, want %s (%+v)", c.name, d.State, c.want, d.Seal)
		}
	}
}
