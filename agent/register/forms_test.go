package register

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

var sampleStamp = Stamp{Office: "Ủy ban nhân dân xã Mỹ Hạnh", Number: "05", Date: "02/3/2026", To: "Phòng Kinh tế", File: "03/UB-VX"}

var sampleHandling = Handling{
	Superior: "UBND tỉnh Tây Ninh", Office: "UBND xã Mỹ Hạnh", Place: "Mỹ Hạnh", Date: made,
	Type: "Công văn", Code: "128/SNNMT-TL", Issued: made, Author: "Sở Nông nghiệp và Môi trường", Subject: "V/v kiểm tra công trình thủy lợi trước mùa mưa, bão",
	Leader: LeaderOpinion{Opinion: Opinion{"Đề nghị kiểm tra ngay, báo cáo trong tuần.", made}, Lead: "Phòng Kinh tế", Support: "Công an xã"},
}

func sampleSlip() Slip {
	s := Slip{Superior: "UBND tỉnh Tây Ninh", Office: "UBND xã Mỹ Hạnh", Place: "Mỹ Hạnh", Date: made, Code: "05/QĐ-UBND", Issued: made, Type: "Quyết định",
		Subject: "Về việc phê duyệt kế hoạch phòng, chống thiên tai", Urgency: "HỎA TỐC", Identifier: "H53.1.2026.5",
		Files: []SlipFile{{"QĐ phê duyệt kế hoạch.pdf", "1,2 MB", strings.Repeat("0123456789abcdef", 4)}}}
	for i := range 9 {
		s.To = append(s.To, SlipTo{Party: Party{fmt.Sprintf("UBND xã Đức Hòa %d", i+1), fmt.Sprintf("H53.%d", i+1)}, State: "Đã tiếp nhận",
			Steps: []SlipStep{{"Đã lưu", "31/12/2026 16:30", "UBND xã Mỹ Hạnh"}, {"Đã đến trạm tỉnh", "31/12/2026 16:31", "Trạm tỉnh Tây Ninh"}, {"Đã đến nơi nhận", "31/12/2026 16:32", "UBND xã Đức Hòa"}}})
	}
	return s
}

func TestTheStampIs50By35Millimetres(t *testing.T) {
	for name, s := range map[string]Stamp{"filled": sampleStamp, "blank": {Office: "UBND xã"},
		"long": {Office: strings.Repeat("Ban Quản lý dự án đầu tư xây dựng ", 8), Number: strings.Repeat("9", 80), To: strings.Repeat("Phòng Văn hóa ", 20)}} {
		onPage(t, s.draw())
		svg := s.SVG()
		if !bytes.HasPrefix(svg, []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="50.0mm" height="35.0mm"`)) {
			t.Errorf("%s: %s", name, svg[:120])
		}
		text := textOf(t, svg)
		at := 0
		for _, want := range []string{"ĐẾN", "Số: ", "Ngày: ", "Chuyển: ", "Số và ký hiệu HS: "} {
			i := strings.Index(text[at:], want)
			if i < 0 {
				t.Fatalf("%s: %q is missing or out of order in %q", name, want, text)
			}
			at += i + len(want)
		}
		if name == "long" && !strings.Contains(text, Omission) {
			t.Errorf("what does not fit is dropped: %q", text)
		}
	}
	data, err := sampleStamp.PDF()
	if err != nil {
		t.Fatal(err)
	}
	path := save(t, "stamp.pdf", data)
	if info := string(run(t, "pdfinfo", path)); !strings.Contains(info, "141.732 x 99.212") {
		t.Errorf("the page is not 50 × 35 mm:\n%s", info)
	}
	if text := string(run(t, "pdftotext", "-layout", path, "-")); !strings.Contains(text, "Chuyển: Phòng Kinh tế") {
		t.Errorf("the label reads\n%s", text)
	}
}

// textOf is the text of an XML document; one that is not well-formed fails.
func textOf(t *testing.T, data []byte) string {
	t.Helper()
	var text strings.Builder
	for d := xml.NewDecoder(bytes.NewReader(data)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, ok := token.(xml.CharData); ok {
			text.Write(c)
		}
	}
}

func TestSVGKeepsForeignTextAsText(t *testing.T) {
	svg := Stamp{Office: "x", To: `</text><script>alert(1)</script>&"`}.SVG()
	if bytes.Contains(svg, []byte("<script")) || !strings.Contains(textOf(t, svg), `</text>`) {
		t.Errorf("got %s", svg)
	}
}

func TestTheHandlingSlipHasItsThreeParts(t *testing.T) {
	for _, h := range []Handling{sampleHandling, {Office: "UBND xã"}} {
		for _, p := range h.draw() {
			onPage(t, p)
		}
		data, err := h.PDF()
		if err != nil {
			t.Fatal(err)
		}
		text := string(run(t, "pdftotext", "-layout", save(t, "handling.pdf", data), "-"))
		at := 0
		for _, want := range []string{"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc", "PHIẾU GIẢI QUYẾT VĂN BẢN ĐẾN",
			"1. Ý kiến của lãnh đạo cơ quan, tổ chức", "chủ trì", "phối hợp", "Thời hạn", "Ngày cho ý kiến", "2. Ý kiến của lãnh đạo đơn vị", "Giao cho cá nhân", "3. Ý kiến đề xuất của người giải quyết"} {
			i := strings.Index(text[at:], want)
			if i < 0 {
				t.Fatalf("%q is missing or out of order:\n%s", want, text)
			}
			at += i
		}
		if strings.Count(text, "\f") != 1 {
			t.Errorf("the slip takes %d pages", strings.Count(text, "\f"))
		}
	}
}

func TestTheSendingSlipShowsTheTrackOfEachRecipient(t *testing.T) {
	s := sampleSlip()
	for _, p := range s.draw() {
		onPage(t, p)
	}
	data, err := s.PDF()
	if err != nil {
		t.Fatal(err)
	}
	text := string(run(t, "pdftotext", "-layout", save(t, "slip.pdf", data), "-"))
	if n := strings.Count(text, "Đã đến nơi nhận"); n != len(s.To) {
		t.Errorf("%d of %d recipients have their track", n, len(s.To))
	}
	for _, want := range []string{"PHIẾU GỬI", "05/QĐ-UBND", "HỎA TỐC", "H53.1.2026.5", "UBND xã Đức Hòa 9 (mã H53.9)", "Trạm tỉnh Tây Ninh"} {
		if !strings.Contains(text, want) {
			t.Errorf("the slip lacks %q:\n%s", want, text)
		}
	}
}

func TestASlipOfManyRecipientsRunsOverPages(t *testing.T) {
	s := sampleSlip()
	for i := range 300 {
		s.To = append(s.To, SlipTo{Party: Party{Name: strings.Repeat("Ban ", i)}, State: "Đang gửi", Steps: []SlipStep{{What: strings.Repeat("x", 3*i), When: "—", Proof: strings.Repeat("chữ ký ", i)}}})
	}
	pages := s.draw()
	if len(pages) < 20 {
		t.Errorf("%d pages", len(pages))
	}
	for _, p := range pages {
		onPage(t, p)
	}
}

func TestPrintedDatesOfSlipsAreBlankWithoutATime(t *testing.T) {
	if got := dateLine("Mỹ Hạnh", time.Time{}); got != "Mỹ Hạnh, ngày …… tháng …… năm ………" {
		t.Errorf("got %q", got)
	}
}
