package register

import (
	"slices"
	"testing"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/typeset"
)

// decree is Phụ lục IV and V of Nghị định 30/2020/NĐ-CP, and below them the two
// reports, for which it fixes no columns.
var decree = []struct {
	kind    Kind
	title   string
	columns []string
}{
	{Outgoing, "SỔ ĐĂNG KÝ VĂN BẢN ĐI", []string{"Số, ký hiệu văn bản", "Ngày tháng văn bản", "Tên loại và trích yếu nội dung văn bản", "Người ký", "Nơi nhận văn bản",
		"Đơn vị, người nhận bản lưu", "Số lượng bản", "Ngày chuyển", "Ký nhận", "Ghi chú"}},
	{Incoming, "SỔ ĐĂNG KÝ VĂN BẢN ĐẾN", []string{"Ngày đến", "Số đến", "Tác giả", "Số, ký hiệu văn bản", "Ngày tháng văn bản",
		"Tên loại và trích yếu nội dung văn bản", "Đơn vị hoặc người nhận", "Ngày chuyển", "Ký nhận", "Ghi chú"}},
	{FollowUp, "SỔ THEO DÕI GIẢI QUYẾT VĂN BẢN ĐẾN", []string{"Số đến", "Tên loại, số, ký hiệu, ngày, tháng và tên cơ quan, tổ chức ban hành văn bản",
		"Đơn vị hoặc người nhận", "Thời hạn giải quyết", "Tiến độ giải quyết", "Số, ký hiệu văn bản trả lời", "Ghi chú"}},
	{Postal, "SỔ GỬI VĂN BẢN ĐI BƯU ĐIỆN", []string{"Ngày chuyển", "Số, ký hiệu văn bản", "Nơi nhận văn bản", "Số lượng bì", "Ký nhận và dấu bưu điện", "Ghi chú"}},
	{KeptCopies, "SỔ SỬ DỤNG BẢN LƯU", []string{"Ngày tháng", "Họ tên người sử dụng", "Số, ký hiệu ngày tháng văn bản", "Tên loại và trích yếu nội dung văn bản",
		"Số và ký hiệu HS", "Ký nhận", "Ngày trả", "Người cho phép sử dụng", "Ghi chú"}},
	{FileContents, "MỤC LỤC VĂN BẢN TRONG HỒ SƠ", []string{"STT", "Số, ký hiệu văn bản", "Ngày tháng năm văn bản", "Tên loại và trích yếu nội dung văn bản",
		"Tác giả văn bản", "Tờ số/Trang số", "Ghi chú"}},
	{FileList, "MỤC LỤC HỒ SƠ", []string{"Số TT", "Số, ký hiệu hồ sơ", "Tiêu đề hồ sơ", "Thời gian tài liệu", "Thời hạn bảo quản", "Số tờ/Số trang", "Ghi chú"}},
	{IncomingReport, "BÁO CÁO TÌNH HÌNH GIẢI QUYẾT VĂN BẢN ĐẾN", []string{"Số đến", "Tên loại, số, ký hiệu, ngày, tháng và tên cơ quan, tổ chức ban hành văn bản",
		"Đơn vị hoặc người nhận", "Thời hạn giải quyết", "Tiến độ giải quyết", "Số, ký hiệu văn bản trả lời", "Ghi chú"}},
	{OutgoingReport, "BÁO CÁO TÌNH HÌNH GIẢI QUYẾT VĂN BẢN ĐI", []string{"Số, ký hiệu văn bản", "Ngày tháng văn bản", "Tên loại và trích yếu nội dung văn bản",
		"Nơi nhận văn bản", "Tiến độ giải quyết", "Ghi chú"}},
}

func TestColumnsAreThoseOfTheDecree(t *testing.T) {
	if len(Books()) != len(decree) {
		t.Errorf("%d books, %d forms", len(Books()), len(decree))
	}
	for _, want := range decree {
		b, err := Find(want.kind)
		if err != nil {
			t.Fatal(err)
		}
		var titles []string
		sum := 0
		for _, c := range b.Columns {
			titles = append(titles, c.Title())
			sum += c.Width
			if english := c.TitleIn(i18n.English); english == c.Title() || english == "register.column."+string(c.Field) {
				t.Errorf("%s: column %s has no English title", b.Kind, c.Field)
			}
		}
		if b.Title() != want.title || !slices.Equal(titles, want.columns) {
			t.Errorf("%s: %s %q\nwant %s %q", b.Kind, b.Title(), titles, want.title, want.columns)
		}
		if sum != BodyWidth {
			t.Errorf("%s: columns are %d mm wide, the sheet has %d", b.Kind, sum, BodyWidth)
		}
	}
	if BodyWidth != 297-25-15 || sheetWidth-marginLeft-marginRight < mm(BodyWidth*10)-10 {
		t.Errorf("the columns do not fit between the margins")
	}
}

func TestTitlesOfColumnsAreWhole(t *testing.T) {
	for _, b := range Books() {
		for _, c := range b.Columns {
			lines, size := typeset.Fit(c.Title(), bold, titleSizes, mm(c.Width*10)-2*cellPadX, 5)
			if typeset.Widest(lines, bold, size) > mm(c.Width*10) || mpt(len(lines))*typeset.Leading(size) > titlesHeight {
				t.Errorf("%s: %q does not fit above its column: %q", b.Kind, c.Title(), lines)
			}
			for _, line := range lines {
				if slices.Contains([]byte("-/,"), line[len(line)-1]) && line[len(line)-1] != ',' {
					t.Errorf("%s: %q is broken within a word: %q", b.Kind, c.Title(), lines)
				}
			}
		}
	}
}

func TestUnknownBookIsNamed(t *testing.T) {
	_, err := Find("sổ lạ")
	p := problem.From(err)
	if p.Code != "register.unknown-book" || p.Field != "kind" || p.Next(i18n.Vietnamese) == "" {
		t.Errorf("got %v", err)
	}
}
