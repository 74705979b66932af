package enroll

import (
	"crypto/x509"
	"testing"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/identity"
	"tram/storage/sqlite"
)

// TestAHubJoinsWithItsOwnKeys: a code has one key, above and below.
func TestAHubJoinsWithItsOwnKeys(t *testing.T) {
	above, below := newHub(t, "H40"), newHub(t, "H40.D1")
	above.Brokers = []*x509.Certificate{below.Root.Cert}
	var made []ca.Made
	err := above.db.Update(t.Context(), func(tx *sqlite.Tx) (err error) {
		made, err = above.CreateInvites(tx, above.reg, []ca.Office{{Code: "H40.D1", Name: "Khu vực", Parent: "H40", Kind: "hub"}}, ca.InviteOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, "hub.moi", made[0].Raw)
	o := Options{Dir: t.TempDir(), Invite: file, Dial: dead, Hub: &HubKeys{
		Device: below.Device().Key, Age: below.Age, CA: below.Root.Cert, Authority: below.Authority.Cert,
	}}
	if r, err := Enroll(t.Context(), o); err != nil || r.State != Pending {
		t.Fatalf("without a link: %+v, %v", r, err)
	}
	o.Dial = nil
	if r, err := Resume(t.Context(), o); err != nil || r.State != Enrolled || r.Hub != "H40" {
		t.Fatalf("%+v, %v", r, err)
	}
	id, err := identity.Load(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if !same(id.Device.Public(), &below.Device().Key.PublicKey) || id.Age.String() != below.Age.String() {
		t.Error("the hub has other keys above than below")
	}
	if len(id.Trust.Brokers) != 1 || !id.Trust.Brokers[0].Equal(below.Root.Cert) {
		t.Errorf("CAs of the broker: %v", id.Trust.Brokers)
	}
	// Its certificates are renewed like an office's.
	above.now = func() time.Time { return time.Now().Add(ca.DeviceLife * 3 / 4) }
	var answer []byte
	err = above.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		r, err := above.Prepare(tx, above.reg, "H40.D1")
		if err != nil {
			return err
		}
		answer, err = above.Renewed(r, [32]byte{}, nil, tx.Now())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Take(o.Dir, answer)
	if err != nil || !r.Identity.DeviceCert.NotAfter.After(id.DeviceCert.NotAfter) || !same(r.Identity.Device.Public(), &below.Device().Key.PublicKey) {
		t.Errorf("renewed: %+v, %v", r, err)
	}
	card, err := above.reg.Lookup("H40.D1")
	if err != nil || !card.IsHub() || !card.CA.Equal(below.Root.Cert) {
		t.Errorf("card above: %+v, %v", card, err)
	}
}
