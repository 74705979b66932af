package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tram/agent/office"
	"tram/storage"
)

func (b *box) now(name string) office.Document {
	d, err := b.office.Get(b.t.Context(), b.docs[name].ID)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// has checks a page in both languages.
func (v *browser) has(path string, vi, en []string, not ...string) {
	v.t.Helper()
	for _, c := range []struct {
		lang  string
		texts []string
	}{{"vi", vi}, {"en", en}} {
		v.post("/ngon-ngu", url.Values{"lang": {c.lang}, "ve": {path}})
		res, body := v.get(path)
		for _, text := range c.texts {
			if !strings.Contains(body, text) {
				v.t.Errorf("%s in %s (%d) lacks %q", path, c.lang, res.StatusCode, text)
			}
		}
		for _, text := range not {
			if strings.Contains(body, text) {
				v.t.Errorf("%s in %s has %q", path, c.lang, text)
			}
		}
	}
	v.post("/ngon-ngu", url.Values{"lang": {"vi"}, "ve": {path}})
}

// TestRecallStatesOnPages: who asks, when and why; what is cancelled shows its
// trace and no way to its content.
func TestRecallStatesOnPages(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	v.has(boxPath(b.docs["asked-back"]),
		[]string{"Nơi gửi yêu cầu thu hồi văn bản", "Trần Thị Bình", "Sai số liệu tại phụ lục 2", "/dong-y", "/tu-choi", "Đồng ý và hủy văn bản"},
		[]string{"The sender asks to recall this document", "Agree and cancel the document"})
	v.has(boxPath(b.docs["recalled"]),
		[]string{"Đã thu hồi ngày 21/11/2026 theo yêu cầu của UBND tỉnh Thanh Sơn. Lý do: Ban hành nhầm thẩm quyền", "Nội dung đã hủy", "Số đến 1202", "Đã hủy theo yêu cầu thu hồi"},
		[]string{"Recalled on 21/11/2026 on the order of UBND tỉnh Thanh Sơn.", "cannot be opened any more"},
		"/tep/", "/goi", "/edxml\"", "/tiep-nhan", "/tra-lai", "<iframe")
	v.has(boxPath(b.docs["kept"]), []string{"Đã từ chối lúc"}, []string{"Refused at"}, "/dong-y")
	v.has(boxPath(b.docs["update"]), []string{"Văn bản này cập nhật một văn bản trước", "Đồng ý cập nhật", "không có ở đơn vị này"}, []string{"Agree to the update", "not at this office"})
	v.has(boxPath(b.docs["replaced-in"]), []string{"Được thay thế bởi", boxPath(b.docs["normal"]), "44/HD-SNV"}, []string{"Replaced by"})
	v.has(boxPath(b.docs["withdrawn"]), []string{"Đã rút lại lúc", "Đã rút lại, không gửi đi", "Thiếu chữ ký"}, []string{"Withdrawn at"}, "/rut-lai", "/thu-hoi", "/gui?thay=")
	v.has(boxPath(b.docs["recalled-out"]), []string{"Đã thu hồi lúc", "được giữ nguyên, không sửa được", "Nơi nhận đồng ý", "/gui?thay="}, []string{"are frozen"}, "/thu-hoi", "/gui?cap-nhat=")
	v.has(boxPath(b.docs["recalling"]), []string{"Từ chối thu hồi", "Đã yêu cầu thu hồi", "Nơi nhận đã hủy theo yêu cầu thu hồi", "60/BC-UBND"}, []string{"Recall refused", "Recall asked"})
	v.has(boxPath(b.docs["saved"]), []string{"Rút lại…", "/rut-lai"}, []string{"Withdraw…"}, "/thu-hoi")
	v.has("/viec-can-lam", []string{"Nơi gửi chờ trả lời", "yêu cầu thu hồi lúc", "đề nghị cập nhật lúc"}, []string{"Senders waiting for your answer"})
	v.has("/van-ban-den", []string{"Nơi gửi yêu cầu thu hồi", "Được thay thế bởi · 44/HD-SNV", "Đã thu hồi"}, []string{"Sender asks to recall it", "Recalled"})
	v.has("/van-ban-di", []string{"1/3 nơi đã hủy", "Đã rút lại", "Được thay thế bởi · 60/BC-UBND"}, []string{"1 of 3 cancelled it"})
	v.has("/van-ban-di?loc=da-thu-hoi", []string{"Báo cáo quý gửi nhầm tệp", "Báo cáo số liệu dân cư"}, nil, "Báo cáo thu ngân sách")
	v.has("/van-ban-den?loc=da-thu-hoi", []string{"Thành lập đoàn kiểm tra liên ngành"}, nil, "Phân bổ kinh phí")
	b.as("leader").has(boxPath(b.docs["asked-back"]), []string{"Nơi gửi yêu cầu thu hồi văn bản"}, nil, "/dong-y", "/tu-choi")
	b.as("leader").has(boxPath(b.docs["delivered"]), nil, nil, "/thu-hoi", "/gui?thay=")
}

func TestTakingBackWithoutScripts(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	path := boxPath(b.docs["saved"])
	if res, _ := v.post(path+"/rut-lai", url.Values{}); res.StatusCode != http.StatusSeeOther || b.now("saved").State != office.Withdrawn {
		t.Errorf("withdrawing gave %d, %s", res.StatusCode, b.now("saved").State)
	}
	res, body := v.post(boxPath(b.docs["hub"])+"/rut-lai", url.Values{"reason": {"nhầm"}}) // it left meanwhile
	if res.StatusCode != http.StatusConflict || !strings.Contains(body, "đã bắt đầu gửi đi") || !strings.Contains(body, "/thu-hoi") {
		t.Errorf("withdrawing what has left gave %d", res.StatusCode)
	}
	many := boxPath(b.docs["many"])
	res, body = v.post(many+"/thu-hoi", url.Values{"to": {"H40", "H40.13"}, "reason": {"  "}})
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Thu hồi văn bản phải có lý do") ||
		!strings.Contains(body, `value="H40.13" checked`) || strings.Contains(body, `value="H40.14" checked`) {
		t.Errorf("a recall without a reason gave %d", res.StatusCode)
	}
	res, body = v.post(many+"/thu-hoi", url.Values{"reason": {"gửi nhầm"}})
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Chưa chọn nơi nhận nào") || !strings.Contains(body, ">gửi nhầm</textarea>") {
		t.Errorf("a recall from nobody gave %d", res.StatusCode)
	}
	if res, _ = v.post(many+"/thu-hoi", url.Values{"to": {"H40.13"}, "reason": {"gửi nhầm"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a recall gave %d", res.StatusCode)
	}
	for _, r := range b.now("many").To {
		if asked := r.Recall != nil; asked != (r.Code == "H40.13") {
			t.Errorf("%s was asked: %t", r.Code, asked)
		}
	}
}

func TestAnsweringARecallWithoutScripts(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	path := boxPath(b.docs["asked-back"])
	res, body := v.post(path+"/tu-choi", url.Values{"refusal": {" "}})
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Nhập lý do từ chối") || !strings.Contains(body, `href="#refusal"`) {
		t.Errorf("refusing without a reason gave %d", res.StatusCode)
	}
	if res, _ = v.post(path+"/dong-y", url.Values{}); res.StatusCode != http.StatusSeeOther || b.now("asked-back").State != office.Recalled {
		t.Errorf("agreeing gave %d, %s", res.StatusCode, b.now("asked-back").State)
	}
	res, body = v.post(path+"/dong-y", url.Values{}) // pressed twice, or the other clerk was faster
	if res.StatusCode != http.StatusConflict || !strings.Contains(body, "Đã thu hồi ngày") {
		t.Errorf("agreeing again gave %d", res.StatusCode)
	}
	update := boxPath(b.docs["update"])
	if res, _ = v.post(update+"/tu-choi", url.Values{"refusal": {"Đã phổ biến"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("refusing gave %d", res.StatusCode)
	}
	if r := b.now("update").Request; r.State != office.RequestRefused || r.Answer != "Đã phổ biến" || r.By != "lan" {
		t.Errorf("the update is %+v", r)
	}
}

// TestSendingAReplacement: the form is prefilled, asks for the reason, and keeps
// it and the recipients to be removed when something else is wrong.
func TestSendingAReplacement(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	old := b.docs["many"]
	_, body := v.get("/gui?thay=" + old.ID.String())
	for _, text := range []string{"Thay thế văn bản", old.Subject, `name="change" value="thay"`, `value="H40, H40.13, H40.14, H40.SNV, H40.STC"`} {
		if !strings.Contains(body, text) {
			t.Errorf("the form lacks %q", text)
		}
	}
	if strings.Contains(body, `name="removed"`) {
		t.Error("a replacement offers to remove recipients")
	}
	for _, path := range []string{"/gui?thay=x", "/gui?cap-nhat=" + b.docs["normal"].ID.String()} {
		if res, _ := v.get(path); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
	fields := goodForm()
	fields["change"], fields["earlier"], fields["removed"] = []string{"cap-nhat"}, []string{old.ID.String()}, []string{"H40.13"}
	res, body := v.form(fields, "a.pdf", samplePDF("A", 1, ""))
	if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, "Nhập lý do thay thế hoặc cập nhật") ||
		!strings.Contains(body, `name="removed" value="H40.13" checked`) {
		t.Errorf("an update without a reason gave %d", res.StatusCode)
	}
	fields.Set("change_reason", "đổi nơi nhận")
	if res, body = v.form(fields, "a.pdf", samplePDF("A", 1, "")); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("an update gave %d: %s", res.StatusCode, body)
	}
	if c := b.office.changes; c.Updates != old.ID || c.Reason != "đổi nơi nhận" || strings.Join(c.Removed, " ") != "H40.13" {
		t.Errorf("the office was told %+v", c)
	}
	sent := b.office.docs[len(b.office.docs)-1]
	if len(sent.To) != 1 || sent.To[0].Code != "H40.SNV" {
		t.Errorf("it goes to %+v", sent.To)
	}
	fields.Set("change", "thay")
	fields["once"] = []string{"hai"}
	if res, _ = v.form(fields, "a.pdf", samplePDF("A", 1, "")); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a replacement gave %d", res.StatusCode)
	}
	if c := b.office.changes; len(c.Replaces) != 1 || c.Replaces[0] != old.ID || c.Updates != (storage.ID{}) || len(c.Removed) != 0 {
		t.Errorf("the office was told %+v", c)
	}
}
