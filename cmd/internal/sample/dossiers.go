package sample

import (
	_ "embed"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/workdays"
)

// Procedures is a catalogue of some procedures of a commune, as a file. Papers, fees
// and time limits are samples: offices load the catalogue of their province.
//
//go:embed procedures.json
var Procedures []byte

// Dossier is a sample dossier and what happens to it, in this order.
type Dossier struct {
	dossier.Handing
	Acts []dossier.Act
}

// Dossiers makes sample dossiers in the states in which a desk meets them: new, being
// worked on, due, overdue, waiting for the applicant, with a result, returned.
func Dossiers(now time.Time) []Dossier {
	desk, officer, leader := "Bộ phận một cửa", "Phạm Văn Nam", "Trần Văn Chủ"
	take := func(procedure, name string, days int, copies ...int) dossier.Handing {
		h := dossier.Handing{Procedure: code.Procedure{Number: procedure}, Channel: dossier.AtDesk, Copies: copies, By: desk,
			Applicant: dossier.Applicant{Kind: dossier.Citizen, Name: name, Number: "040090001234", Phone: "0912345678", Address: "Thôn Nà Hẩu, xã An Bình"}}
		if days > 0 {
			h.At = now.Add(-time.Duration(days)*24*time.Hour + time.Hour)
		}
		return h
	}
	act := func(kind dossier.Kind, by, text string) dossier.Act {
		return dossier.Act{Kind: kind, By: by, Text: text}
	}
	begin := act(dossier.Started, desk, officer)
	result := func(name, number string) dossier.Act {
		return dossier.Act{Kind: dossier.Finished, By: officer, Result: dossier.Result{Name: name, Number: number, Date: now.Format(time.DateOnly)}}
	}
	online, lacking := take("1.001193", "Hoàng Văn Thụ", 0, 1, 1, 0), take("1.009994", "Vàng A Páo", 0, 1, 0, 1)
	online.Register, online.Channel = true, dossier.Online
	lacking.Lacking = "- Giấy tờ chứng minh quyền sử dụng đất (bản sao chứng thực, 1 bản)"
	company := take("1.009994", "Công ty TNHH Xây dựng Minh Sơn", 3, 1, 1, 2)
	company.Applicant.Kind, company.Applicant.Number = dossier.Organisation, "5300123456"
	return []Dossier{
		{online, nil},
		{take("1.001193", "Nguyễn Văn An", 0, 1, 1, 0), []dossier.Act{begin}},
		{take("2.000815", "Trần Thị Bình", 0, 1, 1), nil},
		{take("1.004873", "Lê Thị Cúc", 7, 1, 0), []dossier.Act{begin}},
		{take("1.000656", "Phạm Văn Dũng", 5, 1, 1), []dossier.Act{begin, {Kind: dossier.Extended, By: leader, Text: "Chúng tôi xin lỗi: cần xác minh thêm nơi cư trú cuối cùng.", Day: laterDay(now)}}},
		{take("1.001776", "Giàng Thị Mỷ", 6, 1, 1), []dossier.Act{begin, act(dossier.Noted, officer, "Đã xác minh tại thôn.")}},
		{company, []dossier.Act{begin, act(dossier.SupplementAsked, officer, "Bản vẽ thiếu mặt cắt móng.")}},
		{take("1.009994", "Đặng Văn Giang", 2, 1, 1, 2), []dossier.Act{begin, act(dossier.PaymentAsked, officer, "Lệ phí cấp giấy phép xây dựng: 75.000 đ")}},
		{lacking, nil},
		{take("1.004873", "Bùi Thị Hoa", 2, 1, 0), []dossier.Act{begin, result("Giấy xác nhận tình trạng hôn nhân", "41/UBND-XNTTHN")}},
		{take("2.000815", "Mai Văn Khoa", 0, 1, 1), []dossier.Act{result("Bản sao có chứng thực", ""), act(dossier.Returned, desk, "Mai Văn Khoa")}},
		{take("1.001193", "Đỗ Văn Lâm", 4, 1, 1, 0), []dossier.Act{begin, result("Giấy khai sinh", "112/2026"), act(dossier.Returned, desk, "Đỗ Văn Lâm")}},
		{take("1.001776", "Lò Thị Pành", 1, 1, 0), []dossier.Act{act(dossier.WithdrawalAsked, desk, "Chuyển nơi cư trú")}},
	}
}

// laterDay is the working day after the next two, yyyy-mm-dd.
func laterDay(now time.Time) string {
	day := now.AddDate(0, 0, 7)
	if cal, err := workdays.Vietnam(); err == nil {
		if due, err := workdays.Due(cal, workdays.Rule{Unit: workdays.WorkingDays, N: 3}, now); err == nil {
			day = due.At
		}
	}
	return day.In(clock.Vietnam).Format(time.DateOnly)
}
