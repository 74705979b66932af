package office

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/agent/verify"
	"tram/storage"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// alone checks what an office exports as somebody who has the CA of the hub and
// nothing else. It gives the result, and the proofs as "kind:office:result:reason".
func (w *world) alone(from *node, id storage.ID) (verify.Report, string) {
	w.t.Helper()
	var file bytes.Buffer
	if err := from.Export(w.t.Context(), id, &file); err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.cert)
	r, err := verify.Container(bytes.NewReader(file.Bytes()), int64(file.Len()), verify.Trust{
		Trust: seal.Trust{Roots: seal.Only(roots), Stamps: roots, Now: w.clock}, Vouching: true,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	var proofs []string
	for _, p := range r.Proofs {
		proofs = append(proofs, fmt.Sprintf("%s:%s:%s:%s", p.Kind, p.Office, p.Result, p.Reason))
	}
	return r, strings.Join(proofs, " ")
}

// paged has an office take in a page with newer cards of some, as its hub sends
// them: without signatures of their own.
func (w *world) paged(n *node, codes ...string) {
	w.t.Helper()
	page := registry.Page{Made: w.clock}
	for _, code := range codes {
		card := must(registry.PeekCard(w.cards[code]))
		w.serial++
		card.Serial = w.serial
		page.Cards, page.Until, page.Version = append(page.Cards, card), w.serial, w.serial
	}
	page = must(registry.ParsePage(must(registry.EncodePage(page, w.authority.key)), &w.authority.key.PublicKey))
	err := n.db.Update(w.t.Context(), func(tx *sqlite.Tx) error {
		_, err := n.registry.TakePage(tx, page)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// vouch brings an office evidence of the hub on a document, with cards.
func (w *world) vouch(to *node, doc Document, cards ...[]byte) {
	w.t.Helper()
	r := evidence.Record{Document: doc.ID, Header: [32]byte{}, From: doc.From.Code, Witness: hubCode, Events: []evidence.Event{{Name: evidence.SubmissionAcceptance, At: w.clock}}}
	signed := must(bundle.Parse(to.header(doc.ID)))
	r.Header = signed.Digest()
	n := notice{Version: 1, Type: "evidence", At: w.clock, Evidence: [][]byte{must(evidence.Seal(r, w.hubSeal()))}, Cards: cards}
	w.control(to, hubCode, w.hub.key, bundle.KindNotice, bundle.RoleNotice, must(json.Marshal(n)))
	if err := to.drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (n *node) proves(code string) bool {
	n.w.t.Helper()
	var ok bool
	err := n.db.View(n.w.t.Context(), func(tx *sqlite.Tx) (err error) {
		ok, err = n.Proves(tx, code)
		return err
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
	return ok
}

// TestP12_WhatAnOfficeExportsProvesItsHeaderAndReceipts also where the registry
// came in pages, once the hub has sent the cards that are concerned.
func TestP12_WhatAnOfficeExportsProvesItsHeaderAndReceipts(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2")
	a, b := w.offices["H40.1"], w.offices["H40.2"]
	doc := a.send(draft("H40.2"))
	w.deliver()
	want := func(from *node, proofs string) {
		t.Helper()
		if r, got := w.alone(from, doc.ID); r.Result != seal.Passed || got != proofs {
			t.Errorf("exported by %s: %s %s, %s; want %s", from.id.Code, r.Result, r.Reason, got, proofs)
		}
	}
	want(a, "header:H40.1:passed: custody:H40:passed:")
	want(b, "header:H40.1:passed:")

	w.paged(a, "H40", "H40.1")
	w.paged(b, "H40", "H40.1")
	want(a, "header:H40.1:indeterminate:no-card custody:H40:indeterminate:no-card")
	want(b, "header:H40.1:indeterminate:no-card")
	if a.proves("H40") || a.proves("H99") {
		t.Error("an office proves what it has from a page alone, or an office that it does not know")
	}
	w.vouch(b, b.get(doc.ID), w.cards["H40.1"], []byte("junk"))
	want(b, "header:H40.1:passed:")
	if err := a.db.Update(t.Context(), func(tx *sqlite.Tx) error { return a.KeepCard(tx, w.cards["H40"]) }); err != nil {
		t.Fatal(err)
	}
	if !a.proves("H40") {
		t.Error("the hub's card came with its greeting, and proves nothing")
	}
	a.id.Card = w.cards["H40.1"]
	a.Use(a.id)
	want(a, "header:H40.1:passed: custody:H40:passed:")
	w.audited()
}

func TestACardThatTheAuthorityHasNotSignedIsNotKept(t *testing.T) {
	w := newWorld(t, "H40.1")
	a := w.offices["H40.1"]
	strange := newWorld(t, "H40.5").cards["H40.5"]
	newer := w.card(registry.Card{Code: "H40.7", Name: "mới"})
	older := must(registry.SignCard(registry.Card{Code: "H40.7", Name: "cũ", Serial: 1, Issued: w.clock}, w.authority.key))
	for _, raw := range [][]byte{nil, []byte("junk"), strange, newer, older} {
		if err := a.db.Update(t.Context(), func(tx *sqlite.Tx) error { return a.KeepCard(tx, raw) }); err != nil {
			t.Fatal(err)
		}
	}
	var kept int
	var name string
	err := a.db.View(t.Context(), func(tx *sqlite.Tx) error {
		card, _, err := a.signedCard(tx, "H40.7")
		name = card.Name
		if err != nil {
			return err
		}
		return tx.QueryRow(`SELECT count(*) FROM signed_cards`).Scan(&kept)
	})
	if err != nil || kept != 1 || name != "mới" {
		t.Errorf("%d cards are kept, the name is %q, %v", kept, name, err)
	}
}

// TestP12_ADocumentOfAnotherHubIsCheckedWithOnesOwnCA: the sender's seal and the
// other hub's evidence are under that hub's CA, whose card our hub has signed.
func TestP12_ADocumentOfAnotherHubIsCheckedWithOnesOwnCA(t *testing.T) {
	w := newWorld(t, "H41.1", "H40.2")
	a, b := w.offices["H41.1"], w.offices["H40.2"]
	ca, theirs := w.neighbour("H41")
	card := must(registry.PeekCard(w.cards["H41.1"]))
	card.Hub = "H41"
	w.card(card)
	b.restart()
	own := w.issue(ca, pkix.Name{CommonName: "UBND xã H41.1", SerialNumber: "H41.1", OrganizationalUnit: []string{identity.UnitSeal}}, false)
	a.sealer.Store(&seal.Sealer{Key: own.key, Cert: own.cert, Now: w.now})
	doc := a.send(draft("H40.2"))
	w.deliver()
	if got := b.get(doc.ID); got.State != Arrived {
		t.Fatalf("state %s, %s", got.State, got.Reason)
	}
	w.testify(b, theirs, "H41", b.get(doc.ID), nil, evidence.Event{Name: evidence.SubmissionAcceptance, At: w.clock.Add(-time.Minute)})
	r, proofs := w.alone(b, doc.ID)
	if r.Result != seal.Passed || proofs != "header:H41.1:passed:" || len(r.Lines) != 3 {
		t.Errorf("%s %s, %s, %d seals", r.Result, r.Reason, proofs, len(r.Lines))
	}
	third := w.issue(pair{}, pkix.Name{CommonName: "CA of H42"}, true)
	w.card(registry.Card{Code: "H41", Name: "giả", Kind: registry.KindHub, Authority: &third.key.PublicKey, CA: third.cert, Device: &third.key.PublicKey, Recipient: card.Recipient})
	b.restart()
	if r, _ := w.alone(b, doc.ID); r.Result != seal.Failed {
		t.Errorf("with the CA of a third hub on the card: %s", r.Result)
	}
}
