package forms

import (
	"slices"
	"strings"
	"testing"

	"tram/agent/dossier"
)

// travelled is a dossier that went to three offices: a department that decided in
// time, one that was asked and sent it back, and one whose receipt never came.
func travelled(t *testing.T) dossier.Dossier {
	d := taken(t)
	happen(t, &d, dossier.Started, "23/11 10:00", "Lò Thị Hiền", "Phạm Nam")
	send := func(n byte, task dossier.Task, code, name, at, deadline string) *dossier.Transfer {
		e := happen(t, &d, dossier.HandedOn, at, "Phạm Nam", name)
		e.Transfer = id(n)
		d.Transfers = append(d.Transfers, dossier.Transfer{ID: id(n), Task: task, From: d.Owner, FromName: d.OwnerName, To: code, ToName: name, State: dossier.Sending,
			Sent: when(t, at), By: "Phạm Nam", Deadline: when(t, deadline)})
		return &d.Transfers[len(d.Transfers)-1]
	}
	end := func(x *dossier.Transfer, kind dossier.Kind, state dossier.TransferState, at, learnt, by, answer string) {
		e := happen(t, &d, kind, at, by, answer)
		e.Transfer, e.Office, e.Learnt = x.ID, x.To, when(t, learnt)
		x.State, x.Ended, x.Answer = state, when(t, at), answer
	}
	a := send(1, dossier.Decide, "H40.STP", "Sở Tư pháp", "23/11 10:30", "25/11 17:00")
	a.State, a.Taken, a.TakenBy = dossier.Taken, when(t, "23/11 14:05"), "Hoàng Thị Mai"
	b := send(2, dossier.Consult, "H40.CA", "Công an tỉnh", "23/11 10:31", "24/11 17:00")
	b.State, b.Taken, b.TakenBy = dossier.Taken, when(t, "23/11 15:00"), "Vi Văn Ban"
	c := send(3, dossier.Coordinate, "H40.SYT", "Sở Y tế", "23/11 10:32", "25/11 17:00")
	end(&d.Transfers[1], dossier.HandBack, dossier.Back, "24/11 08:00", "24/11 08:10", "Vi Văn Ban", "Không thuộc thẩm quyền")
	end(&d.Transfers[0], dossier.Answered, dossier.Given, "24/11 16:00", "24/11 16:20", "Hoàng Thị Mai", "Văn bản số 77/STP-HT")
	_ = c
	e := send(4, dossier.Consult, "H40.BV", "Bệnh viện Đa khoa tỉnh", "24/11 17:00", "25/11 10:00")
	e.State, e.Taken, e.TakenBy = dossier.Taken, when(t, "25/11 07:30"), "Bác sĩ Lan"
	end(e, dossier.Answered, dossier.Given, "25/11 11:00", "25/11 11:05", "Bác sĩ Lan", "Xác nhận nơi sinh")
	happen(t, &d, dossier.Finished, "25/11 16:00", "Phạm Nam", "Giấy khai sinh")
	happen(t, &d, dossier.Returned, "26/11 09:00", "Lò Thị Hiền", "Nguyễn Văn An")
	return d
}

func TestTheControlSheetHasARowForEachHandOver(t *testing.T) {
	d := travelled(t)
	rows := steps(d, law.Desk, nil)
	const desk, office, applicant = "Bộ phận Tiếp nhận và Trả kết quả, Ủy ban nhân dân xã Tân Phú", "Ủy ban nhân dân xã Tân Phú", "Tổ chức, cá nhân nộp hồ sơ"
	at := func(day, hour string) string {
		return hour[:2] + " giờ " + hour[3:] + " phút, ngày " + day + " tháng 11 năm 2026"
	}
	for i, want := range []struct {
		from, gave, fromWho, to, took, toWho, outcome string
		notes                                         []string
	}{
		{applicant, at("23", "09:15"), "Nguyễn Văn An", desk, at("23", "09:15"), "Lò Thị Hiền", "", []string{"Tiếp nhận hồ sơ"}},
		{office, at("23", "10:00"), "Lò Thị Hiền", office, at("23", "10:00"), "Phạm Nam", "", []string{"Phân công xử lý trong cơ quan"}},
		{office, at("23", "10:30"), "Phạm Nam", "Sở Tư pháp", at("23", "14:05"), "Hoàng Thị Mai", "Trước hạn",
			[]string{"Chuyển giải quyết", "Hạn xử lý: 17:00 ngày 25/11/2026", "Ký số bàn giao: Sở Tư pháp, 14:05 ngày 23/11/2026"}},
		{office, at("23", "10:31"), "Phạm Nam", "Công an tỉnh", at("23", "15:00"), "Vi Văn Ban", "",
			[]string{"Lấy ý kiến", "Hạn xử lý: 17:00 ngày 24/11/2026", "Ký số bàn giao: Công an tỉnh, 15:00 ngày 23/11/2026"}},
		{office, at("23", "10:32"), "Phạm Nam", "Sở Y tế", "", "…………………", "",
			[]string{"Phối hợp giải quyết", "Hạn xử lý: 17:00 ngày 25/11/2026", "Chưa có xác nhận bàn giao của cơ quan nhận"}},
		{"Công an tỉnh", at("24", "08:00"), "Vi Văn Ban", office, at("24", "08:10"), "…………………", "", []string{"Trả lại hồ sơ: Không thuộc thẩm quyền"}},
		{"Sở Tư pháp", at("24", "16:00"), "Hoàng Thị Mai", office, at("24", "16:20"), "…………………", "", []string{"Trả kết quả xử lý: Văn bản số 77/STP-HT"}},
		{office, at("24", "17:00"), "Phạm Nam", "Bệnh viện Đa khoa tỉnh", at("25", "07:30"), "Bác sĩ Lan", "Quá hạn",
			[]string{"Lấy ý kiến", "Hạn xử lý: 10:00 ngày 25/11/2026", "Ký số bàn giao: Bệnh viện Đa khoa tỉnh, 07:30 ngày 25/11/2026"}},
		{"Bệnh viện Đa khoa tỉnh", at("25", "11:00"), "Bác sĩ Lan", office, at("25", "11:05"), "…………………", "", []string{"Trả kết quả xử lý: Xác nhận nơi sinh"}},
		{office, at("25", "16:00"), "Phạm Nam", desk, at("25", "16:00"), "…………………", "Trước hạn", []string{"Có kết quả: Giấy khai sinh"}},
		{desk, at("26", "09:00"), "Lò Thị Hiền", applicant, at("26", "09:00"), "Nguyễn Văn An", "", []string{"Trả kết quả"}},
	} {
		if i >= len(rows) {
			t.Fatalf("%d rows", len(rows))
		}
		took := "2. Nhận: … giờ … phút, ngày … tháng … năm …"
		if want.took != "" {
			took = "2. Nhận: " + want.took
		}
		times := []string{"1. Giao: " + want.gave, "Người giao: " + want.fromWho, took, "Người nhận: " + want.toWho}
		r := rows[i]
		if r["office"] != "1. Giao: "+want.from+"\n2. Nhận: "+want.to || !slices.Equal(strings.Split(r["times"], "\n"), times) || r["outcome"] != want.outcome ||
			r["notes"] != strings.Join(want.notes, "\n") {
			t.Errorf("row %d is %q, want %+v", i+1, r, want)
		}
	}
	if len(rows) != 11 {
		t.Errorf("%d rows", len(rows))
	}
	pages := read(t, "control-travelled", makeForm(t, Control, d).Data)
	inOrder(t, strings.Join(pages, "\n"), "2. Nhận: Sở Tư pháp", "2. Nhận: Sở Y tế", "Bác sĩ Lan", "Kết quả chung: Trước hạn")
}

// What happens later adds rows; it changes none that there were, but for the
// hand-overs that were still open.
func TestTheControlSheetIsNeverWrittenOver(t *testing.T) {
	d := travelled(t)
	var before []map[string]string
	for n := 2; n <= len(d.Events); n++ {
		now := d
		now.Events, now.Transfers = d.Events[:n], nil
		rows := steps(now, law.Desk, nil)
		for _, old := range before {
			if !slices.ContainsFunc(rows, func(r map[string]string) bool {
				return r["office"] == old["office"] && r["times"] == old["times"] && r["notes"] == old["notes"]
			}) {
				t.Fatalf("after %d events the row is gone: %q", n, old)
			}
		}
		before = rows
	}
	if len(before) < len(d.Events)-1 {
		t.Errorf("%d events gave %d rows though no transfer is known", len(d.Events), len(before))
	}
}

func TestWhatCameTooLateOrFromAnUnsureClockSaysSo(t *testing.T) {
	d := travelled(t)
	for i := range d.Events {
		if d.Events[i].Kind == dossier.Answered {
			d.Events[i].Moot, d.Events[i].Unsure = true, true
		}
	}
	n := 0
	for _, r := range steps(d, law.Desk, nil) {
		if strings.Contains(r["notes"], "Đến sau khi hồ sơ đã kết thúc giải quyết\nGiờ thiết bị chưa chắc chắn") {
			n++
		}
	}
	if n != 2 {
		t.Errorf("%d rows say so", n)
	}
}

func TestTheControlSheetOfManyStepsRunsOverPages(t *testing.T) {
	d := travelled(t)
	for i := range 60 {
		x := d.Transfers[0]
		x.ID, x.ToName, x.Answer = id(byte(100+i)), strings.Repeat("Ban Quản lý dự án ", 1+i%5), strings.Repeat("ý kiến ", i*4)
		d.Transfers = append(d.Transfers, x)
	}
	pages := pagesOf(t, Control, d)
	if len(pages) < 10 {
		t.Fatalf("%d pages", len(pages))
	}
	for _, p := range pages {
		onPage(t, p)
	}
}

// The office that a dossier was handed to has a sheet of its own part.
func TestTheControlSheetOfAGuest(t *testing.T) {
	d := taken(t)
	d.Guest, d.Transfer = true, id(9)
	d.Events = nil
	for _, e := range []dossier.Event{
		{Kind: dossier.Filed, At: when(t, "24/11 08:00"), Transfer: id(9), By: "Ủy ban nhân dân xã Tân Phú"}, {Kind: dossier.Accepted, At: when(t, "24/11 08:30"), By: "Hoàng Thị Mai"},
		{Kind: dossier.Started, At: when(t, "24/11 09:00"), By: "Hoàng Thị Mai", Text: "Lý A Sử"}, {Kind: dossier.Finished, At: when(t, "25/11 09:00"), By: "Lý A Sử", Text: "Văn bản đồng ý"},
	} {
		e.Office = "H40.STP"
		d.Events = append(d.Events, e)
	}
	fold(t, &d)
	d.Transfers = []dossier.Transfer{{ID: id(9), Incoming: true, Task: dossier.Decide, From: d.Owner, FromName: d.OwnerName, To: "H40.STP", ToName: "Sở Tư pháp", State: dossier.Given,
		Sent: when(t, "23/11 16:00"), By: "Phạm Nam", Taken: when(t, "24/11 08:30"), TakenBy: "Hoàng Thị Mai", Deadline: when(t, "25/11 17:00"), Ended: when(t, "25/11 09:00"), Answer: "Văn bản đồng ý"}}
	rows := steps(d, law.Desk, nil)
	var got []string
	for _, r := range rows {
		got = append(got, r["notes"]+"|"+r["outcome"])
	}
	if want := []string{"Chuyển giải quyết\nHạn xử lý: 17:00 ngày 25/11/2026\nKý số bàn giao: Sở Tư pháp, 08:30 ngày 24/11/2026|Đúng hạn", "Phân công xử lý trong cơ quan|", "Trả kết quả xử lý: Văn bản đồng ý|"}; !slices.Equal(got, want) {
		t.Fatalf("rows are %q", got)
	}
	if !strings.Contains(rows[2]["times"], "Người giao: Lý A Sử\n2. Nhận: … giờ") || !strings.Contains(rows[1]["office"], "Sở Tư pháp") {
		t.Errorf("rows are %q", rows)
	}
}

func TestTheControlSheetShowsTheSealsOfBothSides(t *testing.T) {
	d := travelled(t)
	sealed := []dossier.SealedStep{
		{Transfer: id(1), At: when(t, "23/11 10:29"), Signer: d.Owner}, // of before
		{Transfer: id(1), At: when(t, "23/11 10:35"), Signer: d.Owner}, {Transfer: id(2), At: when(t, "23/11 10:36"), Signer: d.Owner},
		{Transfer: id(1), At: when(t, "23/11 14:06"), Signer: "H40.STP"}, {Transfer: id(1), At: when(t, "24/11 16:02"), Signer: "H40.STP"}, {Transfer: id(1), At: when(t, "24/11 17:02"), Signer: "H40.STP"},
	}
	rows := steps(d, law.Desk, sealed)
	for i, want := range map[int]string{
		2: "Ký số bàn giao: Ủy ban nhân dân xã Tân Phú, 10:35 ngày 23/11/2026\nKý số bàn giao: Sở Tư pháp, 14:06 ngày 23/11/2026",
		3: "Ký số bàn giao: Ủy ban nhân dân xã Tân Phú, 10:36 ngày 23/11/2026\nKý số bàn giao: Công an tỉnh, 15:00 ngày 23/11/2026",
		6: "Trả kết quả xử lý: Văn bản số 77/STP-HT\nKý số bàn giao: Sở Tư pháp, 16:02 ngày 24/11/2026",
	} {
		if !strings.HasSuffix(rows[i]["notes"], want) {
			t.Errorf("row %d notes %q, want %q", i+1, rows[i]["notes"], want)
		}
	}
	if strings.Contains(rows[4]["notes"], "Ký số") {
		t.Errorf("who did not sign has signed: %q", rows[4])
	}
}

// What another office asks of the applicant is a row of its own.
func TestWhatOtherOfficesDidIsInTheControlSheet(t *testing.T) {
	d := travelled(t)
	d.Events = d.Events[:len(d.Events)-2]
	e := happen(t, &d, dossier.SupplementAsked, "25/11 12:00", "Hoàng Thị Mai", "Thiếu giấy chứng sinh")
	e.Office, e.Transfer = "H40.STP", id(1)
	done := happen(t, &d, dossier.Supplemented, "25/11 13:00", "Lò Thị Hiền", "", "27/11 17:00")
	done.Transfer = id(1)
	rows := steps(d, law.Desk, nil)
	last := rows[len(rows)-2:]
	if !strings.HasPrefix(last[0]["office"], "1. Giao: Sở Tư pháp\n") || last[0]["notes"] != "Yêu cầu bổ sung, tạm dừng tính hạn: Thiếu giấy chứng sinh" ||
		!strings.HasSuffix(last[1]["office"], "Ủy ban nhân dân xã Tân Phú") || last[1]["notes"] != "Bổ sung hồ sơ, hẹn trả: 17:00 ngày 27/11/2026" {
		t.Errorf("rows are %q", last)
	}
}
