package agent_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"tram/agent/api"
	"tram/agent/enroll"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/office"
	"tram/agent/problem"
)

// offices does something with the directory while the hub does not run.
func (p *province) offices(do func(h *hub.Hub) error) {
	p.t.Helper()
	h, err := p.openHub()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := do(h); err != nil {
		p.t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// tries hands over a document and returns the code of the problem, "" for none.
func (b *box) tries(to string) string {
	b.p.t.Helper()
	_, err := b.api.Send(b.p.t.Context(), api.DraftRequest{To: []string{to}, Subject: "V/v thử", Files: []string{"a.bin"}, By: "test"},
		[]io.Reader{bytes.NewReader([]byte("x"))})
	if err == nil {
		return ""
	}
	return problem.From(err).Code
}

// TestP7_AnEnterpriseIsHeldToItsRules runs a hub with a commune and an
// enterprise: its own program refuses what its card does not allow, and learns
// of a new rule while it runs.
func TestP7_AnEnterpriseIsHeldToItsRules(t *testing.T) {
	p := found(t)
	const code = "H40.DN"
	p.invite("code,name,parent,kind\n" + code + ",Công ty Cấp nước,H40,enterprise\n")
	p.startHub()
	a, b, firm := p.join(codeA), p.join(codeB), p.join(code)
	p.eventually("the rule", func() bool { return firm.tries(codeA) == "send.not-allowed" })

	change := hub.OfficeChange{Act: hub.ActAllow, Code: code, May: []string{codeA}}
	if _, err := p.theHub.ChangeOffice(t.Context(), change, "test"); err != nil {
		t.Fatal(err)
	}
	p.eventually("the new rule", func() bool { return firm.tries(codeA) == "" })
	if got := firm.tries(codeB); got != "send.not-allowed" {
		t.Errorf("to another office: %q", got)
	}
	p.eventually("arrival", func() bool { return len(a.incoming()) > 0 })

	// Whoever writes to it gets an answer.
	doc := b.send(code, []byte("hỏi"))
	b.reaches(doc.ID, office.Delivered)
}

// TestSendingToAnOldCodeReachesTheOfficeOfToday merges one commune into another
// while a third holds the registry of before.
func TestSendingToAnOldCodeReachesTheOfficeOfToday(t *testing.T) {
	p := found(t)
	p.offices(func(h *hub.Hub) error {
		_, err := h.ImportOffices(t.Context(), []byte("code,name,parent,kind,old\nH40.77,UBND xã Cũ,H40,xa,000.77.31.H40\n"), "test")
		return err
	})
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	p.eventually("the directory", func() bool { return a.tries("000.77.31.h40") == "send.recipient-not-enrolled" })
	change := hub.OfficeChange{Act: hub.ActMerge, Code: codeB, From: []string{"H40.77"}}
	if _, err := p.theHub.ChangeOffice(t.Context(), change, "test"); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"H40.77", "000.77.31.H40"} {
		doc := a.send(old, []byte("tới mã cũ"))
		doc = a.reaches(doc.ID, office.Delivered)
		told := false
		for _, e := range doc.Events {
			told = told || strings.Contains(e.Note, "nay là "+codeB)
		}
		if doc.To[0].Code != codeB || !told {
			t.Errorf("to %s: it went to %+v, the track is %+v", old, doc.To, doc.Events)
		}
	}
	if got := len(b.incoming()); got != 2 {
		t.Errorf("%d documents arrived", got)
	}
}

// TestP3_DocumentsOfBeforeAndAfterAnOfficeEnrolsAnewArrive: A saves a document
// without a line, loses its keys and is enrolled anew with other ones; then it sends another one
// to B, who has been away and knows neither the new card nor the old document.
func TestP3_DocumentsOfBeforeAndAfterAnOfficeEnrolsAnewArrive(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	first := a.send(codeB, []byte("trước hết")) // both know each other
	a.reaches(first.ID, office.Delivered)
	b.end(t)
	p.stopHub()
	before := a.send(codeB, []byte("ký bằng khóa cũ"))
	a.end(t)

	h, err := p.openHub()
	if err != nil {
		t.Fatal(err)
	}
	made, err := h.Invite(t.Context(), []byte("code,name,parent,kind\n"+codeA+",UBND xã An Bình,H40,xa\n"), ca.InviteOptions{By: "test", New: true})
	if err == nil {
		err = ca.WriteInvites(p.invites, made)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	p.startHub()
	if err := os.RemoveAll(a.dir + "/keys"); err != nil {
		t.Fatal(err)
	}
	r, err := enroll.Enroll(t.Context(), enroll.Options{Dir: a.dir, Invite: p.inviteFile(codeA)})
	if err != nil || r.State != enroll.Enrolled {
		t.Fatalf("enrolled anew: %+v, %v", r, err)
	}
	a.reopen()
	after := a.send(codeB, []byte("ký bằng khóa mới"))
	a.reaches(after.ID, office.AtHub)
	a.reaches(before.ID, office.AtHub)
	b.reopen()
	b.hasExactly(first, before, after)
	a.reaches(after.ID, office.Delivered) // an answer to the other may be for the key that is lost
}
