//go:build amd64 || arm64

package agent_test

import (
	"bytes"
	"io"
	"slices"
	"syscall"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/health"
	"tram/agent/hub"
	"tram/agent/hub/fleet"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/forgetful"
)

// again kills the process and starts it.
func (v *victim) again() {
	v.child.Kill()
	v.start(nil)
}

// refused tries to send, and returns the problem that the person sees.
func (v *victim) refused(size int) *problem.Problem {
	v.p.t.Helper()
	_, err := v.api.Send(v.p.t.Context(), api.DraftRequest{To: []string{codeB}, Subject: "V/v thử", Files: []string{"a.bin"}, By: "test"},
		[]io.Reader{bytes.NewReader(make([]byte, size))})
	if err == nil {
		v.p.t.Fatal("it was saved")
	}
	return problem.From(err)
}

func (v *victim) reaches(id office.Document, want office.State) {
	v.p.t.Helper()
	v.p.eventually(string(want), func() bool {
		d, err := v.api.Get(v.p.t.Context(), id.ID)
		return err == nil && d.State == want
	})
}

// TestP3_P9_AReserveKeepsReceiptsAndAlarmsFlowing: with no room for documents an office
// still takes its receipts, tells the hub how it is, shows its pages' readers why it takes
// nothing, and refuses by name; nothing is lost, and with room all goes on.
func TestP3_P9_AReserveKeepsReceiptsAndAlarmsFlowing(t *testing.T) {
	v, b := onDisk(t)
	p, disk := v.p, v.disk
	v.start(nil)
	v.sends(v.api, codeB, 0)
	v.reaches(office.Document{ID: v.saved[0].id}, office.Delivered)
	b.end(t) // what comes now finds its receiver away
	v.sends(v.api, codeB, 0)
	sent := v.saved[len(v.saved)-1]
	disk.SetCapacity(disk.Used() + 6<<20) // less than the reserve
	if got := v.refused(100_000); got.Class != problem.Full || got.Code != "office.full" {
		t.Errorf("a document is refused with %s: %v", got.Code, got)
	}
	if got := v.refused(1000); got.Class != problem.Full {
		t.Errorf("a small document is refused with %s: %v", got.Code, got)
	}
	b.reopen()
	v.sends(b.api, codeA, 3)
	waiting := v.saved[len(v.saved)-1]
	v.reaches(office.Document{ID: sent.id}, office.Delivered) // its receipt came over the full disk
	s, err := v.api.Status(t.Context())
	if err != nil || s.State != "ready" || !slices.ContainsFunc(s.Conditions, func(c health.Condition) bool { return c.Code == health.DiskLow }) {
		t.Errorf("status %+v, %v", s, err)
	}
	p.eventually("word at the hub that the disk is full", func() bool {
		list, err := p.theHub.ListAgents(t.Context(), hub.AgentQuery{States: []fleet.State{fleet.NeedsRepair}})
		return err == nil && len(list.Agents) == 1 && list.Agents[0].Code == codeA && list.Agents[0].Reason.Code == health.DiskLow
	})
	if _, err := v.api.Get(t.Context(), waiting.id); problem.From(err).Class != problem.NotFound {
		t.Errorf("a document was let into the reserve: %v", err)
	}
	disk.SetCapacity(1 << 30)
	v.again() // the hub has been told to wait; a new connection asks at once
	v.arrived(b)
}

// TestP1_AnOfficeOutlivesADiskThatFails: no byte of room, a medium that takes no writes,
// I/O errors; each time the office still answers, and afterwards everything that was said
// to be saved arrives.
func TestP1_AnOfficeOutlivesADiskThatFails(t *testing.T) {
	v, b := onDisk(t)
	disk := v.disk
	v.start(nil)
	v.sends(v.api, codeB, 0)
	for _, fault := range []syscall.Errno{syscall.ENOSPC, syscall.EROFS, syscall.EIO} {
		disk.Fail(func(op forgetful.Op, _ string) syscall.Errno {
			if op == forgetful.OpRead {
				return 0
			}
			return fault
		})
		if got := v.refused(100_000); fault == syscall.ENOSPC && got.Class != problem.Full {
			t.Errorf("%v: refused with %s: %v", fault, got.Code, got)
		}
		if s, err := v.api.Status(t.Context()); err != nil {
			t.Errorf("%v: status %+v, %v", fault, s, err)
		}
		time.Sleep(300 * time.Millisecond) // its own work fails as well
		disk.Fail(nil)
		v.sends(v.api, codeB, 0)
		v.sends(b.api, codeA, 0)
	}
	v.again()
	v.arrived(b)
}
