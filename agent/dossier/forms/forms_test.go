package forms

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"tram/agent/dossier"
	"tram/agent/problem"
	"tram/agent/typeset"
)

var nation = []string{"CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc"}

func TestTheReceiptSaysWhatTheApplicantNeeds(t *testing.T) {
	p := makeForm(t, Receipt, taken(t))
	pages := read(t, "receipt", p.Data)
	if len(pages) != 1 || p.Pages != 1 {
		t.Fatalf("%d pages, said %d", len(pages), p.Pages)
	}
	inOrder(t, pages[0], nation[0], nation[1], "Tân Phú, ngày 23 tháng 11 năm 2026", "GIẤY TIẾP NHẬN HỒ SƠ VÀ HẸN TRẢ KẾT QUẢ", "Mã hồ sơ: H40.12.7-261123-0001",
		"Mã tra cứu: K3QF7-2MWPA", "Tiếp nhận hồ sơ của: Nguyễn Văn An", "CCCD/MST: 040090001234", "Thủ tục hành chính cần giải quyết: Đăng ký khai sinh (1.001193)",
		"Tờ khai đăng ký khai sinh", "Bản chính", "01", "Giấy chứng sinh", "Bản sao chứng thực", "02", "2. Số lượng hồ sơ: 01 (bộ)",
		"3. Thời gian giải quyết hồ sơ theo quy định là: 03 ngày làm việc", "4. Thời gian nhận hồ sơ: 09 giờ 15 phút, ngày 23 tháng 11 năm 2026",
		"5. Thời gian trả kết quả giải quyết hồ sơ: 17 giờ 00 phút, ngày 26 tháng 11 năm 2026", "7. Phí, lệ phí (nếu có): 1.258.000 đồng",
		"8.000 đồng", "Đã nộp, biên lai số AA/26-000117", "Chưa nộp", "Vào Sổ theo dõi hồ sơ, Quyển số: 2026, Số thứ tự: 15",
		"NGƯỜI NỘP HỒ SƠ", "NGƯỜI TIẾP NHẬN HỒ SƠ", "Nguyễn Văn An", "Lò Thị Hiền", "Mẫu số 01", "Phiên bản biểu mẫu 2025.1")
	if strings.Contains(pages[0], "Văn bản ủy quyền") {
		t.Error("a paper is on the receipt that was not handed in")
	}
}

// A supplement moves the date of return; the receipt keeps the one that it told.
func TestTheReceiptKeepsTheDateThatItTold(t *testing.T) {
	d := taken(t)
	happen(t, &d, dossier.SupplementAsked, "24/11 08:00", "Phạm Nam", "Thiếu giấy tờ")
	happen(t, &d, dossier.Supplemented, "30/11 08:00", "Lò Thị Hiền", "", "02/12 17:00")
	inOrder(t, strings.Join(read(t, "receipt-later", makeForm(t, Receipt, d).Data), ""), "Thời gian trả kết quả giải quyết hồ sơ: 17 giờ 00 phút, ngày 26 tháng 11 năm 2026")
}

func TestTheReceiptOfAnUnsureClockCountsByDays(t *testing.T) {
	d := taken(t)
	d.Events[1].Unsure = true
	fold(t, &d)
	inOrder(t, read(t, "receipt-unsure", makeForm(t, Receipt, d).Data)[0], "Giờ thiết bị chưa chắc chắn — hạn tính theo ngày.")
}

// big is a dossier with 40 papers and names as long as they may be.
func big(t *testing.T) dossier.Dossier {
	d := taken(t)
	long := strings.TrimSpace(strings.Repeat("Công ty Trách nhiệm hữu hạn Một thành viên Đầu tư Xây dựng và Phát triển Hạ tầng Kỹ thuật ", 5))
	d.Applicant.Name, d.Applicant.Agent = string([]rune(long)[:dossier.MaxName-90]), "Nguyễn Thị Ánh Tuyết Phương Thảo"
	d.Applicant.Address = strings.Repeat("Ưỡ", 200)
	d.Procedure.Name = string([]rune("Cấp giấy phép " + long)[:400])
	d.Papers = nil
	for i := range 40 {
		d.Papers = append(d.Papers, dossier.Handed{Paper: dossier.Paper{Name: fmt.Sprintf("Giấy tờ thứ %d: bản vẽ thiết kế kỹ thuật được thẩm định theo quy định của pháp luật về xây dựng", i+1), Kind: dossier.Certified}, Copies: 1 + i%3})
	}
	return d
}

func TestFortyPapersGoOverToFurtherPagesUnderTheirTitles(t *testing.T) {
	pages := read(t, "receipt-big", makeForm(t, Receipt, big(t)).Data)
	if len(pages) < 3 {
		t.Fatalf("%d pages", len(pages))
	}
	all := strings.Join(strings.Fields(strings.Join(pages, " ")), " ")
	for i := range 40 {
		if strings.Count(all, fmt.Sprintf("Giấy tờ thứ %d:", i+1)) != 1 {
			t.Errorf("paper %d is not there once", i+1)
		}
	}
	for i, p := range pages {
		if strings.Contains(p, "Giấy tờ thứ") && strings.Count(p, "Tên giấy tờ") != 1 {
			t.Errorf("page %d has papers without their titles", i+1)
		}
		if !strings.Contains(p, "Mẫu số 01") || i > 0 && !strings.HasPrefix(strings.TrimSpace(p), fmt.Sprint(i+1)) {
			t.Errorf("page %d has no number or does not say what form it is", i+1)
		}
	}
	if !strings.Contains(strings.ReplaceAll(all, " ", ""), strings.Repeat("Ưỡ", 20)) {
		t.Error("an address without a break lost its letters")
	}
}

func TestEverythingStandsOnThePaper(t *testing.T) {
	for _, d := range []dossier.Dossier{taken(t), big(t), full(t)} {
		for _, f := range Available(d) {
			for _, p := range pagesOf(t, f, d) {
				onPage(t, p)
			}
		}
	}
}

func pagesOf(t *testing.T, f Form, d dossier.Dossier) []typeset.Page {
	t.Helper()
	v, err := Sheet{Form: f, Dossier: d, Heading: heading, Lookup: lookup}.values()
	if err != nil {
		t.Fatal(err)
	}
	return v.set(For(f, v.date))
}

func onPage(t *testing.T, p typeset.Page) {
	t.Helper()
	for _, d := range p.Texts {
		if d.X < typeset.MM(100) || d.X+typeset.Width(d.Text, d.Face, d.Size) > p.Width-typeset.MM(50) || d.Y < typeset.MM(50) || d.Y > p.Height-typeset.MM(50) {
			t.Errorf("%q stands at %d, %d", d.Text, d.X, d.Y)
		}
	}
	for _, r := range p.Rules {
		if min(r.X1, r.Y1) < 0 || max(r.X1, r.X2) > p.Width || max(r.Y1, r.Y2) > p.Height {
			t.Errorf("a rule is outside the page: %v", r)
		}
	}
}

// full is a dossier to which everything happened that brings a form about.
func full(t *testing.T) dossier.Dossier {
	d := taken(t)
	happen(t, &d, dossier.Started, "23/11 10:00", "Lò Thị Hiền", "Phạm Nam")
	happen(t, &d, dossier.SupplementAsked, "24/11 08:00", "Phạm Nam", "Bổ sung văn bản ủy quyền có chứng thực.\nGhi rõ nơi sinh.").Legal = "Điều 9 Nghị định số 123/2015/NĐ-CP"
	happen(t, &d, dossier.Supplemented, "25/11 14:00", "Lò Thị Hiền", "Đã nộp đủ", "30/11 17:00")
	happen(t, &d, dossier.Extended, "30/11 16:00", "Trần Văn Chủ", "Phải xác minh nơi sinh tại Bệnh viện huyện Văn Yên", "04/12 17:00")
	happen(t, &d, dossier.WithdrawalAsked, "01/12 09:00", "Lò Thị Hiền", "Chuyển về quê đăng ký")
	happen(t, &d, dossier.Withdrawn, "01/12 09:30", "Lò Thị Hiền", "Đồng ý cho rút hồ sơ")
	return d
}

func TestTheOtherFormsSayWhatHappened(t *testing.T) {
	refused := taken(t)
	refused.Events = refused.Events[:1]
	fold(t, &refused)
	happen(t, &refused, dossier.Refused, "23/11 09:40", "Lò Thị Hiền", "Không thuộc thẩm quyền giải quyết của Ủy ban nhân dân xã")
	stopped := taken(t)
	e := happen(t, &stopped, dossier.Stopped, "25/11 10:00", "Trần Văn Chủ", "Bản án số 12/2026 đã giải quyết cùng nội dung")
	e.Legal = "Điều 31 Nghị định số 118/2025/NĐ-CP"
	all := full(t)
	for _, c := range []struct {
		name string
		form Form
		d    dossier.Dossier
		want []string
	}{
		{"supplement", Supplement, all, []string{"Tân Phú, ngày 24 tháng 11 năm 2026", "PHIẾU YÊU CẦU BỔ SUNG, HOÀN THIỆN HỒ SƠ", "Mã hồ sơ: H40.12.7-261123-0001", "Hồ sơ của: Nguyễn Văn An",
			"Yêu cầu hoàn thiện hồ sơ gồm những nội dung sau:", "Bổ sung văn bản ủy quyền có chứng thực.", "Ghi rõ nơi sinh.", "Căn cứ: Điều 9 Nghị định số 123/2015/NĐ-CP",
			"tạm dừng từ 08 giờ 00 phút, ngày 24 tháng 11 năm 2026", "NGƯỜI HƯỚNG DẪN", "Phạm Nam", "Mẫu số 02"}},
		{"refusal", Refusal, refused, []string{"PHIẾU TỪ CHỐI TIẾP NHẬN GIẢI QUYẾT HỒ SƠ", "Nguyễn Văn An", "lý do cụ thể như sau:", "Không thuộc thẩm quyền giải quyết", "NGƯỜI TIẾP NHẬN HỒ SƠ", "Lò Thị Hiền", "Mẫu số 03"}},
		{"apology", Apology, all, []string{"ỦY BAN NHÂN DÂN TỈNH LÀO CAI", "ỦY BAN NHÂN DÂN XÃ TÂN PHÚ", "VĂN BẢN XIN LỖI VÀ ĐỀ NGHỊ GIA HẠN THỜI GIAN GIẢI QUYẾT", "Kính gửi: Nguyễn Văn An",
			"trên giấy tiếp nhận: 17 giờ 00 phút, ngày 26 tháng 11 năm 2026", "trước khi gia hạn: 17 giờ 00 phút, ngày 30 tháng 11 năm 2026", "Phải xác minh nơi sinh", "xin lỗi",
			"Thời gian hẹn trả kết quả mới: 17 giờ 00 phút, ngày 04 tháng 12 năm 2026", "NGƯỜI KÝ", "Trần Văn Chủ", "Mẫu số 04"}},
		{"withdrawn", Stop, all, []string{"THÔNG BÁO DỪNG GIẢI QUYẾT HỒ SƠ", "Giai đoạn giải quyết khi dừng: Công dân yêu cầu rút hồ sơ", "Đề nghị của tổ chức, cá nhân: Chuyển về quê đăng ký",
			"dừng giải quyết hồ sơ nêu trên từ 09 giờ 30 phút, ngày 01 tháng 12 năm 2026", "Theo đề nghị rút hồ sơ", "Đồng ý cho rút hồ sơ", "AA/26-000117", "Chưa nộp", "Mẫu số 05"}},
		{"stopped", Stop, stopped, []string{"Giai đoạn giải quyết khi dừng: Được tiếp nhận", "Theo quyết định của cơ quan", "Lý do: Bản án số 12/2026", "Căn cứ: Điều 31", "Trần Văn Chủ"}},
		{"control", Control, all, []string{"PHIẾU KIỂM SOÁT QUÁ TRÌNH GIẢI QUYẾT HỒ SƠ", "Mã hồ sơ: H40.12.7-261123-0001", "TÊN CƠ QUAN", "KẾT QUẢ", "GHI CHÚ", "Mẫu số 06"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inOrder(t, strings.Join(read(t, c.name, makeForm(t, c.form, c.d).Data), "\n"), c.want...)
		})
	}
}

func TestWhichFormsAreThere(t *testing.T) {
	filed, refused, moot := taken(t), taken(t), taken(t)
	filed.Events = filed.Events[:1]
	fold(t, &filed)
	refused.Events = slices.Clone(filed.Events)
	happen(t, &refused, dossier.Refused, "23/11 09:40", "Hiền", "Không đúng thẩm quyền")
	moot.Events = append(moot.Events, dossier.Event{Kind: dossier.Extended, Moot: true})
	guest, erased := full(t), full(t)
	guest.Guest, erased.Erased = true, true
	for name, c := range map[string]struct {
		d    dossier.Dossier
		want []Form
	}{
		"registered": {filed, nil}, "accepted": {taken(t), []Form{Receipt, Control}}, "refused": {refused, []Form{Refusal}}, "all": {full(t), []Form{Receipt, Supplement, Apology, Stop, Control}},
		"too late": {moot, []Form{Receipt, Control}}, "guest": {guest, []Form{Control}}, "erased": {erased, []Form{Control}},
	} {
		if got := Available(c.d); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		for _, f := range All {
			_, err := Sheet{Form: f, Dossier: c.d, Heading: heading}.PDF()
			if slices.Contains(c.want, f) != (err == nil) || err != nil && problem.From(err).Code != "dossier-forms.none" {
				t.Errorf("%s: form %s: %v", name, f, err)
			}
		}
	}
}

func TestAnEarlierOneOfAFormIsMadeToo(t *testing.T) {
	d := taken(t)
	happen(t, &d, dossier.Extended, "26/11 16:00", "Chủ", "Lần một", "30/11 17:00")
	happen(t, &d, dossier.Extended, "30/11 16:00", "Chủ", "Lần hai", "04/12 17:00")
	for nth, want := range []string{"Lần hai", "Lần một", "Lần hai"} {
		p, err := Sheet{Form: Apology, Dossier: d, Heading: heading, Nth: nth}.PDF()
		if err != nil {
			t.Fatal(err)
		}
		inOrder(t, read(t, "nth", p.Data)[0], "Lý do: "+want)
	}
	if _, err := (Sheet{Form: Apology, Dossier: d, Nth: 3}).PDF(); problem.From(err).Class != problem.NotFound {
		t.Errorf("a third one: %v", err)
	}
}

func TestPrintingAgainGivesTheSameBytes(t *testing.T) {
	d := full(t)
	for _, f := range Available(d) {
		first := makeForm(t, f, d)
		again := d
		again.Events = slices.Clone(d.Events)
		happen(t, &again, dossier.Printed, "20/12 09:00", "Hiền", "01 · 2025.1")
		if !bytes.Equal(first.Data, makeForm(t, f, again).Data) {
			t.Errorf("form %s differs once it was printed", f)
		}
	}
}

// Whoever changes how a form looks changes its digest too, and thinks of those
// that are printed already: a change of the law's layout is a new version.
func TestFormsLookAsTheyDid(t *testing.T) {
	d := full(t)
	want := map[Form]string{
		Receipt: "8ff4786ce785a4be", Supplement: "27dd405810305e90", Apology: "a75ed432947aef11", Stop: "ef036e1bd68b10ca", Control: "e74969db898a426a",
		Book: "2adafaef76e43570",
	}
	for _, f := range Available(d) {
		sum := sha256.New()
		for _, p := range pagesOf(t, f, d) {
			fmt.Fprintln(sum, p.Texts, p.Rules)
		}
		if got := hex.EncodeToString(sum.Sum(nil)[:8]); got != want[f] {
			t.Errorf("form %s is drawn as %s, want %s", f, got, want[f])
		}
	}
	sum := sha256.New()
	book := bookOf(t, 40)
	for p := range book.pages(book.Template()) {
		fmt.Fprintln(sum, p.Texts, p.Rules)
	}
	if got := hex.EncodeToString(sum.Sum(nil)[:8]); got != want[Book] {
		t.Errorf("the book is drawn as %s, want %s", got, want[Book])
	}
}

func TestTextFromOutsideStaysText(t *testing.T) {
	d := taken(t)
	d.Applicant.Name, d.Applicant.Address = "{code} {lookup}\x00\x1b[31m", "</text>\u202e(Tj) ) BT <41>"
	text := strings.Join(read(t, "foreign", makeForm(t, Receipt, d).Data), "")
	inOrder(t, text, "Tiếp nhận hồ sơ của: {code} {lookup}[31m", "Địa chỉ: </text>(Tj) ) BT <41>")
}

// Every value that a template names is one that there is, every word that the code
// asks for has its text.
func TestTemplatesNameWhatThereIs(t *testing.T) {
	d := full(t)
	for _, tmpl := range law.Forms {
		if tmpl.Version == "" || tmpl.Title != strings.ToUpper(tmpl.Name) || tmpl.Name == "" || len(tmpl.ValidFrom) != len("2025-09-15") {
			t.Errorf("form %s has no version, name or day: %+v", tmpl.Form, tmpl)
		}
		if tmpl.Form == Book {
			values := lineValues(d, heading)
			for _, c := range tmpl.Book {
				if _, ok := values[c.Value]; !ok {
					t.Errorf("the book has a column %q of no value", c.Value)
				}
			}
			continue
		}
		for k, v := range law.Words {
			if v == "" {
				t.Errorf("the word %q is empty", k)
			}
		}
		if tmpl.Form == Refusal {
			d = taken(t)
			d.Events = d.Events[:1]
			fold(t, &d)
			happen(t, &d, dossier.Refused, "23/11 10:00", "Hiền", "không")
		} else {
			d = full(t)
		}
		v, err := Sheet{Form: tmpl.Form, Dossier: d, Heading: heading, Lookup: lookup}.values()
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range tmpl.Blocks {
			named := []string{b.Value, b.When}
			for _, s := range b.Sign {
				named = append(named, s.Name)
			}
			for _, text := range []string{b.Text, b.QR, b.Hint} {
				for part := range strings.SplitSeq(text, "{") {
					if name, _, ok := strings.Cut(part, "}"); ok {
						named = append(named, name)
					}
				}
			}
			for _, name := range named {
				if _, ok := v.text[name]; !ok && name != "" {
					t.Errorf("form %s names %q, which there is not", tmpl.Form, name)
				}
			}
			rows, ok := v.tables[b.Table]
			width := 0
			for _, c := range b.Columns {
				width += c.Width
				if _, known := rows[0][c.Value]; !ok || !known {
					t.Errorf("form %s has a column %q of no value", tmpl.Form, c.Value)
				}
			}
			if b.Table != "" && width != 1650 {
				t.Errorf("form %s: the table of %s is %d wide", tmpl.Form, b.Table, width)
			}
		}
	}
}

func TestTheNewestTemplateThatIsValidIsTaken(t *testing.T) {
	l := templates{Forms: []Template{{Form: Receipt, Version: "1", ValidFrom: "2025-09-15"}, {Form: Receipt, Version: "3", ValidFrom: "2027-01-01"}, {Form: Receipt, Version: "2", ValidFrom: "2026-07-01"}, {Form: Stop, Version: "9", ValidFrom: "2020-01-01"}}}
	for day, want := range map[string]string{"01/01": "1", "30/06": "1", "01/07": "2", "31/12": "2"} {
		if got := l.pick(Receipt, when(t, day+" 08:00")).Version; got != want {
			t.Errorf("on %s version %s holds, want %s", day, got, want)
		}
	}
	if got := l.pick(Receipt, when(t, "01/01 08:00").AddDate(-3, 0, 0)).Version; got != "1" {
		t.Errorf("before all versions %s holds", got)
	}
	if got := l.pick(Receipt, when(t, "01/01 08:00").AddDate(2, 0, 0)).Version; got != "3" {
		t.Errorf("after all versions %s holds", got)
	}
}

func id(n byte) uuid.UUID { return uuid.UUID{15: n} }
