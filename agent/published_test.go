package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/config"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/enroll"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/rollup"
	"tram/agent/problem"
	"tram/agent/stick"
	"tram/agent/workdays"
	"tram/storage/sqlite"
	"tram/sync/linktest"
	"tram/sync/usb"
)

// aCatalogue is a catalogue file with versions of one procedure, from 1 on.
func aCatalogue(t *testing.T, number string, versions int) []byte {
	t.Helper()
	c := dossier.Catalogue{Version: 1}
	for v := range versions {
		c.Procedures = append(c.Procedures, dossier.Procedure{
			Code: code.Procedure{Number: number}, Version: v + 1, Name: fmt.Sprintf("Đăng ký khai sinh, bản %d", v+1), From: "2026-01-01", Field: dossier.Field{Code: code.Field{Owner: "G15", Name: "HT01"}, Name: "Hộ tịch"},
			Papers: []dossier.Paper{}, Fees: []dossier.Fee{}, Results: []string{"Giấy khai sinh"}, Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 3},
		})
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// aCalendar has a day off that no other has.
const aCalendar = `{"version":1,"name":"Tỉnh Minh Sơn","scope":"local","valid_from":2026,"valid_to":2026,"source":"Thông báo 12/TB-UBND","updated":"2026-01-05",
	"days":[{"date":"2026-08-12","kind":"off","name":"Ngày truyền thống tỉnh"}]}`

// inForce is the version of a procedure under which dossiers are taken, 0 for none.
func (b *box) inForce(number string) int {
	p, err := b.agent.Dossiers().InForce(b.p.t.Context(), code.Procedure{Number: number}, time.Now())
	if err != nil {
		return 0
	}
	return p.Version
}

// published counts what an office has taken of its hub's catalogue: publications, and
// items in them.
func (b *box) published() (times, items int) {
	b.p.t.Helper()
	err := b.agent.DB().View(b.p.t.Context(), func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT count(*), coalesce(sum(json_extract(detail, '$.items')), 0) FROM audit WHERE action = 'dossier.published'`).Scan(&times, &items)
	})
	if err != nil {
		b.p.t.Fatal(err)
	}
	return times, items
}

// TestP2_EachOfficeGetsOnceWhatTheHubPublishes: the one that joins gets what there is,
// the one that was away the newest alone, and the hub knows who has it.
func TestP2_EachOfficeGetsOnceWhatTheHubPublishes(t *testing.T) {
	p := found(t)
	p.startHub()
	ctx := t.Context()
	put := func(data []byte) {
		t.Helper()
		if _, err := p.theHub.PutProcedures(ctx, data, "test"); err != nil {
			t.Fatal(err)
		}
	}
	current := func(want int) {
		t.Helper()
		p.eventually(fmt.Sprintf("%d offices being current", want), func() bool {
			s, err := p.theHub.Catalogue().Calendars(ctx)
			return err == nil && s.Current == want && s.Offices >= want
		})
	}
	put(aCatalogue(t, "1.001193", 1))
	if _, err := p.theHub.PutCalendar(ctx, []byte(aCalendar), "test"); err != nil {
		t.Fatal(err)
	}
	a, b := p.join(codeA), p.join(codeB)
	current(2)
	if a.inForce("1.001193") != 1 || b.inForce("1.001193") != 1 {
		t.Fatalf("versions %d and %d are in force", a.inForce("1.001193"), b.inForce("1.001193"))
	}
	day := time.Date(2026, 8, 12, 9, 0, 0, 0, time.FixedZone("", 7*3600))
	due, err := workdays.Due(a.agent.Dossiers().Calendar(), workdays.Rule{Unit: workdays.SameDay}, day)
	if err != nil || due.At.Day() == 12 {
		t.Errorf("the day off of the province is worked: due %v, %v", due.At, err)
	}
	if times, items := a.published(); times != 1 || items != 2 {
		t.Errorf("%d publications with %d items", times, items)
	}

	b.close() // and away it is
	for v := range 5 {
		put(aCatalogue(t, "1.001193", v+2))
		current(1)
	}
	put(aCatalogue(t, "1.000894", 1))
	current(1)
	b.reopen()
	current(2)
	if times, items := b.published(); times != 2 || items != 2+6 || b.inForce("1.001193") != 6 || b.inForce("1.000894") != 1 {
		t.Errorf("%d publications with %d items, version %d", times, items, b.inForce("1.001193"))
	}
	if times, items := a.published(); times != 7 || items != 2+6 {
		t.Errorf("the office on the line: %d publications with %d items", times, items)
	}

	// The same again is no news.
	put(aCatalogue(t, "1.001193", 6))
	time.Sleep(time.Second)
	if times, _ := a.published(); times != 7 {
		t.Errorf("what is known came again: %d publications", times)
	}
}

// TestWhatAnOfficeCannotTakeIsShown: its own calendar stays, the rest is taken, and it
// says what to do.
func TestWhatAnOfficeCannotTakeIsShown(t *testing.T) {
	p := found(t)
	p.startHub()
	ctx := t.Context()
	a := p.join(codeA)
	own := strings.Replace(aCalendar, "2026-08-12", "2026-08-13", 1)
	if _, err := a.agent.Dossiers().TakeCalendar(ctx, []byte(own), "tram", "it"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.theHub.PutCalendar(ctx, []byte(aCalendar), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.theHub.PutProcedures(ctx, aCatalogue(t, "1.001193", 1), "test"); err != nil {
		t.Fatal(err)
	}
	p.eventually("the rest being taken", func() bool { return a.inForce("1.001193") == 1 })
	p.eventually("the condition", func() bool {
		s, err := a.api.Status(ctx)
		return err == nil && len(s.Conditions) == 1 && s.Conditions[0].Code == "catalogue-refused" &&
			strings.Contains(s.Conditions[0].Message("vi"), "Tỉnh Minh Sơn") && strings.Contains(s.Conditions[0].Message("vi"), "tram dossier calendar")
	})
	for day, off := range map[int]bool{12: false, 13: true} {
		at := time.Date(2026, 8, day, 9, 0, 0, 0, time.FixedZone("", 7*3600))
		due, err := workdays.Due(a.agent.Dossiers().Calendar(), workdays.Rule{Unit: workdays.SameDay}, at)
		if err != nil || (due.At.Day() != day) != off {
			t.Errorf("day %d: due %v, %v", day, due.At, err)
		}
	}
}

// filed hands in n dossiers at an office, and finishes those that done says.
func (b *box) filed(n, done int) {
	b.p.t.Helper()
	ctx := b.p.t.Context()
	by := dossier.Actor{Person: "hien", Name: "Lò Thị Hiền", Roles: dossier.Leader}
	for i := range n {
		d, err := b.agent.Dossiers().Receive(ctx, dossier.Filing{
			Procedure: code.Procedure{Number: "1.001193"}, Applicant: dossier.Applicant{Kind: dossier.Citizen, Name: "Nguyễn Hoàng-yến"}, Channel: dossier.AtDesk,
		}, by)
		if err != nil {
			b.p.t.Fatal(err)
		}
		if i < done {
			if _, err := b.agent.Dossiers().Finish(ctx, d.ID, dossier.Result{Name: "Giấy khai sinh"}, nil, by, 0); err != nil {
				b.p.t.Fatal(err)
			}
		}
	}
}

// figures waits until the hub has those of an office.
func (p *province) figures(code string, taken, ended int) rollup.Table {
	p.t.Helper()
	var table rollup.Table
	p.eventually(fmt.Sprintf("figures of %s, %d taken and %d ended", code, taken, ended), func() bool {
		var err error
		if table, err = p.theHub.Dossiers(p.t.Context(), rollup.Query{}); err != nil {
			p.t.Fatal(err)
		}
		for _, l := range table.Offices {
			if l.Code == code && l.Taken == taken && l.Early+l.OnTime+l.Late == ended && l.Open == taken-ended {
				return true
			}
		}
		return false
	})
	return table
}

// TestTheHubHasTheLatestFiguresOfEachOffice: after an outage, too.
func TestTheHubHasTheLatestFiguresOfEachOffice(t *testing.T) {
	p := found(t)
	p.startHub()
	if _, err := p.theHub.PutProcedures(t.Context(), aCatalogue(t, "1.001193", 1), "test"); err != nil {
		t.Fatal(err)
	}
	a, b := p.join(codeA), p.join(codeB)
	p.eventually("the catalogue", func() bool { return a.inForce("1.001193") == 1 && b.inForce("1.001193") == 1 })
	a.filed(3, 1)
	b.filed(2, 2)
	p.figures(codeA, 3, 1)
	table := p.figures(codeB, 2, 2)
	if table.Sum.Taken != 5 || table.Sum.Open != 2 || table.Offices[0].Name == "" {
		t.Errorf("table %+v", table)
	}
	p.stopHub()
	a.filed(4, 2) // several reports, of which the last alone is on its way
	time.Sleep(time.Second)
	a.filed(1, 0)
	p.startHub()
	p.figures(codeA, 8, 3)
	one, err := p.theHub.Dossiers(t.Context(), rollup.Query{Office: codeA})
	if err != nil || len(one.Procedures) != 1 || one.Procedures[0].Name != "Đăng ký khai sinh, bản 1" || one.Procedures[0].Taken != 8 || one.Sum.Taken != 8 {
		t.Errorf("%+v, %v", one, err)
	}
}

// nation is a hub above the province, which has joined it.
func (p *province) nation() *hub.Hub {
	p.t.Helper()
	ctx, dir := p.t.Context(), filepath.Join(p.dir, "vn")
	c := config.DefaultHub()
	c.Code, c.Name = "VN", "Văn phòng Chính phủ"
	c.MQTT.Address, c.Enroll.Address, c.Console.Address = linktest.FreeAddr(p.t), linktest.FreeAddr(p.t), linktest.FreeAddr(p.t)
	c.Storage.Reserve = 10 * config.MB
	if _, err := ca.Init(dir, ca.Options{Code: c.Code, Name: c.Name, Enroll: c.EnrollEndpoints(), MQTT: c.MQTTEndpoints(), Hosts: []string{"127.0.0.1"}}); err != nil {
		p.t.Fatal(err)
	}
	h, err := hub.Open(ctx, hub.Options{Dir: dir, Config: c, Logger: slog.New(&p.log), Version: "test", PublishEvery: 200 * time.Millisecond})
	if err != nil {
		p.t.Fatal(err)
	}
	made, err := h.Invite(ctx, []byte("code,name,parent,kind\nH40,UBND tỉnh Minh Sơn,VN,hub\n"), ca.InviteOptions{By: "test"})
	if err == nil {
		err = ca.WriteInvites(p.invites, made)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	running := launch(p.t, "nation", func(ctx context.Context, ready func()) error { return errors.Join(h.Run(ctx, ready), h.Close()) })
	p.t.Cleanup(func() { running.end(p.t) })
	if r, err := hub.JoinUpstream(ctx, p.hubDir(), enroll.Options{Invite: p.inviteFile("H40")}); err != nil || r.State != enroll.Enrolled {
		p.t.Fatalf("%+v, %v", r, err)
	}
	return h
}

// TestP7_WhatIsPublishedAndTheFiguresGoOverAllTiers: from the hub above to the offices,
// and from them to it; what comes from above cannot be changed below.
func TestP7_WhatIsPublishedAndTheFiguresGoOverAllTiers(t *testing.T) {
	p := found(t)
	top := p.nation()
	p.startHub()
	ctx := t.Context()
	if _, err := top.PutProcedures(ctx, aCatalogue(t, "1.001193", 1), "test"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.theHub.PutProcedures(ctx, aCatalogue(t, "1.000894", 2), "test"); err != nil {
		t.Fatal(err)
	}
	a := p.join(codeA)
	p.eventually("both catalogues", func() bool { return a.inForce("1.001193") == 1 && a.inForce("1.000894") == 2 })
	own, err := p.theHub.Catalogue().Show(ctx, "1.001193")
	if err != nil || own.Procedures[0].Origin != "VN" {
		t.Fatalf("%+v, %v", own, err)
	}
	changed := bytes.Replace(aCatalogue(t, "1.001193", 1), []byte("khai sinh, bản"), []byte("khai tử, bản"), 1)
	if _, err := p.theHub.PutProcedures(ctx, changed, "test"); problem.From(err).Code != "catalogue.above" {
		t.Errorf("a hub changes what the one above publishes: %v", err)
	}
	if list, err := top.Catalogue().Procedures(ctx, ""); err != nil || len(list.Procedures) != 1 {
		t.Errorf("the hub above has what is published below it: %+v, %v", list, err)
	}
	a.filed(4, 3)
	p.eventually("the nation having the figures", func() bool {
		table, err := top.Dossiers(ctx, rollup.Query{})
		return err == nil && len(table.Offices) == 1 && table.Offices[0].Code == codeA && table.Offices[0].Taken == 4 && table.Sum.Open == 1
	})
	p.stopHub()
	a.filed(2, 2)
	p.startHub()
	p.eventually("the nation having the latest", func() bool {
		table, err := top.Dossiers(ctx, rollup.Query{Office: codeA})
		return err == nil && table.Sum.Taken == 6 && table.Sum.Open == 1
	})
	p.eventually("the nation knowing who is current", func() bool {
		list, err := top.Catalogue().Procedures(ctx, "khai sinh")
		return err == nil && list.Current == 1 && list.Offices == 1
	})
}

// carry takes what waits for a neighbour from one station to another by stick.
func (p *province) carry(s *usb.Stick, from, to usb.Station, neighbour string) {
	p.t.Helper()
	ctx := p.t.Context()
	if _, err := usb.Export(ctx, s, from, usb.ExportOptions{To: neighbour}); err != nil {
		p.t.Fatal(err)
	}
	list, err := usb.Look(ctx, s, to)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, f := range list {
		if f.State == usb.New {
			if _, err := usb.Take(ctx, s, to, f, usb.ImportOptions{}); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}

// TestP8_WhatIsPublishedAndTheFiguresTravelByStick to and from an office that never has
// a line: what it carries back and forth is the latest.
func TestP8_WhatIsPublishedAndTheFiguresTravelByStick(t *testing.T) {
	p := found(t)
	p.settings = func(_ string, c *config.Office) { c.MQTT.Servers = []string{"127.0.0.1:1"} }
	p.startHub()
	ctx := t.Context()
	if _, err := p.theHub.PutProcedures(ctx, aCatalogue(t, "1.001193", 2), "test"); err != nil {
		t.Fatal(err)
	}
	a := p.join(codeA)
	s, err := usb.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	office := stick.Client{Caller: a.api.Caller}
	there := func() { t.Helper(); p.carry(s, office, p.theHub.USB(), "") }
	back := func() { t.Helper(); p.carry(s, p.theHub.USB(), office, codeA) }
	there()
	p.eventually("the hub hearing of the office", func() bool {
		list, err := p.theHub.Catalogue().Calendars(ctx)
		return err == nil && list.Offices == 1
	})
	back()
	p.eventually("the catalogue by stick", func() bool { return a.inForce("1.001193") == 2 })
	a.filed(3, 2)
	there()
	p.figures(codeA, 3, 2)
	if list, err := p.theHub.Catalogue().Procedures(ctx, ""); err != nil || list.Current != 1 {
		t.Errorf("%+v, %v", list.Spread, err)
	}
	back()
	if times, items := a.published(); times != 1 || items != 2 {
		t.Errorf("%d publications with %d items", times, items)
	}
}
