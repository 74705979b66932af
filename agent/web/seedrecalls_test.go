package web

import (
	"time"

	"tram/agent/edxml"
	"tram/agent/office"
)

// seedRecalls adds documents that are taken back, asked back, updated and
// replaced, in both boxes.
func seedRecalls(f *fakeOffice, s seeded, ago func(time.Duration) time.Time) {
	province, neighbour, ward, home := directory[1], directory[2], directory[3], directory[4]
	incoming := func(name string, from office.Party, subject string, state office.State, arrival int, r *office.Request, links ...office.Link) {
		at := ago(30 * time.Hour)
		d := office.Document{Box: office.In, From: from, To: []office.Recipient{{Party: us, State: state}}, Subject: subject, Number: "31", Notation: "UBND-VX",
			Type: "CV", TypeName: "Công văn", Date: "2026-11-20", State: state, Arrival: arrival, Created: at, Request: r, Links: links,
			EdXMLID: from.Code + ",2026/11/20,31/UBND-VX",
			Events:  []office.Event{{Step: office.Arrived, At: at, Learnt: at, Signer: us.Code, Evidence: "status"}}}
		if r != nil && r.Kind == office.AskRecall {
			d.Events = append(d.Events, office.Event{Step: office.Accepted, Code: edxml.StatusTakeBack, At: r.At, Learnt: r.At, Signer: from.Code, Note: r.Reason, Evidence: "status"})
		}
		if state == office.Recalled {
			d.Reason = r.Reason
			d.Events = append(d.Events, office.Event{Step: office.Recalled, Code: edxml.StatusAgreed, At: r.Answered, Learnt: r.Answered, Signer: us.Code, Evidence: "status"})
		}
		s[name] = f.add(d, "Cong van.pdf", samplePDF("CONG VAN", 1, ""))
	}
	ask := func(kind string, state office.RequestState, reason string) *office.Request {
		r := &office.Request{Kind: kind, State: state, From: province.Code, Person: "Trần Thị Bình", Reason: reason, At: ago(2 * time.Hour)}
		if state != office.RequestPending {
			r.By, r.Answered = "lan", ago(time.Hour)
		}
		return r
	}
	incoming("asked-back", province, "Phân bổ kinh phí sự nghiệp năm 2027", office.Accepted, 1201, ask(office.AskRecall, office.RequestPending, "Sai số liệu tại phụ lục 2"))
	incoming("recalled", province, "Thành lập đoàn kiểm tra liên ngành", office.Recalled, 1202, ask(office.AskRecall, office.RequestGranted, "Ban hành nhầm thẩm quyền"))
	incoming("kept", home, "Điều chỉnh lịch tiếp dân", office.Accepted, 1203, ask(office.AskRecall, office.RequestRefused, "Trùng lịch"))
	incoming("update", neighbour, "Kế hoạch diễn tập phòng cháy (cập nhật)", office.Arrived, 0, ask(office.AskUpdate, office.RequestPending, "Đổi địa điểm diễn tập"),
		office.Link{Kind: office.Updates, EdXMLID: "H40.13,2026/10/01,20/KH-UBND", Reason: "Đổi địa điểm diễn tập"})
	incoming("replaced-in", home, "Hướng dẫn kê khai tài sản", office.Accepted, 1204, nil,
		office.Link{Kind: office.ReplacedBy, ID: s["normal"].ID, Symbol: "44/HD-SNV", Subject: "Hướng dẫn kê khai tài sản (bản mới)", Reason: "Sai biểu mẫu"})

	outgoing := func(name, subject string, state office.State, links []office.Link, to ...office.Recipient) {
		at := ago(40 * time.Hour)
		d := office.Document{Box: office.Out, From: us, To: to, Subject: subject, Number: "52", Notation: "BC-UBND", Type: "BC", TypeName: "Báo cáo",
			Date: "2026-11-20", State: state, Created: at, Links: links, EdXMLID: us.Code + ",2026/11/20,52/BC-UBND",
			Events: []office.Event{{Step: office.Saved, At: at, Learnt: at, Signer: us.Code, Evidence: "seal"}}}
		for _, r := range to {
			was := r
			if r.State == office.Recalled {
				was.State = office.Delivered
			}
			if r.State != office.Withdrawn {
				d.Events = append(d.Events, eventsOf(was, at)...)
			}
			if a := r.Recall; a != nil {
				d.Events = append(d.Events, office.Event{Step: was.State, Code: edxml.StatusTakeBack, Office: r.Code, At: a.At, Learnt: a.At, Signer: us.Code, Note: a.Reason, Evidence: "status"})
			}
			if r.State == office.Recalled {
				d.Events = append(d.Events, office.Event{Step: office.Recalled, Code: edxml.StatusAgreed, Office: r.Code, At: ago(time.Hour), Learnt: ago(time.Hour), Signer: r.Code, Evidence: "status"})
			}
		}
		if state == office.Withdrawn {
			d.Events = append(d.Events, office.Event{Step: office.Withdrawn, At: ago(39 * time.Hour), Learnt: ago(39 * time.Hour), Note: "Thiếu chữ ký"})
		}
		s[name] = f.add(d, "Báo cáo.pdf", samplePDF("BAO CAO", 1, ""))
	}
	at := func(p office.Party, st office.State, a *office.Ask) office.Recipient {
		return office.Recipient{Party: p, State: st, Recall: a}
	}
	asked := func(state office.AskState, answer string) *office.Ask {
		return &office.Ask{State: state, Reason: "Sai số liệu", By: "lan", At: ago(2 * time.Hour), Answer: answer, Answered: ago(time.Hour)}
	}
	outgoing("withdrawn", "Báo cáo quý gửi nhầm tệp", office.Withdrawn, nil, office.Recipient{Party: province, State: office.Withdrawn, Reason: "Thiếu chữ ký"})
	outgoing("recalled-out", "Báo cáo số liệu dân cư", office.Recalled, nil, at(province, office.Recalled, asked(office.AskAgreed, "")))
	outgoing("recalling", "Báo cáo thu ngân sách", office.Delivered, []office.Link{{Kind: office.ReplacedBy, ID: s["hub"].ID, Symbol: "60/BC-UBND", Subject: "Báo cáo thu ngân sách (sửa)", Reason: "Sai số liệu"}},
		at(province, office.Accepted, asked(office.AskRefused, "Đã tổng hợp vào báo cáo tỉnh")), at(neighbour, office.Recalled, asked(office.AskAgreed, "")),
		at(home, office.Delivered, asked(office.Asked, "")), at(ward, office.AtHub, nil))
}
