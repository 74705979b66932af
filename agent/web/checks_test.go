package web

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tram/agent/docsign"
	"tram/agent/i18n"
	"tram/agent/office"
)

// TestEachVerdictIsWordedAndActsAsTheDesignSays reads the panel of each state.
func TestEachVerdictIsWordedAndActsAsTheDesignSays(t *testing.T) {
	b := start(t, false, fixed)
	vi, en := b.as("lan"), b.as("lan")
	en.post("/ngon-ngu", url.Values{"lang": {"en"}})
	reason := url.Values{"trust_reason": {"Đã gọi điện cho ông A"}}
	for _, c := range []struct {
		name, tone, mark, vi, en string
		plain, withReason        int // what accepting gives without and with a reason
	}{
		{"signed-good", "green", "✓", "HỢP LỆ — 2/2 chữ ký", "VALID — 2 of 2 signatures", 303, 0},
		{"signed-added", "amber tri", "▲", "HỢP LỆ, có phần thêm sau khi ký — 2/2 chữ ký", "VALID, with additions after signing", 303, 0},
		{"signed-later", "blue", "?", "Chưa kết luận: chưa kiểm tra được thu hồi (đang mất mạng) – tự kiểm tra lại khi có mạng", "Not concluded: revocation not checked yet", 303, 0},
		{"signed-unknown", "amber", "?", "Chưa xác định được người ký", "Signer not identified", 422, 303},
		{"signed-weak", "amber", "?", "Chưa kết luận được", "Not concluded", 422, 303},
		{"signed-changed", "red", "✕", "KHÔNG HỢP LỆ: nội dung đã bị sửa sau khi ký", "NOT VALID: changed after signing", 409, 409},
		{"signed-revoked", "red", "✕", "KHÔNG HỢP LỆ: chứng thư đã bị thu hồi từ 10:32 01/11/2026", "NOT VALID: certificate revoked since 10:32 01/11/2026", 409, 409},
		{"signed-expired", "red", "✕", "KHÔNG HỢP LỆ: chứng thư đã hết hạn khi ký", "NOT VALID: certificate expired when signed", 409, 409},
	} {
		path := boxPath(b.docs[c.name])
		for v, words := range map[*browser]string{vi: c.vi, en: c.en} {
			_, body := v.get(path)
			if !strings.Contains(body, `panel trust `+c.tone+`"`) || !strings.Contains(body, `aria-hidden="true">`+c.mark+`</span>`+words) {
				t.Errorf("%s does not show %q in %s", c.name, words, c.tone)
			}
			if bad := strings.Contains(body, "✓</span>"+words); bad != (c.mark == "✓") {
				t.Errorf("%s looks good", c.name)
			}
		}
		if res, _ := vi.post(path+"/tiep-nhan", nil); res.StatusCode != c.plain {
			t.Errorf("accepting %s gave %d, want %d", c.name, res.StatusCode, c.plain)
		}
		if c.withReason == 0 {
			continue
		}
		if res, _ := vi.post(path+"/tiep-nhan", reason); res.StatusCode != c.withReason {
			t.Errorf("accepting %s with a reason gave %d, want %d", c.name, res.StatusCode, c.withReason)
		}
	}
}

func TestThePanelSaysWhoWhenAndHowOldItsKnowledgeIs(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	_, body := v.get(boxPath(b.docs["signed-good"]))
	for _, want := range []string{
		"Nội dung: nguyên vẹn từ khi ký · phạm vi: toàn văn bản", "Nguyễn Văn A — Chủ tịch — UBND tỉnh Thanh Sơn",
		"Ký lúc 2026-11-20T08:32:00&#43;07:00 (có dấu thời gian của TSA Chính phủ)", "(theo máy người ký, không có dấu thời gian)",
		"Chuỗi tin cậy: Nguyễn Văn A → CA chuyên dùng Chính phủ → CA gốc Chính phủ",
		"Kiểm tra lúc 09:32 21/11/2026 · thu hồi: có kiểm tra (CRL, tải từ http://ca.gov.vn/pki/pub/crl/cp.crl, phát hành 06:32 21/11/2026, cũ 3 giờ lúc kiểm tra)",
		"Đường truyền:</b> gói tin nguyên vẹn", "Kết nối:</b> mã hóa riêng cho đơn vị này", "Con dấu điện tử của nơi gửi", "In báo cáo", "Kiểm lại",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the panel lacks %q", want)
		}
	}
	_, body = v.get(boxPath(b.docs["signed-later"]))
	if !strings.Contains(body, "thu hồi: chưa kiểm tra được") || strings.Contains(body, "thu hồi: có kiểm tra") {
		t.Error("revocation that nobody knows looks checked")
	}
	_, body = v.get(boxPath(b.docs["signed-changed"]))
	if strings.Contains(body, "Nội dung: nguyên vẹn từ khi ký · phạm vi: toàn văn bản<") || !strings.Contains(body, "Nội dung: không thể tin") {
		t.Error("changed content looks intact")
	}
	_, body = v.get(boxPath(b.docs["signed-none"]))
	if !strings.Contains(body, "Không có chữ ký số: QD.pdf") || strings.Contains(body, `id="file-0"`) {
		t.Error("a file without signatures is not said to have none")
	}
	_, body = v.get(boxPath(b.docs["normal"])) // nothing was checked
	if !strings.Contains(body, "Chữ ký số trong tệp:</b> chưa kiểm tra") {
		t.Error("files that nobody checked are passed over")
	}
}

// TestRowsOfListsCarryTheVerdict in words, mark and colour, the worst of all
// files, and beside that what is wrong with the seal.
func TestRowsOfListsCarryTheVerdict(t *testing.T) {
	b := start(t, false, fixed)
	good, bad := reports()["signed-good"], reports()["signed-changed"]
	b.office.change(func() {
		d, _ := b.office.find(b.docs["normal"].ID)
		d.Checks = []office.Check{{Attachment: 0, Report: good}, {Attachment: 1, Report: bad}, {Attachment: 2, Report: reports()["signed-later"]}}
		d.Seal.Verdict, d.Seal.Reason = "failed", "hash"
		later, _ := b.office.find(b.docs["active"].ID)
		later.Checks = []office.Check{{Report: docsign.Report{Outcome: docsign.Outcome{Indication: "WONDERFUL"}, Signatures: good.Signatures}}}
	})
	v := b.as("lan")
	tag := func(tone, text string) string { return `<span class="tag ` + tone + `">` + text + `</span>` }
	for lang, want := range map[string]map[string]string{
		"vi": {
			"signed-good": tag("green", "✓ hợp lệ"), "signed-added": tag("amber", "▲ hợp lệ, có phần thêm sau khi ký"),
			"signed-later": tag("blue", "? chưa kiểm tra được thu hồi"), "signed-unknown": tag("amber", "? chưa xác định được người ký"),
			"signed-weak": tag("amber", "? chưa kết luận được"), "signed-changed": tag("red", "✕ không hợp lệ"), "signed-none": tag("grey", "– không có chữ ký số"),
			"express": tag("grey", "– chưa kiểm tra"), "unsure": tag("amber", "? con dấu: chưa kết luận") + " " + tag("grey", "– chưa kiểm tra"),
			"unsealed": tag("grey", "– không có con dấu") + " " + tag("grey", "– chưa kiểm tra"),
			"normal":   tag("red", "✕ con dấu: không hợp lệ") + " " + tag("red", "✕ không hợp lệ"),
		},
		"en": {
			"signed-good": tag("green", "✓ valid"), "signed-added": tag("amber", "▲ valid, with additions after signing"),
			"signed-later": tag("blue", "? revocation not checked yet"), "signed-unknown": tag("amber", "? signer not identified"),
			"signed-weak": tag("amber", "? not concluded"), "signed-changed": tag("red", "✕ not valid"), "signed-none": tag("grey", "– no digital signature"),
			"express": tag("grey", "– not checked yet"), "unsure": tag("amber", "? seal: not concluded") + " " + tag("grey", "– not checked yet"),
			"unsealed": tag("grey", "– no seal") + " " + tag("grey", "– not checked yet"),
			"normal":   tag("red", "✕ seal: not valid") + " " + tag("red", "✕ not valid"),
		},
	} {
		v.post("/ngon-ngu", url.Values{"lang": {lang}})
		_, list := v.get("/van-ban-den")
		_, home := v.get("/viec-can-lam")
		for name, marks := range want {
			if row := rowOf(list, `<tr role=row data-row`, b.docs[name]); !strings.Contains(row, marks) {
				t.Errorf("%s in %s: the list shows %s, want %s", name, lang, row, marks)
			}
			calm := !strings.Contains(marks, "tag red") && !strings.Contains(marks, "tag amber") && !strings.Contains(marks, "tag blue")
			if row := rowOf(home, "<li data-row", b.docs[name]); row == "" || calm == strings.Contains(row, `class="tag `) {
				t.Errorf("%s in %s: the home page shows %s", name, lang, row)
			}
		}
	}
}

// rowOf is the row of a list that leads to a document; each begins with start.
func rowOf(body, start string, d office.Document) string {
	for _, row := range strings.Split(body, start)[1:] {
		if strings.Contains(row, `href="`+boxPath(d)+`"`) {
			return row
		}
	}
	return ""
}

// TestAFailedSignatureIsAcceptedOnlyKnowingly: the explanation is opened, the
// person responsible and the reason are written down, returning is offered.
func TestAFailedSignatureIsAcceptedOnlyKnowingly(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	path := boxPath(b.docs["signed-changed"])
	_, body := v.get(path)
	if strings.Contains(body, path+"/tiep-nhan") || !strings.Contains(body, `href="`+path+`?vi-sao=1#chu-ky"`) {
		t.Error("accepting is offered before the explanation is opened")
	}
	if !strings.Contains(body, "QD.pdf: KHÔNG HỢP LỆ: nội dung đã bị sửa sau khi ký") || !strings.Contains(body, path+"/tra-lai") {
		t.Error("returning is not offered with the verdict as its reason")
	}
	_, body = v.get(path + "?vi-sao=1")
	if !strings.Contains(body, `name="trust_seen" value="1"`) || !strings.Contains(body, "Người có trách nhiệm đã được báo") || !strings.Contains(body, "Nội dung đã bị sửa sau khi ký.") {
		t.Error("the opened explanation does not let go on")
	}
	seen := url.Values{"trust_seen": {"1"}}
	if res, body := v.post(path+"/tiep-nhan", seen); res.StatusCode != 422 || !strings.Contains(body, "Nhập lý do tiếp nhận") {
		t.Errorf("without a reason: %d", res.StatusCode)
	}
	seen.Set("trust_reason", strings.Repeat("x", maxReason+1))
	if res, _ := v.post(path+"/tiep-nhan", seen); res.StatusCode != 422 {
		t.Errorf("with an endless reason: %d", res.StatusCode)
	}
	seen.Set("trust_reason", " Chủ tịch Lê B đã xem ")
	if res, _ := v.post(path+"/tiep-nhan", seen); res.StatusCode != 303 {
		t.Errorf("knowingly: %d", res.StatusCode)
	}
	if want := (office.Knowing{Reason: "Chủ tịch Lê B đã xem", SeenFailure: true}); b.office.knowing != want {
		t.Errorf("recorded %+v", b.office.knowing)
	}
	if _, body := v.get(path); !strings.Contains(body, "Lý do đã tiếp nhận") || !strings.Contains(body, "Chủ tịch Lê B đã xem") {
		t.Error("the page does not show the recorded reason")
	}
}

func TestCheckingAgainKeepsWhatWasFoundBefore(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	d := b.docs["signed-later"]
	if res, _ := v.post(boxPath(d)+"/kiem-lai", nil); res.StatusCode != 303 {
		t.Errorf("checking again gave %d", res.StatusCode)
	}
	_, body := v.get(boxPath(d))
	for _, want := range []string{"Các lần kiểm tra", "khi đến", "lan yêu cầu"} {
		if !strings.Contains(body, want) {
			t.Errorf("the history lacks %q", want)
		}
	}
}

func TestTheReportIsInBothLanguagesOnPaper(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	path := boxPath(b.docs["signed-revoked"]) + "/kiem-tra/"
	_, body := v.get(path + "0")
	for _, want := range []string{"BÁO CÁO KIỂM TRA CHỮ KÝ SỐ", "KHÔNG HỢP LỆ: chứng thư đã bị thu hồi từ", "NOT VALID: certificate revoked since",
		"FAILED · REVOKED", "9f86d081884c7d65", "H40.12", "In lúc 10:32 21/11/2026"} {
		if !strings.Contains(body, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, index := range []string{"1", "x", "-1"} {
		if res, _ := v.get(path + index); res.StatusCode != http.StatusNotFound {
			t.Errorf("the report on attachment %s gave %d", index, res.StatusCode)
		}
	}
}

// TestTheSignedRevisionIsWithoutTheAdditions follows the link of the panel.
func TestTheSignedRevisionIsWithoutTheAdditions(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	path := boxPath(b.docs["signed-added"])
	_, body := v.get(path)
	if !strings.Contains(body, path+"/ban-da-ky/0") {
		t.Fatal("the panel does not lead to the signed revision")
	}
	res, _ := v.get(path + "/ban-da-ky/0")
	address := res.Header.Get("Location")
	res, body = v.get(address)
	_, all, err := b.office.Open(t.Context(), b.docs["signed-added"].ID, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	want := make([]byte, 300)
	if _, err := io.ReadFull(all, want); err != nil || body != string(want) || res.StatusCode != 200 {
		t.Errorf("the signed revision gave %d with %d bytes, %v", res.StatusCode, len(body), err)
	}
	if res, _ := v.get(strings.Replace(address, "/dau-300", "/dau-400", 1)); res.StatusCode != http.StatusForbidden {
		t.Errorf("another length gave %d", res.StatusCode)
	}
	if res, _ := v.get(boxPath(b.docs["signed-good"]) + "/ban-da-ky/0"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a file without additions gave %d", res.StatusCode)
	}
	if _, body := b.as("it").get(path); strings.Contains(body, "/ban-da-ky/") {
		t.Error("an IT officer is led to content")
	}
}

// TestAnUnknownVerdictIsTakenForTheWorst: a record of a later version.
func TestAnUnknownVerdictIsTakenForTheWorst(t *testing.T) {
	if tone, mark, accept := lookOf("splendid"); tone != "red" || mark != "✕" || accept != acceptKnowing {
		t.Errorf("%s %s %d", tone, mark, accept)
	}
	v := &visit{now: noon}
	for _, revs := range [][]docsign.Revocation{nil, {{Status: docsign.StatusStale, Issued: noon}}, {{Status: "new"}}, {{Status: docsign.StatusSkipped}}} {
		r := docsign.Report{CheckedAt: noon.Add(time.Hour), Signatures: []docsign.Signature{{Revocation: revs}}}
		if got := v.revocationWords(r); !strings.Contains(got, "chưa kiểm tra được") {
			t.Errorf("%+v is %q", revs, got)
		}
	}
}

// TestTheSourceOfWhatIsKnownAboutRevocationIsNamed in both languages.
func TestTheSourceOfWhatIsKnownAboutRevocationIsNamed(t *testing.T) {
	for _, test := range []struct{ source, origin, vi, en string }{
		{"crl", "http://ca/1.crl", "(CRL, tải từ http://ca/1.crl, phát hành", "(CRL, fetched from http://ca/1.crl, issued"},
		{"crl", "cp.crl", "(CRL, tệp cp.crl, phát hành", "(CRL, file cp.crl, issued"},
		{"crl", docsign.OriginDocument, "(CRL, có sẵn trong tệp, phát hành", "(CRL, found in the file, issued"},
		{"ocsp", docsign.OriginNetwork, "(OCSP, hỏi qua mạng, phát hành", "(OCSP, asked over the network, issued"},
		{"crl", "", "(CRL, phát hành", "(CRL, issued"},
	} {
		r := docsign.Report{CheckedAt: noon, Signatures: []docsign.Signature{{Revocation: []docsign.Revocation{
			{Status: docsign.StatusGood, Source: test.source, Origin: test.origin, Issued: noon.Add(-3 * time.Hour)},
		}}}}
		for lang, want := range map[i18n.Lang]string{i18n.Vietnamese: test.vi, i18n.English: test.en} {
			if got := (&visit{lang: lang, now: noon}).revocationWords(r); !strings.Contains(got, want) || !strings.Contains(got, i18n.Span(lang, 3*time.Hour)) {
				t.Errorf("%s: got %q, want %q", lang, got, want)
			}
		}
	}
}
