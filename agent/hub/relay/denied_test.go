package relay_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/evidence"
	"tram/agent/hub/relay"
	"tram/agent/seal"
	"tram/storage/audit"
	"tram/storage/sqlite"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// offered is the header of a bundle that is offered to the hub.
func (s *stage) offered(from string, kind bundle.Kind) bundle.Signed {
	s.t.Helper()
	key, err := bundle.NewKey()
	must(s.t, err)
	h := s.header(from, kind, uuid.Nil, "B")
	h.Key = key.Recipient()
	for i := range h.Objects {
		h.Objects[i].Size = 1
	}
	signed, err := bundle.Sign(h, s.device[from])
	must(s.t, err)
	return signed
}

// rejections counts what the hub testifies to an office, by the digest of the
// header and the event.
func (s *stage) rejections(office string, roots seal.Roots) map[string]int {
	s.t.Helper()
	must(s.t, s.relay.Testify(s.t.Context()))
	found := map[string]int{}
	for _, out := range s.outgoing(office) {
		if bundle.Kind(out.Kind) != bundle.KindNotice {
			continue
		}
		var n relay.Notice
		must(s.t, json.Unmarshal(s.read(out, office), &n))
		for _, head := range n.Evidence {
			r, err := evidence.Open(head, roots, time.Now())
			must(s.t, err)
			for _, e := range r.Events {
				found[fmt.Sprintf("%x %s %s %d", r.Header, e.Name, e.Reason, e.Code)]++
			}
		}
	}
	return found
}

func TestP10_TheHubTestifiesThatItDoesNotTakeADocument(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := seal.Only(s.witness(hubCode))
	doc := s.offered("A", bundle.KindDocument)
	for range 3 { // REFUSE was lost, and it is offered again
		s.relay.Denied(t.Context(), "A", doc, wire.CodeNotAllowed)
	}
	want := map[string]int{fmt.Sprintf("%x SubmissionRejection refused 18", doc.Digest()): 1}
	if got := s.rejections("A", roots); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("testified %v, want %v", got, want)
	}
}

func TestARefusalThatIsNobodysBusinessIsNotTestified(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := seal.Only(s.witness(hubCode))
	taken := s.arrive("B")
	s.routed()
	again := s.offered("A", bundle.KindDocument)
	again.Header.ID = taken
	for _, c := range []struct {
		name   string
		peer   string
		signed bundle.Signed
	}{
		{"a document of another office", "B", s.offered("A", bundle.KindDocument)},
		{"a status", "A", s.offered("A", bundle.KindStatus)},
		{"a document that was taken before", "A", again},
	} {
		s.relay.Denied(t.Context(), c.peer, c.signed, wire.CodeExpired)
		for _, office := range []string{"A", "B"} {
			for what := range s.rejections(office, roots) {
				if evidenceName(what) == string(evidence.SubmissionRejection) {
					t.Errorf("%s: %s is told %s", c.name, office, what)
				}
			}
		}
	}
}

// evidenceName is the event in a key of rejections.
func evidenceName(what string) string {
	var digest, name string
	_, _ = fmt.Sscan(what, &digest, &name) // else it is empty
	return name
}

// TestP9_BadOffersWithoutEndCostTheHubABoundedAmount of signatures and rows, for
// each office and time.
func TestP9_BadOffersWithoutEndCostTheHubABoundedAmount(t *testing.T) {
	s := newStage(t, time.Time{})
	roots := seal.Only(s.witness(hubCode))
	flood := func(peer string, n int) {
		for range n {
			s.relay.Denied(t.Context(), peer, s.offered(peer, bundle.KindDocument), wire.CodeNotAllowed)
		}
	}
	rows := func() (n int) {
		must(t, s.db.View(t.Context(), func(tx *sqlite.Tx) error {
			return tx.QueryRow(`SELECT (SELECT count(*) FROM denials) + (SELECT count(*) FROM outcomes)`).Scan(&n)
		}))
		return n
	}
	flood("A", relay.MaxDenials+40)
	if got := rows(); got != 2*relay.MaxDenials {
		t.Errorf("%d rows after the flood, want %d", got, 2*relay.MaxDenials)
	}
	flood("B", 1)
	if got := len(s.rejections("A", roots)); got != relay.MaxDenials {
		t.Errorf("%d refusals were testified, want %d", got, relay.MaxDenials)
	}
	if got := len(s.rejections("B", roots)); got != 1 {
		t.Errorf("another office is told of %d refusals, want 1", got)
	}
	flood("A", 5)
	if got := len(s.rejections("A", roots)); got != relay.MaxDenials {
		t.Errorf("told already, and %d are testified now", got)
	}
	s.late = relay.DenialWindow + time.Minute
	if s.rejections("A", roots); rows() != 0 {
		t.Errorf("%d rows stay after the window", rows())
	}
	flood("A", 2)
	if got := len(s.rejections("A", roots)); got != relay.MaxDenials+2 {
		t.Errorf("after the window %d are testified in all, want %d", got, relay.MaxDenials+2)
	}
	full := 0
	for _, row := range list(t, s) {
		if row.Action == "relay.denials-full" && row.Actor == "A" {
			full++
		}
	}
	if full != 1 {
		t.Errorf("the audit chain says %d times that no more is testified, want once", full)
	}
}

func list(t *testing.T, s *stage) []audit.Row {
	t.Helper()
	rows, err := audit.List(t.Context(), s.db, 0, 1000)
	must(t, err)
	return rows
}
