package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/health"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

// form sends the sending form as browsers without scripts do. Files are name
// and content in turn and stand before the fields, but behind the token.
func (v *browser) form(fields url.Values, files ...string) (*http.Response, string) {
	v.t.Helper()
	return v.formTo("/gui", fields, files...)
}

func (v *browser) formTo(path string, fields url.Values, files ...string) (*http.Response, string) {
	v.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	if _, given := fields[tokenField]; !given {
		if err := w.WriteField(tokenField, v.token()); err != nil {
			v.t.Fatal(err)
		}
	}
	for i := 0; i+1 < len(files); i += 2 {
		part, err := w.CreateFormFile("files", files[i])
		if err != nil {
			v.t.Fatal(err)
		}
		if _, err := io.WriteString(part, files[i+1]); err != nil {
			v.t.Fatal(err)
		}
	}
	for name, values := range fields {
		for _, value := range values {
			if err := w.WriteField(name, value); err != nil {
				v.t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		v.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodPost, v.url+path, &body)
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return v.do(req)
}

func goodForm() url.Values {
	return url.Values{"once": {"một"}, "to": {"H40.13, h40.snv; H40.13"}, "subject": {"Báo cáo  tuần"}, "urgency": {"3"}, "type": {"BC"},
		"date": {"1/3/26"}, "declare": {"1"}}
}

// noneLeft waits for the handlers, which clean up after they have answered.
func noneLeft(t *testing.T, b *box) {
	t.Helper()
	var left []os.DirEntry
	var err error
	for range 100 {
		if left, err = os.ReadDir(b.uploads); err == nil && len(left) == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("uploads left behind: %v, %v", left, err)
}

func TestSendingWithoutScripts(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	res, body := v.form(goodForm(), "Báo cáo.pdf", samplePDF("X", 1, ""), "phụ lục.xlsx", "data")
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("sending gave %d: %s", res.StatusCode, body)
	}
	res, body = v.get(res.Header.Get("Location"))
	if res.StatusCode != 200 || !strings.Contains(body, "Đã lưu an toàn trên máy của đơn vị lúc 10:32.") {
		t.Errorf("no confirmation: %d", res.StatusCode)
	}
	docs, _, err := b.office.List(t.Context(), office.Query{Box: office.Out})
	if err != nil || len(docs) != 1 {
		t.Fatalf("documents: %v, %v", docs, err)
	}
	d := docs[0]
	if len(d.To) != 2 || d.To[1].Code != "H40.SNV" || d.Date != "2026-03-01" || d.Urgency != office.HoaToc || d.Attachments[0].Name != "Báo cáo.pdf" ||
		d.Size != int64(len(samplePDF("X", 1, ""))+4) {
		t.Errorf("sent %+v", d)
	}
	noneLeft(t, b)
}

func TestSendingListsAllMistakesAndKeepsTheFields(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	res, body := v.form(url.Values{"to": {"H40.99, H40.13"}, "date": {"32/13/2026"}, "signer": {"Lê Văn B"}, "urgency": {"2"}})
	if res.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("gave %d", res.StatusCode)
	}
	for _, text := range []string{"<title>Lỗi: ", "Có lỗi cần sửa", "Chọn ít nhất một tệp", "Không có nơi nhận nào mang mã H40.99", "Nhập trích yếu",
		"Ngày không đúng", `href="#declare"`, `value="H40.99, H40.13"`, `value="32/13/2026"`, `value="Lê Văn B"`, `value="2" checked`, `aria-invalid="true"`} {
		if !strings.Contains(body, text) {
			t.Errorf("the form lacks %q", text)
		}
	}
	res, body = v.form(goodForm(), "rỗng.pdf", "")
	if res.StatusCode != 422 || !strings.Contains(body, "Tệp rỗng hoặc không đọc được: rỗng.pdf") || !strings.Contains(body, "Chọn lại tệp") {
		t.Errorf("an empty file gave %d", res.StatusCode)
	}
	long := goodForm()
	long.Set("subject", strings.Repeat("ế", maxSubject+1))
	if _, body = v.form(long, "a.pdf", "x"); !strings.Contains(body, "Trích yếu dài 501 ký tự") {
		t.Error("a long subject passed")
	}
	noneLeft(t, b)
}

func TestSendingTooMuchIsRefusedInWords(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	b.limits(1000, 3000, 2)
	res, body := v.form(goodForm(), "lớn.pdf", strings.Repeat("x", 1001))
	if res.StatusCode != 422 || !strings.Contains(body, "Tệp quá lớn: mỗi tệp nhiều nhất 1000 B") {
		t.Errorf("a large file gave %d", res.StatusCode)
	}
	if res, body = v.form(goodForm(), "a", "x", "b", "x", "c", "x"); res.StatusCode != 422 || !strings.Contains(body, "Quá nhiều tệp: nhiều nhất 2") {
		t.Errorf("many files gave %d", res.StatusCode)
	}
	if _, n, _ := b.office.List(t.Context(), office.Query{Box: office.Out}); n != 0 {
		t.Errorf("%d documents were sent", n)
	}
	noneLeft(t, b)
}

func TestP2PressingSendTwiceSendsOnce(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	var all sync.WaitGroup
	places := make([]string, 5)
	for i := range places {
		all.Go(func() {
			res, _ := v.form(goodForm(), "a.pdf", "content")
			places[i] = res.Header.Get("Location")
		})
	}
	all.Wait()
	for _, p := range places {
		if p == "" || p != places[0] {
			t.Errorf("the presses led to %v", places)
		}
	}
	if _, n, _ := b.office.List(t.Context(), office.Query{Box: office.Out}); n != 1 {
		t.Errorf("%d documents were sent", n)
	}
	again := goodForm()
	again.Set("once", "hai")
	v.form(again, "a.pdf", "content")
	if _, n, _ := b.office.List(t.Context(), office.Query{Box: office.Out}); n != 2 {
		t.Errorf("a new form made %d documents in all", n)
	}
}

func TestWhatTheOfficeFindsIsShownAtItsField(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	b.office.fails(fmt.Errorf("send: %w", problem.List{
		problem.New(problem.Usage, "send.secret-mark", "subject", i18n.Args{"mark": "MẬT"}),
		problem.New(problem.Usage, "send.to-self", "to", i18n.Args{"code": "H40.12"}),
	}))
	res, body := v.form(goodForm(), "a.pdf", "content")
	if res.StatusCode != 422 || !strings.Contains(body, `href="#subject"`) || !strings.Contains(body, `name="cleared"`) || !strings.Contains(body, `href="#to"`) {
		t.Errorf("gave %d: %s", res.StatusCode, body)
	}
	b.office.fails(problem.New(problem.Full, "office.full", "", nil).Because(errors.New("no space")))
	if res, _ = v.form(goodForm(), "a.pdf", "content"); res.StatusCode != http.StatusInsufficientStorage {
		t.Errorf("a full disk gave %d", res.StatusCode)
	}
}

func TestSendingAgainReusesFiles(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	old := b.docs["returned"]
	_, body := v.get("/gui?tu=" + old.ID.String())
	if !strings.Contains(body, old.Subject) || !strings.Contains(body, `value="H40.13"`) || !strings.Contains(body, `name="keep" value="0" checked`) {
		t.Error("the form is not filled from the returned document")
	}
	f := goodForm()
	f.Set("from", old.ID.String())
	f.Set("keep", "0")
	res, _ := v.form(f, "phụ lục 2.pdf", samplePDF("PL", 1, ""))
	_, body = v.get(res.Header.Get("Location"))
	if !strings.Contains(body, "Báo cáo tuần.pdf") || !strings.Contains(body, "phụ lục 2.pdf") {
		t.Errorf("the new document lacks a file: %d", res.StatusCode)
	}
}

func TestAcceptingAndReturning(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	at := func(name string) string { return boxPath(b.docs[name]) }
	state := func(name string) office.State {
		d, err := b.office.Get(t.Context(), b.docs[name].ID)
		if err != nil {
			t.Fatal(err)
		}
		return d.State
	}
	res, _ := v.post(at("normal")+"/tiep-nhan", nil)
	if _, body := v.get(res.Header.Get("Location")); !strings.Contains(body, "Đã tiếp nhận, số đến 1287 lúc 10:32.") || strings.Contains(body, "/tiep-nhan") {
		t.Errorf("accepting gave %d", res.StatusCode)
	}
	if res, body := v.post(at("normal")+"/tra-lai", url.Values{"reason": {"nhầm"}}); res.StatusCode != http.StatusConflict || !strings.Contains(body, "Có lỗi cần sửa") {
		t.Errorf("returning an accepted document gave %d", res.StatusCode)
	}
	if res, _ := v.post(at("forged")+"/tiep-nhan", nil); res.StatusCode != http.StatusConflict || state("forged") != office.Arrived {
		t.Errorf("a forged document: %d, %s", res.StatusCode, state("forged"))
	}
	for _, name := range []string{"unsure", "unsealed"} {
		if res, body := v.post(at(name)+"/tiep-nhan", nil); res.StatusCode != 422 || state(name) != office.Arrived || !strings.Contains(body, `href="#asked"`) {
			t.Errorf("%s without asking: %d, %s", name, res.StatusCode, state(name))
		}
		if res, _ := v.post(at(name)+"/tiep-nhan", url.Values{"asked": {"1"}}); res.StatusCode != 303 || state(name) != office.Accepted {
			t.Errorf("%s after asking: %d, %s", name, res.StatusCode, state(name))
		}
	}
	res, body := v.post(at("urgent")+"/tra-lai", url.Values{"reason": {"  "}})
	if res.StatusCode != 422 || !strings.Contains(body, "Nhập lý do trả lại") || !strings.Contains(body, "<details open>") || state("urgent") != office.Arrived {
		t.Errorf("returning without a reason: %d", res.StatusCode)
	}
	if res, _ = v.post(at("urgent")+"/tra-lai", url.Values{"reason": {strings.Repeat("x", maxReason+1)}}); res.StatusCode != 422 {
		t.Errorf("a long reason gave %d", res.StatusCode)
	}
	res, _ = v.post(at("urgent")+"/tra-lai", url.Values{"reason": {"Gửi nhầm <đơn vị>"}})
	if _, body = v.get(res.Header.Get("Location")); !strings.Contains(body, "Lý do: Gửi nhầm &lt;đơn vị&gt;") || state("urgent") != office.Returned {
		t.Errorf("returning gave %d, %s", res.StatusCode, state("urgent"))
	}
}

func TestStatusAnswersOnlyWhenSomethingChanged(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	res, body := v.get("/trang-thai")
	rev := res.Header.Get("X-Tram-Rev")
	if rev == "" || !strings.Contains(body, "Đang gửi 1/3") {
		t.Fatalf("status gave %q: %s", rev, body)
	}
	if res, body = v.get("/trang-thai?since=" + rev); res.StatusCode != http.StatusNotModified || body != "" {
		t.Errorf("nothing changed, yet %d", res.StatusCode)
	}
	_, page := v.get("/hop-gui")
	if !strings.Contains(page, `data-rev="`+rev+`"`) {
		t.Error("a page begins with another revision")
	}
	b.office.change(func() {})
	if res, _ = v.get("/trang-thai?since=" + rev); res.StatusCode != 200 {
		t.Errorf("a change gave %d", res.StatusCode)
	}
	b.link = Link{Since: fixed()}
	if _, body = v.get("/trang-thai?since=" + rev); !strings.Contains(body, "Mất Internet từ 10:32") || !strings.Contains(body, "3 văn bản sẽ tự gửi khi có mạng") || strings.Contains(body, "khoảng") {
		t.Errorf("link down: %s", body)
	}
}

// TestDossiersMoveTheStatusOfThoseWhoSeeThem: a change does, and a date of return
// that passes; nothing else of the page is loaded for it.
func TestDossiersMoveTheStatusOfThoseWhoSeeThem(t *testing.T) {
	now, set := settable(noon)
	b := start(t, false, now)
	b.dossiers.take()
	revs := func(who string) (documents, dossiers string) {
		res, _ := b.as(who).get("/trang-thai")
		part := strings.Split(res.Header.Get("X-Tram-Rev"), ".")
		return part[0], part[2]
	}
	documents, before := revs("onestop")
	_, it := revs("it")
	d := b.dossiers.taken(certify, "Lò Thị Pành")
	also, after := revs("onestop")
	if _, now := revs("it"); also != documents || after == before || now != it {
		t.Errorf("documents %s, %s; dossiers %s, %s; of the IT officer %s, %s", documents, also, before, after, it, now)
	}
	for _, tt := range []struct {
		at    time.Time
		moves bool
	}{{noon.Add(time.Minute), false}, {d.Due.Add(-time.Minute), true}, {d.Due.Add(time.Minute), true}} {
		set(tt.at)
		if _, now := revs("onestop"); (now != after) != tt.moves {
			t.Errorf("at %s the status moves: %v", tt.at, now != after)
		} else {
			after = now
		}
	}
}

func TestEveryPageOfAnOlderCopySaysSo(t *testing.T) {
	b := start(t, false, fixed)
	halt := health.Older("H40.12", "UBND xã An Bình", fixed())
	b.link = Link{Since: fixed(), Halt: &halt}
	v := b.as("lan")
	for _, path := range []string{"/viec-can-lam", "/van-ban-den", "/hop-gui", "/gui", "/trang-thai"} {
		_, page := v.get(path)
		if !strings.Contains(page, "Thiết bị này là bản sao cũ của H40.12 UBND xã An Bình") || strings.Contains(page, "Mất Internet") {
			t.Errorf("%s does not say it: %s", path, page)
		}
	}
	if res, _ := v.post("/ngon-ngu", url.Values{"lang": {"en"}, "tiep": {"/hop-gui"}}); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("changing the language gave %d", res.StatusCode)
	}
	if _, page := v.get("/hop-gui"); !strings.Contains(page, "This box is an older copy of H40.12 UBND xã An Bình") {
		t.Errorf("in English: %s", page)
	}
}

func TestABrokenOfficeGivesAPageNotAPanic(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	b.office.fails(errors.New("the disk is on fire"))
	for _, path := range b.tour() {
		res, body := v.get(path)
		if strings.Contains(body, "on fire") {
			t.Errorf("%s tells the cause", path)
		}
		// These ask the office for nothing, or have something to say without it.
		alone := slices.Contains([]string{"/khong-co", "/gui", "/gui/edxml", "/ky-so", "/mat-khau", "/tai-khoan"}, path)
		if !alone && (res.StatusCode != 500 || !strings.Contains(body, "Dữ liệu đã lưu vẫn an toàn")) {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
}
