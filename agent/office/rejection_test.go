package office

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"tram/agent/evidence"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/seal"
	"tram/agent/verify"
	"tram/storage"
	"tram/sync/wire"
)

// TestP10_TheHubSignsThatItDidNotTakeADocument: by REFUSE first, as over a line
// that holds, or by its evidence alone.
func TestP10_TheHubSignsThatItDidNotTakeADocument(t *testing.T) {
	for name, code := range map[string]wire.Code{"after REFUSE": wire.CodeNotAllowed, "alone": wire.CodeExpired} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "H40.1", "H40.2")
			a := w.offices["H40.1"]
			doc := a.send(draft("H40.2"))
			if name != "alone" {
				err := a.queue.Settle(t.Context(), hubCode, doc.ID, storage.Outcome{Code: uint16(code), Text: "office may not write", At: w.clock})
				if err != nil {
					t.Fatal(err)
				}
			}
			e := evidence.Event{Name: evidence.SubmissionRejection, At: w.clock, Reason: evidence.Refused, Code: code}
			s := w.hubSeal()
			for range 2 { // twice, and shown once
				w.testify(a, s, hubCode, doc, nil, e)
			}
			got := a.get(doc.ID)
			refused := 0
			for _, step := range got.Events {
				if step.Step == Failed {
					refused++
				}
			}
			last := got.Events[len(got.Events)-1]
			if got.State != Failed || track(got)[len(got.Events)-1] != "failed::H40:evidence" || last.Note != "office.evidence.SubmissionRejection.refused" {
				t.Fatalf("state %s, track %q, %+v", got.State, track(got), last)
			}
			if name != "alone" && refused != 1 {
				t.Errorf("it is refused %d times: %q", refused, track(got))
			}
			for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
				why := refusal(code, "").in(lang)
				if words := last.Words(lang); !strings.HasSuffix(words, ": "+why) || got.ReasonIn(lang) != why || got.To[0].ReasonIn(lang) != why {
					t.Errorf("%s: %q, %q, %q", lang, words, got.ReasonIn(lang), got.To[0].ReasonIn(lang))
				}
			}
			if stats, err := a.queue.Stats(t.Context()); err != nil || stats.Bundles != 0 {
				t.Errorf("a refused bundle is kept: %+v, %v", stats, err)
			}
			testifiesRejection(t, w, a, doc, code)
			w.audited()
		})
	}
}

// testifiesRejection looks for the rejection in the exported file.
func testifiesRejection(t *testing.T, w *world, a *node, doc Document, code wire.Code) {
	t.Helper()
	var file bytes.Buffer
	if err := a.Export(t.Context(), doc.ID, &file); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(w.ca.cert)
	report, err := verify.Container(bytes.NewReader(file.Bytes()), int64(file.Len()), verify.Trust{Trust: seal.Trust{Roots: seal.Only(roots), Now: w.clock}})
	if err != nil || report.Result != seal.Passed {
		t.Fatalf("report %+v, %v", report, err)
	}
	found := slices.ContainsFunc(report.Lines, func(l verify.Line) bool {
		return l.Witness != nil && slices.ContainsFunc(l.Witness.Events, func(e evidence.Event) bool {
			return e.Name == evidence.SubmissionRejection && e.Code == code && l.Seal.Verdict.Code == hubCode
		})
	})
	if !found {
		t.Errorf("no rejection in %+v", report.Lines)
	}
}

// neighbour is another hub with a CA of its own, of which offices learn when they
// start; it returns that hub's CA and seal.
func (w *world) neighbour(code string) (ca pair, s seal.Sealer) {
	ca = w.issue(pair{}, pkix.Name{CommonName: "CA of " + code}, true)
	device := w.issue(ca, pkix.Name{CommonName: code, OrganizationalUnit: []string{identity.UnitDevice}}, false)
	own := w.issue(ca, pkix.Name{CommonName: "UBND tỉnh " + code, SerialNumber: code, OrganizationalUnit: []string{identity.UnitSeal}}, false)
	w.card(registry.Card{
		Code: code, Name: "UBND tỉnh " + code, Kind: registry.KindHub, Device: &device.key.PublicKey, Authority: &ca.key.PublicKey, CA: ca.cert,
		Recipient: must(age.GenerateX25519Identity()).Recipient().String(),
	})
	return ca, seal.Sealer{Key: own.key, Cert: own.cert, Now: w.now}
}

// TestP7_AnotherHubCannotRefuseForOurs: what it says is shown, and ends nothing.
func TestP7_AnotherHubCannotRefuseForOurs(t *testing.T) {
	w := newWorld(t, "H40.1", "H40.2")
	a := w.offices["H40.1"]
	_, other := w.neighbour("H41")
	a.restart()
	doc := a.send(draft("H40.2"))
	w.relay()
	w.testify(a, other, "H41", doc, nil, evidence.Event{Name: evidence.SubmissionRejection, At: w.clock, Reason: evidence.Refused, Code: wire.CodeSender})
	if got := a.get(doc.ID); got.State != AtHub || !slices.Contains(track(got), "hub::H41:evidence") {
		t.Errorf("state %s, track %q", got.State, track(got))
	}
}
