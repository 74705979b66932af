package relay_test

import (
	"testing"
	"time"

	"tram/agent/hub/relay"
	"tram/sync/bundle"
)

// TestP3_WhatAnOfficeTookSinceItsBackupIsKept for the case that it is set back, until a
// newer backup has it, and not for an office that makes none.
func TestP3_WhatAnOfficeTookSinceItsBackupIsKept(t *testing.T) {
	s := newStage(t, time.Time{})
	must(t, s.relay.Saved(t.Context(), "b", time.Now()))
	id := s.arrive("B")
	s.routed()
	s.custody("B", id)
	status := s.bring("B", "B", bundle.KindStatus, id, "A")
	s.routed()
	s.custody("A", status)
	if n := len(s.outgoing("B")); n != 1 {
		t.Errorf("another store of B is offered %d bundles, want its document", n)
	}
	if n := len(s.outgoing("A")); n != 0 {
		t.Errorf("A, which makes no backups, is offered %d bundles", n)
	}
	toB := s.bring("A", "A", bundle.KindStatus, id, "B")
	s.routed()
	s.custody("B", toB)
	if n := len(s.outgoing("B")); n != 2 {
		t.Errorf("another store of B is offered %d bundles, want document and status", n)
	}
	must(t, s.relay.Expire(t.Context()))
	s.relay = s.newRelay(time.Time{}) // which reads what the former one knew
	s.routed()
	must(t, s.relay.Saved(t.Context(), "B", time.Now().Add(time.Second)))
	if n := len(s.outgoing("B")); n != 2 {
		t.Errorf("after the same backup again %d are kept", n)
	}
	must(t, s.relay.Saved(t.Context(), "B", time.Now().Add(time.Hour)))
	if n, _, err := s.queue.Kept(t.Context()); err != nil || n != 0 {
		t.Errorf("after a newer backup %d are kept (error %v)", n, err)
	}
}

// TestP9_WhatIsKeptForABackupGoesInTime.
func TestP9_WhatIsKeptForABackupGoesInTime(t *testing.T) {
	s := newStage(t, time.Time{})
	must(t, s.relay.Saved(t.Context(), "B", time.Now()))
	id := s.arrive("B")
	s.routed()
	s.custody("B", id)
	s.bring("B", "B", bundle.KindStatus, id, "A")
	s.routed()
	s.late = relay.KeepFor + time.Hour
	must(t, s.relay.Expire(t.Context()))
	if n, _, err := s.queue.Kept(t.Context()); err != nil || n != 0 {
		t.Errorf("%d are kept (error %v)", n, err)
	}
}
