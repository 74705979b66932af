package ca

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"tram/agent/lan"
	"tram/storage/sqlite"
)

// TestTheHubCertifiesItsOwnConsole has the keeper of the console's certificate take
// what the authority for pages issues, for names of local networks alone.
func TestTheHubCertifiesItsOwnConsole(t *testing.T) {
	h := newHub(t)
	p := h.pages(t)
	keeper, err := lan.Open(lan.Options{Dir: t.TempDir(), Names: []string{"192.168.1.5", "dieuhanh.lan", "tram.example.vn"}, Title: h.Name, Now: func() time.Time { return h.now }})
	if err != nil || !keeper.Due() {
		t.Fatalf("keeper: %v", err)
	}
	request, left, err := keeper.HubRequest()
	if err != nil || len(left) != 1 || left[0] != "tram.example.vn" {
		t.Fatalf("request leaves out %q, %v", left, err)
	}
	var chain []*x509.Certificate
	h.update(t, func(tx *sqlite.Tx) (err error) {
		chain, err = h.IssueConsole(tx, p, request)
		return err
	})
	if err := keeper.Take(chain, h.now); err != nil || keeper.Due() || keeper.State().Source != lan.Hub {
		t.Errorf("take: %v, %+v", err, keeper.State())
	}
	bad := csr(t, newKey(t), named("tram.example.vn"))
	if err := h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		_, err := h.IssueConsole(tx, p, bad)
		return err
	}); err == nil {
		t.Error("a name of the internet was certified")
	}
}

// TestInviteFilesAreTheSameAgain: what is printed and downloaded later is what was
// made, for invites that can still be used alone.
func TestInviteFilesAreTheSameAgain(t *testing.T) {
	h := newHub(t)
	offices := []Office{{Code: "H40.1", Name: "Xã A", Parent: "H40", Kind: "xa"}, {Code: "H40.2", Name: "Xã B", Parent: "H40", Kind: "xa"}}
	var made []Made
	h.update(t, func(tx *sqlite.Tx) (err error) {
		made, err = h.CreateInvites(tx, h.reg, offices, InviteOptions{Batch: "a"})
		return err
	})
	files := func(batch, id string) (again []Made) {
		t.Helper()
		h.update(t, func(tx *sqlite.Tx) (err error) {
			again, err = h.InviteFiles(tx, batch, id)
			return err
		})
		return again
	}
	again := files("a", "")
	if len(again) != 2 || !bytes.Equal(again[0].Raw, made[0].Raw) || !bytes.Equal(again[1].Raw, made[1].Raw) || again[0].File != made[0].File {
		t.Fatalf("%d files, or others", len(again))
	}
	if one := files("", made[1].ID.String()); len(one) != 1 || !bytes.Equal(one[0].Raw, made[1].Raw) {
		t.Errorf("one invite gives %d files", len(one))
	}
	h.update(t, func(tx *sqlite.Tx) error {
		_, err := RevokeBatch(tx, "a", "test")
		return err
	})
	if gone := files("a", ""); len(gone) != 0 || len(files("b", "")) != 0 {
		t.Errorf("%d files of withdrawn invites", len(gone))
	}
}
