package web

import (
	"bytes"
	"fmt"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
)

// samplePDF makes a small valid PDF of n pages; extra goes into its catalogue.
func samplePDF(title string, pages int, extra string) string {
	var out bytes.Buffer
	var offsets []int
	object := func(body string) {
		offsets = append(offsets, out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", len(offsets), body)
	}
	out.WriteString("%PDF-1.4\n")
	kids := ""
	for i := range pages {
		kids += fmt.Sprintf("%d 0 R ", 4+2*i)
	}
	object("<< /Type /Catalog /Pages 2 0 R " + extra + " >>")
	object(fmt.Sprintf("<< /Type /Pages /Kids [%s] /Count %d >>", kids, pages))
	object("<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>")
	for i := range pages {
		object(fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << /Font << /F1 3 0 R >> >> >>", 5+2*i))
		text := fmt.Sprintf("BT /F1 20 Tf 72 760 Td (%s) Tj 0 -30 Td /F1 12 Tf (Trang %d) Tj ET", title, i+1)
		object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text))
	}
	start := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, at := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&out, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, start)
	return out.String()
}

const scriptAction = `/OpenAction << /S /JavaScript /JS (app.alert\(1\)) >>`

// seeded are documents in every state, by a name.
type seeded map[string]office.Document

// seed fills the office with what a clerk may meet.
func seed(f *fakeOffice) seeded {
	now := f.now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	province, neighbour, home := directory[1], directory[2], directory[4]
	s := seeded{}
	seal := func(verdict, reason string, from office.Party) *office.Seal {
		return &office.Seal{Verdict: verdict, Reason: reason, Signer: from.Code, Name: from.Name, SignedAt: ago(3 * time.Hour),
			Checked: ago(2 * time.Hour), Issuer: "CA Trạm H40", Serial: "5d:41:09:c2"}
	}
	in := func(name string, from office.Party, subject string, u office.Urgency, age time.Duration, verdict *office.Seal, files ...string) {
		at := ago(age)
		d := office.Document{Box: office.In, From: from, To: []office.Recipient{{Party: us, State: office.Delivered}}, Subject: subject,
			Number: fmt.Sprint(100 + len(s)), Notation: "UBND-VX", Type: "CV", TypeName: "Công văn", Date: at.In(vietnam).Format(time.DateOnly),
			Urgency: u, State: office.Arrived, Created: at, Seal: verdict, EdXMLID: from.Code + ",2026/11/21,100/UBND-VX",
			Events: []office.Event{
				{Step: office.Saved, At: at.Add(-20 * time.Minute), Learnt: at, Signer: from.Code, Evidence: "seal"},
				{Step: office.AtHub, At: at.Add(-5 * time.Minute), Learnt: at, Signer: "H40", Evidence: "custody"},
				{Step: office.Arrived, At: at, Learnt: at, Signer: us.Code, Evidence: "status"},
			}}
		s[name] = f.add(d, files...)
	}
	in("express", province, "Ứng phó khẩn cấp mưa lũ, sạt lở đất trên địa bàn các xã vùng cao", office.HoaToc, 12*time.Minute, seal("passed", "", province),
		"Công điện 07.pdf", samplePDF("CONG DIEN KHAN", 2, ""), "Danh sách điểm sạt lở.xlsx", "not really a sheet")
	in("urgent", home, "Rà soát số lượng cán bộ, công chức cấp xã sau sắp xếp", office.ThuongKhan, 3*time.Hour, seal("passed", "", home), "Cong van.pdf", samplePDF("CONG VAN", 1, ""))
	in("khan", home, "Báo cáo tiến độ giải ngân vốn đầu tư công quý IV", office.Khan, 26*time.Hour, seal("passed", "", home), "Cong van.pdf", samplePDF("CONG VAN 2", 1, ""))
	in("normal", neighbour, "Mời dự hội nghị tổng kết phong trào toàn dân bảo vệ an ninh Tổ quốc", office.Thuong, 90*time.Minute, seal("passed", "", neighbour), "Giay moi.pdf", samplePDF("GIAY MOI", 1, ""))
	in("active", neighbour, "Biểu mẫu thống kê <b>hộ nghèo</b> năm 2026", office.Thuong, 2*time.Hour, seal("passed", "", neighbour), "Bieu mau.pdf", samplePDF("BIEU MAU", 1, scriptAction))
	in("forged", province, "Điều chỉnh dự toán ngân sách năm 2026", office.Thuong, 4*time.Hour, seal("failed", "hash", province), "QD.pdf", samplePDF("QUYET DINH", 1, ""))
	in("unsure", home, "Hướng dẫn công tác văn thư, lưu trữ", office.Thuong, 5*time.Hour, seal("indeterminate", "no-roots", home), "HD.pdf", samplePDF("HUONG DAN", 1, ""))
	in("unsealed", home, "Lịch trực Tết Dương lịch", office.Thuong, 6*time.Hour, nil, "lich.txt", "Thứ Hai: ông A\n")
	in("accepted", province, "Kế hoạch chuyển đổi số năm 2027", office.Thuong, 49*time.Hour, seal("passed", "", province), "KH.pdf", samplePDF("KE HOACH", 1, ""))
	in("sent-back", neighbour, "Thư mời gửi nhầm cơ quan", office.Thuong, 50*time.Hour, seal("passed", "", neighbour), "thu.pdf", samplePDF("THU", 1, ""))
	answered := func(name string, state office.State, reason string, arrival int) {
		d, _ := f.find(s[name].ID)
		d.State, d.Reason, d.Arrival = state, reason, arrival
		d.Events = append(d.Events, office.Event{Step: state, At: ago(48 * time.Hour), Learnt: ago(48 * time.Hour), Signer: us.Code, Note: reason, Evidence: "status"})
		s[name] = *d
	}
	answered("accepted", office.Accepted, "", 1286)
	answered("sent-back", office.Returned, "Văn bản gửi cho xã khác", 0)
	seedOut(f, s, ago)
	seedChecks(f, s)
	seedRecalls(f, s, ago)
	return s
}

func seedOut(f *fakeOffice, s seeded, ago func(time.Duration) time.Time) {
	province, neighbour, ward, home, finance := directory[1], directory[2], directory[3], directory[4], directory[5]
	out := func(name, subject string, u office.Urgency, age time.Duration, state office.State, to ...office.Recipient) {
		at := ago(age)
		d := office.Document{Box: office.Out, From: us, To: to, Subject: subject, Number: fmt.Sprint(20 + len(s)), Notation: "BC-UBND",
			Type: "BC", TypeName: "Báo cáo", Date: at.In(vietnam).Format(time.DateOnly), Urgency: u, State: state, Created: at,
			EdXMLID: us.Code + ",2026/11/21,20/BC-UBND"}
		d.Events = append(d.Events, office.Event{Step: office.Saved, At: at, Learnt: at, Signer: us.Code, Evidence: "seal"})
		for _, r := range to {
			d.Events = append(d.Events, eventsOf(r, at)...)
		}
		s[name] = f.add(d, "Báo cáo tuần.pdf", samplePDF("BAO CAO "+name, 1, ""))
	}
	at := func(p office.Party, st office.State) office.Recipient { return office.Recipient{Party: p, State: st} }
	out("saved", "Báo cáo tình hình kinh tế – xã hội tháng 11", office.Thuong, 8*time.Minute, office.Saved, at(province, office.Saved))
	out("sending", "Báo cáo nhanh thiệt hại do mưa lũ", office.HoaToc, 5*time.Minute, office.Sending, at(province, office.Sending))
	out("old", "Đề nghị cấp bổ sung kinh phí sửa chữa trụ sở", office.Thuong, 31*time.Hour, office.Saved, at(finance, office.Saved))
	out("hub", "Đăng ký tập huấn nghiệp vụ văn thư", office.Thuong, time.Hour, office.AtHub, at(home, office.AtHub))
	out("delivered", "Báo cáo kết quả rà soát hộ nghèo", office.Khan, 2*time.Hour, office.Delivered, at(home, office.Delivered))
	ok := at(province, office.Accepted)
	ok.Number = "412"
	out("done", "Báo cáo công tác cải cách hành chính", office.Thuong, 26*time.Hour, office.Accepted, ok)
	back := at(neighbour, office.Returned)
	back.Reason = "Thiếu phụ lục số 2"
	out("returned", "Phối hợp quản lý đường giáp ranh", office.Thuong, 27*time.Hour, office.Returned, back)
	refused := at(home, office.Returned)
	refused.Reason = "Không thuộc thẩm quyền"
	lost := at(ward, office.Failed)
	lost.Why = i18n.Say("office.refused.18")
	lost.Reason = lost.Why.Text(i18n.Vietnamese)
	out("failed", "Xác minh thông tin cư trú", office.Thuong, 28*time.Hour, office.Failed, lost)
	out("many", "Thông báo lịch tiếp công dân tháng 12", office.Thuong, 3*time.Hour, office.Delivered, ok, at(neighbour, office.Accepted),
		at(ward, office.Delivered), refused, at(finance, office.AtHub))
	total := int64(4<<20 + 400<<10)
	sending, _ := f.find(s["sending"].ID)
	sending.Size = total
	f.progress[s["sending"].ID] = office.Progress{Sent: total * 43 / 100, Total: total, Rate: 28 << 10, Left: 6 * time.Minute}
}

// eventsOf are the steps a recipient's state implies.
func eventsOf(r office.Recipient, from time.Time) []office.Event {
	var all []office.Event
	step := func(s office.State, after time.Duration, signer, evidence string) {
		e := office.Event{Step: s, Office: r.Code, At: from.Add(after), Learnt: from.Add(after), Signer: signer, Evidence: evidence}
		if s == r.State {
			e.Note, e.Said = r.Reason, r.Why
		}
		all = append(all, e)
	}
	if r.State == office.Saved {
		return nil
	}
	step(office.Sending, time.Minute, "", "")
	if r.State == office.Sending {
		return all
	}
	step(office.AtHub, 3*time.Minute, "H40", "custody")
	switch r.State {
	case office.AtHub:
		return all
	case office.Failed:
		step(office.Failed, 4*time.Minute, "H40", "notice")
		return all
	}
	step(office.Delivered, 4*time.Minute, r.Code, "status")
	if r.State != office.Delivered {
		step(r.State, 30*time.Minute, r.Code, "status")
	}
	return all
}
