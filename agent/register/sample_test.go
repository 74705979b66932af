package register

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	subjects = []string{
		"Quyết định về việc phê duyệt kế hoạch phòng, chống thiên tai và tìm kiếm cứu nạn trên địa bàn xã năm 2026",
		"Công văn V/v rà soát, thống kê hộ nghèo, hộ cận nghèo theo chuẩn nghèo đa chiều giai đoạn 2026 - 2030",
		"Giấy mời họp giao ban tháng 6",
		"Báo cáo kết quả thực hiện nhiệm vụ phát triển kinh tế - xã hội, bảo đảm quốc phòng, an ninh 6 tháng đầu năm và phương hướng, nhiệm vụ trọng tâm 6 tháng cuối năm 2026; kèm theo phụ lục số liệu thu, chi ngân sách và tiến độ giải ngân vốn đầu tư công",
		"Thông báo kết luận của Chủ tịch Ủy ban nhân dân xã tại buổi tiếp công dân định kỳ",
		"Tờ trình đề nghị cấp giấy chứng nhận quyền sử dụng đất cho ông Nguyễn Văn Ưởng, bà Trần Thị Kiều Oanh",
		"Kế hoạch tuyên truyền, phổ biến, giáo dục pháp luật",
	}
	offices = []string{"Ủy ban nhân dân tỉnh Tây Ninh", "Sở Nông nghiệp và Môi trường", "Văn phòng Hội đồng nhân dân và Ủy ban nhân dân tỉnh", "Công an xã Mỹ Hạnh", "Đảng ủy xã", "Trường Tiểu học Đức Hòa Thượng"}
	people  = []string{"Nguyễn Thị Ánh Tuyết", "Trần Văn Thưởng", "Lê Hoàng Phượng", "Đỗ Quốc Việt", "H'Yuên Niê Kđăm"}
	types   = []string{"QĐ-UBND", "UBND-VX", "TB-UBND", "KH-UBND", "BC-UBND", "TTr-UBND"}
)

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// sampleLines are n lines of a year as a commune would have them.
func sampleLines(b Book, n int) []Line {
	r := rand.New(rand.NewPCG(uint64(n), uint64(len(b.Columns))))
	lines := make([]Line, n)
	for i := range lines {
		day := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i*360/n)
		code := Code(i+1, pick(r, types))
		lines[i] = Line{Key: fmt.Sprintf("%s-%d", b.Kind, i+1), Values: map[Field]string{}}
		all := map[Field]string{
			CodeOf: code, DocumentDate: Day(day), TypeSubject: pick(r, subjects), Signer: pick(r, people), Destination: pick(r, offices) + "; " + pick(r, offices),
			CopyKeeper: "Văn thư", Copies: fmt.Sprint(1 + r.IntN(30)), HandoverDate: Day(day), ArrivalDate: Day(day), ArrivalNo: Number(i + 1), Author: pick(r, offices),
			Recipient: pick(r, people), Origin: "Công văn " + code + " ngày " + Day(day) + " của " + pick(r, offices), Deadline: Day(day.AddDate(0, 0, 10)),
			Progress: "Đang giải quyết", Reply: Code(i+2, "UBND-VX"), Envelopes: "2", DateOf: Day(day), UserOf: pick(r, people), CodeDate: code + " ngày " + Day(day),
			FileCode: "0" + fmt.Sprint(r.IntN(9)) + "/UB-VX", ReturnDate: Day(day), Permission: pick(r, people), Ordinal: Number(i + 1), FullDate: Day(day), DocAuthor: pick(r, offices),
			SheetNo: Number(i + 1), Serial: Number(i + 1), FileNotation: Number(i+1) + "/UB-VX", FileTitle: "Hồ sơ " + pick(r, subjects), Period: Day(day) + " – " + Day(day.AddDate(0, 1, 0)),
			Retention: "10 năm", SheetCount: fmt.Sprint(r.IntN(200)),
		}
		if r.IntN(12) == 0 {
			all[Remarks] = "Văn bản giấy"
		}
		for _, c := range b.Columns {
			if v, ok := all[c.Field]; ok {
				lines[i].Values[c.Field] = v
			}
		}
	}
	return lines
}

// sampleVolume is the book of a commune in 2026.
func sampleVolume() Volume {
	return Volume{Superior: "Ủy ban nhân dân tỉnh Tây Ninh", Office: "Ủy ban nhân dân xã Mỹ Hạnh", Place: "Mỹ Hạnh", Year: 2026, Number: 2,
		FirstDay: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), LastDay: time.Date(2026, 12, 31, 0, 0, 0, 0, time.UTC), FirstCode: "01", LastCode: "3000"}
}

var made = time.Date(2026, 12, 31, 16, 30, 0, 0, time.FixedZone("", 7*3600))

func sheetsOf(t testing.TB, kind Kind, n int) []Sheet {
	t.Helper()
	b, err := Find(kind)
	if err != nil {
		t.Fatal(err)
	}
	sheets, err := Paginate(b, sampleVolume(), sampleLines(b, n), Printed{})
	if err != nil {
		t.Fatal(err)
	}
	return sheets
}
