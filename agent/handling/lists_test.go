package handling

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/office"
	"tram/storage"
)

// TestDeadlines: a deadline holds to the end of its day in Vietnam; weekends count
// as any day.
func TestDeadlines(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		deadline, now string
		due           Due
		days          int
	}{
		{"2026-11-23", "2026-11-23T09:00:00+07:00", Today, 0},
		{"2026-11-23", "2026-11-23T23:59:59+07:00", Today, 0},
		{"2026-11-23", "2026-11-24T00:00:00+07:00", Overdue, -1},
		{"2026-11-23", "2026-11-23T17:00:00Z", Overdue, -1}, // midnight in Vietnam
		{"2026-11-23", "2026-11-22T16:59:59Z", Soon, 1},
		{"2026-11-23", "2026-11-22T17:00:00Z", Today, 0},
		{"2026-11-23", "2026-11-20T08:00:00+07:00", Soon, 3}, // Friday, over the weekend
		{"2026-11-23", "2026-11-19T23:00:00+07:00", Later, 4},
		{"2026-11-22", "2026-11-23T08:00:00+07:00", Overdue, -1}, // a Sunday
		{"2027-01-01", "2026-12-31T08:00:00+07:00", Soon, 1},
		{"2026-03-01", "2026-02-28T08:00:00+07:00", Soon, 1},
		{"2028-03-01", "2028-02-28T08:00:00+07:00", Soon, 2}, // a leap year
		{"2026-11-23", "1970-01-01T00:00:00Z", Later, 20780}, // a dead clock battery
		{"", "2026-11-23T09:00:00+07:00", NoDue, 0},
		{"23/11/2026", "2026-11-23T09:00:00+07:00", NoDue, 0},
	} {
		if due, days := DueOn(c.deadline, at(c.now)); due != c.due || days != c.days {
			t.Errorf("%q at %s is %q, %d days; want %q, %d", c.deadline, c.now, due, days, c.due, c.days)
		}
	}
}

// names lists the subjects of a list's documents.
func names(items []Item) string {
	var list []string
	for _, i := range items {
		list = append(list, strings.TrimPrefix(i.Subject, "Văn bản "))
	}
	return strings.Join(list, " ")
}

func (d *desk) todo(who Actor) string {
	d.t.Helper()
	t, err := d.Todo(d.t.Context(), who)
	d.ok(err)
	return fmt.Sprintf("pressing %s|overdue %s|soon %s|opinion %s|unhanded %s|mine %s|inform %s", names(t.Pressing), names(t.Overdue), names(t.Soon),
		names(t.Opinion), names(t.Unhanded), names(t.Mine), names(t.Inform))
}

func TestWhatWaitsForWhom(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	lead := func(deadline string, who Actor, hand bool) storage.ID {
		id := d.arrive(office.Thuong)
		d.ok(d.Instruct(ctx, id, Instruction{Lead: []Assignee{whois(who)}, Inform: []Assignee{whois(nam)}, Deadline: deadline, HandOver: hand}, boss, 0))
		return id
	}
	lead("2026-11-24", hoa, true)     // 1
	lead("2026-11-23", hoa, true)     // 2
	lead("2026-11-30", hoa, true)     // 3
	lead("", hoa, true)               // 4
	lead("2026-11-24", boss, false)   // 5: named, not handed over
	urgent := d.arrive(office.HoaToc) // 6
	d.ok(d.Submit(ctx, urgent, whois(boss), lan, 0))
	plain := d.arrive(office.Thuong) // 7
	d.ok(d.Submit(ctx, plain, whois(boss), lan, 0))
	done := lead("2026-11-23", hoa, true) // 8
	d.ok(d.Finish(ctx, done, d.part(done, hoa.Name).ID, "xong", hoa, 0))
	gone := lead("2026-11-23", hoa, true) // 9
	d.docs[gone].State = office.Recalled
	d.clock = monday.AddDate(0, 0, 1)
	for who, want := range map[*Actor]string{
		&lan:                         "pressing 6|overdue 2|soon 5 1|opinion |unhanded |mine |inform ",
		&boss:                        "pressing |overdue 2|soon 5 1|opinion 6 7|unhanded |mine |inform ",
		&hoa:                         "pressing |overdue 2|soon 1|opinion |unhanded |mine 3 4|inform ",
		&nam:                         "pressing |overdue |soon |opinion |unhanded |mine |inform 1 2 3 4 8",
		{Person: "", Name: "đơn vị"}: "pressing |overdue |soon |opinion |unhanded |mine |inform ",
	} {
		if got := d.todo(*who); got != want {
			t.Errorf("%s:\n got %s\nwant %s", who.Name, got, want)
		}
	}
	d.clock = monday.AddDate(0, 0, -4)
	if got := d.todo(lan); got != "pressing 6|overdue |soon |opinion |unhanded 5|mine |inform " {
		t.Error(got)
	}
	for _, c := range []struct {
		ended bool
		want  string
		total int
	}{{false, "4 3 2 1", 5}, {true, "8", 1}} { // the recalled one is counted and not shown
		items, total, err := d.Mine(ctx, "hoa", c.ended, 0)
		if err != nil || names(items) != c.want || total != c.total {
			t.Errorf("ended %v: %s of %d, %v", c.ended, names(items), total, err)
		}
	}
	for id, want := range map[storage.ID]bool{urgent: false, done: true, plain: false} {
		if got, err := d.Holds(ctx, id, "hoa"); got != want || err != nil {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
}

// TestFollowedForTheBooks: each state in the words of the follow-up register.
func TestFollowedForTheBooks(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	submitted, named, open := d.arrive(0), d.arrive(0), d.instructed("2026-11-27")
	d.ok(d.Submit(ctx, submitted, whois(boss), lan, 0))
	d.ok(d.Instruct(ctx, named, Instruction{Lead: []Assignee{{Name: "Ban Chỉ huy quân sự"}}}, boss, 0))
	noted := d.instructed("")
	d.ok(d.HandOn(ctx, noted, d.part(noted, hoa.Name).ID, Assignee{Name: "Tổ 3"}, "", hoa, 0))
	d.ok(d.Progress(ctx, noted, d.part(noted, "Tổ 3").ID, "Đang thu thập số liệu.", lan))
	got, err := d.Followed(ctx, []storage.ID{submitted, named, open, noted, d.arrive(0)})
	if err != nil || len(got) != 4 {
		t.Fatal(len(got), err)
	}
	for id, want := range map[storage.ID]Followed{
		submitted: {Progress: "Đang trình Trần Văn Chủ"},
		named:     {Recipient: "Ban Chỉ huy quân sự", Progress: "Đã có ý kiến, chờ chuyển"},
		open:      {Recipient: "Lê Hoa; Phạm Nam", HandedOver: monday, Deadline: time.Date(2026, 11, 27, 0, 0, 0, 0, clock.Vietnam), Progress: "Đang giải quyết"},
		noted:     {Recipient: "Tổ 3; Phạm Nam", HandedOver: monday, Progress: "Đang thu thập số liệu."},
	} {
		if got[id] != want {
			t.Errorf("got %+v, want %+v", got[id], want)
		}
	}
}

// TestSlip: what is known stands on the phiếu giải quyết, and it becomes a PDF.
func TestSlip(t *testing.T) {
	d, ctx := newDesk(t), t.Context()
	id := d.instructed("2026-11-27")
	d.ok(d.HandOn(ctx, id, d.part(id, hoa.Name).ID, Assignee{Name: "Tổ 3"}, "Tổ 3 làm trực tiếp.", hoa, 0))
	d.ok(d.Progress(ctx, id, d.part(id, "Tổ 3").ID, "Đề nghị gia hạn.", lan))
	form := d.of(id).Slip(*d.docs[id])
	if form.Leader.Text != "Giao Hoa tham mưu." || form.Leader.Lead != "Tổ 3" || form.Leader.Support != "Phạm Nam" ||
		form.Leader.Deadlines != "Tổ 3: 27/11/2026; Phạm Nam: 27/11/2026" || form.Unit.Person != "Tổ 3" || form.Unit.Deadline != "27/11/2026" ||
		form.Proposal.Text != "Đề nghị gia hạn." || form.Code != "1/UBND" {
		t.Errorf("%+v", form)
	}
	if pdf, err := form.PDF(); err != nil || !strings.HasPrefix(string(pdf), "%PDF-") {
		t.Errorf("%d bytes, %v", len(pdf), err)
	}
	if empty := (Work{}).Slip(office.Document{}); empty.Leader.Text != "" || !empty.Leader.Date.IsZero() {
		t.Errorf("of nothing: %+v", empty)
	}
}
