package relay_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/relay"
	"tram/agent/tsa"
	"tram/storage/audit"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// TestP3_DossiersAreRelayedAsDocumentsAre: each recipient gets its own slip, the
// hub keeps it until each has answered, and who is not reached is reported to the
// sender.
func TestP3_DossiersAreRelayedAsDocumentsAre(t *testing.T) {
	s := newTree(t)
	id := s.bring("D1", "D", bundle.KindDossier, uuid.Nil, "A", "B", "V", "X")
	s.routed()
	if got := s.next(id); !slices.Equal(got, []string{"A", "B", "VN"}) { // X may be known above
		t.Fatalf("it waits for %v", got)
	}
	for _, code := range []string{"A", "B"} {
		o := s.outgoing(code)[0]
		signed, err := bundle.Parse(o.Header)
		must(t, err)
		key, err := bundle.OpenSlip(o.Slip, s.secrets[code])
		must(t, err)
		must(t, key.Opens(signed.Header))
		s.custody(code, id)
	}
	s.custody("VN", id)
	s.bring("B", "B", bundle.KindStatus, id, "D1")
	s.routed()
	if got := s.next(id); !slices.Equal(got, []string{"A", "VN"}) {
		t.Errorf("after the answer of B it is kept for %v", got)
	}
	s.bring("A", "A", bundle.KindStatus, id, "D1")
	s.routed()
	s.say(codeAbove, relay.Notice{Version: 1, Type: "passed", Bundles: []uuid.UUID{id}})
	if got := s.next(id); len(got) != 0 {
		t.Errorf("after all it is kept for %v", got)
	}
	s.wantReport(codeBelow, id)
	if _, err := audit.Verify(t.Context(), s.db); err != nil {
		t.Error(err)
	}
}

// TestTheHubStampsTheSealOfADossier: the time stamp goes to its sender, and no
// evidence to anybody.
func TestTheHubStampsTheSealOfADossier(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := s.witness(hubCode)
	s.stamp = [32]byte{7}
	id := s.bring("A", "A", bundle.KindDossier, uuid.Nil, "B")
	s.bring("A", "A", bundle.KindStatus, uuid.New(), "B") // gets none
	s.routed()
	s.custody("B", id)
	evidence, stamps := s.testified("A", id, roots)
	if len(stamps) != 1 || stamps[0].Document != id || len(evidence) != 0 {
		t.Fatalf("stamps are %+v, evidence is %q", stamps, evidence)
	}
	token, err := tsa.ParseToken(stamps[0].Token)
	must(t, err)
	if err := token.Verify(tsa.SHA256(s.stamp), tsa.Anchors{Roots: roots, Now: time.Now()}); err != nil {
		t.Error(err)
	}
	if evidence, stamps := s.testified("B", id, roots); len(evidence)+len(stamps) != 0 {
		t.Errorf("the recipient is told %q, %+v", evidence, stamps)
	}
}

func TestADossierThatDoesNotArriveIsReported(t *testing.T) {
	s := newStage(t, time.Time{})
	id := s.bring("A", "A", bundle.KindDossier, uuid.Nil, "X")
	s.routed()
	if n := s.notice("A"); n.Type != "undeliverable" || n.Bundle != id || n.Office != "X" || n.Code != wire.CodeUnknownRecipient {
		t.Errorf("notice is %+v", n)
	}
}
