package ca

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// inviteHub makes an invite for a hub below.
func (h *hub) inviteHub(t testing.TB, code string) Made {
	t.Helper()
	var made []Made
	h.update(t, func(tx *sqlite.Tx) (err error) {
		made, err = h.CreateInvites(tx, h.reg, []Office{{Code: code, Name: "Khu vực", Parent: h.Code, Kind: registry.KindHub}}, InviteOptions{})
		return err
	})
	return made[0]
}

// TestP7_OnlyTheInviteOfAHubLetsAHubIn: who may speak for further offices is
// decided by the operator, not by the one that asks.
func TestP7_OnlyTheInviteOfAHubLetsAHubIn(t *testing.T) {
	h, below := newHub(t), newHub(t)
	ask := func(r *invite.Request) { r.HubCA, r.HubAuthority = below.Root.Cert.Raw, below.Authority.Cert.Raw }
	hubs, office := h.inviteHub(t, "H40.D1"), h.invite(t, InviteOptions{}, "H40.01")[0]
	k := newKeys(t)

	_, err := h.redeem(t, request(t, office, k, ask))
	wantProblem(t, err, problem.BadInvite, "enroll.not-hub")
	_, err = h.redeem(t, request(t, hubs, k))
	wantProblem(t, err, problem.BadInvite, "enroll.for-hub")
	_, err = h.redeem(t, request(t, hubs, k, func(r *invite.Request) { r.HubCA, r.HubAuthority = h.Root.Cert.Raw, below.Authority.Cert.Raw }))
	wantProblem(t, err, problem.BadInvite, "enroll.request")
	_, err = h.redeem(t, request(t, hubs, k, func(r *invite.Request) { r.HubCA, r.HubAuthority = below.Root.Cert.Raw, below.Server().Cert.Raw }))
	wantProblem(t, err, problem.BadInvite, "enroll.request")
	swapped := request(t, hubs, k, ask)
	swapped.HubCA, swapped.HubAuthority = h.Root.Cert.Raw, h.Authority.Cert.Raw
	_, err = h.redeem(t, swapped)
	wantProblem(t, err, problem.BadInvite, "invite.proof")

	if _, err := h.redeem(t, request(t, hubs, k, ask)); err != nil {
		t.Fatal(err)
	}
	card, err := h.reg.Lookup("H40.D1")
	if err != nil || !card.IsHub() || !card.CA.Equal(below.Root.Cert) || !card.Authority.Equal(&below.Authority.Key.PublicKey) {
		t.Errorf("card %+v, %v", card, err)
	}
}

func TestAnOfficeOfAnotherHubIsNotInvited(t *testing.T) {
	h := newHub(t)
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := h.reg.Issue(tx, registry.Card{Code: "H40.D1.7", Name: "xã", Hub: "H40.D1"}, h.Authority.Key)
		return err
	})
	err := h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := h.CreateInvites(tx, h.reg, []Office{{Code: "H40.D1.7", Name: "xã", Parent: "H40"}}, InviteOptions{New: true})
		return err
	})
	wantProblem(t, err, problem.Conflict, "office.elsewhere")
}

// TestP3_RestoredHubIsKnownAbove: without its keys there it would need a new
// invite.
func TestP3_RestoredHubIsKnownAbove(t *testing.T) {
	h := newHub(t)
	name := filepath.Join(UpstreamFolder(h.dir), identity.Folder, identity.TrustFile)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{name: "{}", filepath.Join(h.dir, "brokers.pem"): "pem"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	if err := h.Backup(t.Context(), &buf, passphrase, h.reg); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	if err := Restore(dir, &buf, passphrase); err != nil {
		t.Fatal(err)
	}
	if !identity.Exists(UpstreamFolder(dir)) {
		t.Error("the identity at the hub above did not come back")
	}
	if _, err := os.Stat(filepath.Join(dir, "brokers.pem")); err != nil {
		t.Error(err)
	}
}
