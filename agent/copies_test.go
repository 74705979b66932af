package agent_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/api"
	"tram/agent/enroll"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/stick"
	"tram/storage"
	"tram/storage/sqlite"
)

// clone copies the data folder of a box that does not run, as a cloned disk or
// a backup does.
func (p *province) clone(code string) (dir string) {
	p.t.Helper()
	dir = p.boxDir(code) + fmt.Sprint("-", len(p.clones))
	p.clones = append(p.clones, dir)
	if err := os.CopyFS(dir, os.DirFS(p.boxDir(code))); err != nil {
		p.t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600) // CopyFS adds what a umask lets through
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return dir
}

// halted waits until the box says that it is an older copy, in both languages.
func (b *box) halted() {
	b.p.t.Helper()
	var s api.Status
	b.p.eventually(b.dir+" finds itself an older copy", func() bool {
		var err error
		s, err = b.api.Status(b.p.t.Context())
		if err != nil {
			b.p.t.Fatal(err)
		}
		return len(s.Conditions) > 0
	})
	station := stick.Client{Caller: b.api.Caller}
	if _, err := station.Outgoing(b.p.t.Context(), ""); problem.From(err).Code != "usb.older-copy" {
		b.p.t.Errorf("a stick gets %v", err)
	}
	c := s.Conditions[0]
	for lang, want := range map[i18n.Lang][]string{
		i18n.Vietnamese: {"bản sao cũ của " + b.code, "thẻ mời mới", "tram-hub release " + b.code},
		i18n.English:    {"older copy of " + b.code, "new invite", "tram-hub release " + b.code},
	} {
		for _, part := range want {
			if text := c.Message(lang); c.Code != "older-copy" || len(s.Conditions) != 1 || !strings.Contains(text, part) {
				b.p.t.Errorf("conditions %+v: %q lacks %q", s.Conditions, text, part)
			}
		}
	}
}

// active waits until the hub takes the box.
func (b *box) active() {
	b.p.t.Helper()
	b.p.eventually(b.dir+" is taken by the hub", func() bool {
		s, err := b.api.Status(b.p.t.Context())
		return err == nil && s.Link.Up && len(s.Conditions) == 0
	})
	station := stick.Client{Caller: b.api.Caller}
	if _, err := station.Outgoing(b.p.t.Context(), ""); err != nil {
		b.p.t.Errorf("a stick gets %v", err)
	}
}

// incoming lists what has arrived, each time that it is shown.
func (b *box) incoming() []storage.ID {
	b.p.t.Helper()
	page, err := b.api.Documents(b.p.t.Context(), office.Query{Box: office.In})
	if err != nil {
		b.p.t.Fatal(err)
	}
	var ids []storage.ID
	for _, d := range page.Documents {
		ids = append(ids, d.ID)
	}
	slices.SortFunc(ids, func(a, b storage.ID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}

func (b *box) hasExactly(docs ...office.Document) {
	b.p.t.Helper()
	for _, d := range docs {
		b.reaches(d.ID, office.Arrived)
	}
	if got := b.incoming(); len(got) != len(docs) {
		b.p.t.Errorf("%s has %d documents, want %d: %v", b.dir, len(got), len(docs), got)
	}
}

// release has the hub forget the box of an office.
func (p *province) release(code string) {
	p.t.Helper()
	if _, err := p.theHub.Release(p.t.Context(), strings.ToLower(code), "test"); err != nil {
		p.t.Fatal(err)
	}
}

// copyShown waits until the hub shows a copy of an office or none. The box learns
// of it first: the hub hears its answer afterwards.
func (p *province) copyShown(code string, want bool) {
	p.t.Helper()
	p.eventually(fmt.Sprintf("a copy of %s at the hub: %v", code, want), func() bool {
		a, err := p.theHub.Agents(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		return slices.ContainsFunc(a.Agents, func(g fleet.Agent) bool { return g.Code == code && g.Copy.IsZero() != want })
	})
}

// TestP2_P3_TwoBoxesOfOneIdentity runs a box and a copy of its disk side by
// side, with documents in the outbox of both. The one that the hub heard last
// goes on; the other keeps what it has until it is released.
func TestP2_P3_TwoBoxesOfOneIdentity(t *testing.T) {
	p := found(t)
	p.log.but = "older copy"
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	first := a.send(codeB, []byte("trước khi sao chép"))
	a.reaches(first.ID, office.Delivered)
	p.stopHub()
	inBoth := a.send(codeB, []byte("có trong cả hai"))
	a.end(t)
	clone := p.startIn(p.clone(codeA), codeA)
	p.startHub()
	clone.reaches(inBoth.ID, office.Delivered)
	onlyClone := clone.send(codeB, []byte("của bản sao"))
	clone.reaches(onlyClone.ID, office.Delivered)
	toClone := b.send(codeA, []byte("tới bản sao"))
	clone.reaches(toClone.ID, office.Arrived)

	a.reopen()
	a.halted()
	onlyA := a.send(codeB, []byte("của máy cũ"))
	a.end(t)
	a.reopen()
	a.halted()
	p.copyShown(codeA, true)
	after := clone.send(codeB, []byte("vẫn chạy"))
	clone.reaches(after.ID, office.Delivered)
	if d, err := a.api.Get(t.Context(), onlyA.ID); err != nil || d.State != office.Saved {
		t.Errorf("what the older copy saved is %v (error %v)", d.State, err)
	}
	b.hasExactly(first, inBoth, onlyClone, after)
	clone.hasExactly(toClone)
	if got := a.incoming(); len(got) != 0 {
		t.Errorf("the older copy took %d documents", len(got))
	}

	clone.end(t)
	p.release(codeA)
	p.copyShown(codeA, false)
	a.active()
	a.reaches(onlyA.ID, office.Delivered)
	a.reaches(inBoth.ID, office.AtHub) // the receipt is in the books of the other box
	toA := b.send(codeA, []byte("tới máy cũ"))
	a.hasExactly(toA)
	b.hasExactly(first, inBoth, onlyClone, after, onlyA)
	clone.reopen()
	clone.halted()
	clone.hasExactly(toClone)
}

// TestP2_P3_RestoredImage puts an older image of the disk in the place of a box
// that has gone on since.
func TestP2_P3_RestoredImage(t *testing.T) {
	p := found(t)
	p.log.but = "older copy"
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	first := a.send(codeB, []byte("trước bản sao lưu"))
	a.reaches(first.ID, office.Delivered)
	a.end(t)
	image := p.clone(codeA)
	a.reopen()
	second := a.send(codeB, []byte("sau bản sao lưu"))
	a.reaches(second.ID, office.Delivered)
	a.end(t)

	restored := p.startIn(image, codeA)
	restored.halted()
	waiting := b.send(codeA, []byte("chờ máy được nhận lại"))
	b.reaches(waiting.ID, office.AtHub)
	third := restored.send(codeB, []byte("soạn trên máy khôi phục"))
	b.hasExactly(first, second)
	p.release(codeA)
	restored.active()
	restored.reaches(third.ID, office.Delivered)
	restored.hasExactly(waiting)
	b.hasExactly(first, second, third)

	restored.end(t)
	b.end(t)
	p.stopHub()
	p.auditsHold(codeB)
	for _, action := range []string{"refused.hello", "box.released"} {
		if !p.audited(action) {
			t.Errorf("%s does not stand in the hub's audit chain", action)
		}
	}
}

func (p *province) audited(action string) bool {
	p.t.Helper()
	db, err := hub.OpenDB(p.t.Context(), p.hubDir(), true, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close()
	n := 0
	err = db.View(p.t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*) FROM audit WHERE action = ?`, action).Scan(&n)
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n > 0
}

// TestABoxThatWasEnrolledAnewIsNoCopy puts a new box with a new invite in the
// place of one that the hub remembers.
func TestABoxThatWasEnrolledAnewIsNoCopy(t *testing.T) {
	p := found(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	first := a.send(codeB, []byte("từ máy thứ nhất"))
	b.reaches(first.ID, office.Arrived)
	a.end(t)
	made, err := p.theHub.Invite(t.Context(), []byte("code,name,parent,kind\n"+codeA+",UBND xã An Bình,H40,xa\n"), ca.InviteOptions{By: "test", Replace: true})
	if err == nil {
		err = ca.WriteInvites(p.invites, made)
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := p.boxDir(codeA) + "-new"
	if r, err := enroll.Enroll(t.Context(), enroll.Options{Dir: dir, Invite: p.inviteFile(codeA)}); err != nil || r.State != enroll.Enrolled {
		t.Fatalf("enrolment: %+v, %v", r, err)
	}
	fresh := p.startIn(dir, codeA)
	fresh.active()
	time.Sleep(3 * time.Second) // until B has the new card
	second := fresh.send(codeB, []byte("từ máy thứ hai"))
	fresh.reaches(second.ID, office.Delivered)
	b.hasExactly(first, second)
	p.copyShown(codeA, false)

	a.reopen()
	p.eventually("the old box is refused", func() bool {
		s, err := a.api.Status(t.Context())
		return err == nil && len(s.Conditions) == 1 && s.Conditions[0].Code == "certificate-replaced"
	})
	fresh.active()
}
