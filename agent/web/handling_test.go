package web

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tram/agent/handling"
	"tram/agent/office"
	"tram/storage"
)

// work is how a document is handled.
func (b *box) work(id storage.ID) handling.Work {
	b.t.Helper()
	w, _, err := b.handling.Of(b.t.Context(), id)
	noError(b.t, err)
	return w
}

// partOf is the ID of the newest part of somebody.
func (b *box) partOf(id storage.ID, name string) string {
	b.t.Helper()
	list := b.work(id).Parts
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Assignee.Name == name {
			return strconv.FormatInt(list[i].ID, 10)
		}
	}
	b.t.Fatalf("%s has no part", name)
	return ""
}

// sendForm posts the form for a new document with one file.
func (v *browser) sendForm(fields url.Values) (*http.Response, string) {
	v.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	noError(v.t, form.WriteField(tokenField, v.token()))
	for name, values := range fields {
		for _, value := range values {
			noError(v.t, form.WriteField(name, value))
		}
	}
	file, err := form.CreateFormFile("files", "Trả lời.pdf")
	noError(v.t, err)
	_, err = file.Write([]byte(samplePDF("TRA LOI", 1, "")))
	noError(v.t, err)
	noError(v.t, form.Close())
	req, err := http.NewRequest(http.MethodPost, v.url+"/gui", &body)
	noError(v.t, err)
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Origin", v.url)
	return v.do(req)
}

// TestFromSubmissionToTheEndOnThePages: the clerk submits, the leader instructs,
// the holder works and finishes; each step shows.
func TestFromSubmissionToTheEndOnThePages(t *testing.T) {
	b := start(t, true, fixed)
	d := b.accepted("Báo cáo nhân sự", office.Thuong)
	path := boxPath(d)
	clerk, leader, staff := b.as("lan"), b.as("leader"), b.as("staff")
	act := func(v *browser, what string, form url.Values, want int) string {
		t.Helper()
		form.Set("seen", strconv.Itoa(b.work(d.ID).Version))
		res, body := v.post(path+"/"+what, form)
		if res.StatusCode != want {
			t.Fatalf("%s gave %d, want %d", what, res.StatusCode, want)
		}
		return body
	}
	if _, body := clerk.get(path); !strings.Contains(body, "Chưa trình") || !strings.Contains(body, "Trình lãnh đạo") {
		t.Error("the clerk is not offered to submit")
	}
	act(clerk, "trinh", url.Values{"leader": {"leader"}}, 303)
	if _, body := leader.get("/viec-can-lam"); !strings.Contains(body, "Chờ cho ý kiến") || !strings.Contains(body, d.Subject) {
		t.Error("the leader's list does not hold it")
	}
	body := act(leader, "but-phe", url.Values{"instruction": {"Giao staff."}, "deadline": {"31/2/26"}, "lead": {"staff"}, "support_onestop": {"1"}, "support_unit": {"Công an xã"}}, 422)
	for _, word := range []string{"Hạn giải quyết phải là ngày", "Giao staff.", `value="31/2/26"`, `value="Công an xã"`, `id="support-onestop" name="support_onestop" value="1" checked`, `<option value="staff" selected>`} {
		if !strings.Contains(body, word) {
			t.Errorf("the form with a mistake lacks %q", word)
		}
	}
	act(leader, "but-phe", url.Values{"instruction": {"Giao staff."}, "deadline": {"25/11/26"}, "lead": {"staff"}, "support_unit": {"Công an xã, Xã đội"}, "hand_over": {"1"}}, 303)
	w := b.work(d.ID)
	if w.State != handling.Open || w.Due != "2026-11-25" || len(w.Parts) != 3 || w.Instruction.Of != "Nguyễn Thị leader" {
		t.Fatalf("instructed: %+v", w)
	}
	if _, body := staff.get("/viec-can-lam"); !strings.Contains(body, "Đến hạn hôm nay / 3 ngày tới") || strings.Contains(body, "Còn 4 ngày · hạn 25/11/2026") == false {
		// the 25th is four days away: it is in "my work" with its deadline
		if !strings.Contains(body, "Hạn 25/11/2026") {
			t.Error("the holder's list does not hold it")
		}
	}
	part := url.Values{"part": {b.partOf(d.ID, "Nguyễn Thị staff")}}
	form := func(name, value string) url.Values { return url.Values{"part": part["part"], name: {value}} }
	if body := act(staff, "tien-do", form("progress", ""), 422); !strings.Contains(body, "Chưa nhập tiến độ") {
		t.Error("an empty note is not told")
	}
	act(staff, "tien-do", form("progress", "Đã họp."), 303)
	act(staff, "xong", form("result", "Đã gửi báo cáo."), 303)
	if _, body := clerk.get(path); !strings.Contains(body, "Đã gửi báo cáo.") || !strings.Contains(body, "Mở lại việc") {
		t.Error("the end does not show")
	}
	noError(t, b.handling.Tell(t.Context()))
	if _, body := clerk.get(path); !strings.Contains(body, "Đã giao Nguyễn Thị staff giải quyết") {
		t.Error("status 04 is not in the track")
	}
}

// TestAConflictIsToldAndNothingTypedIsLost: somebody acted since the page was loaded.
func TestAConflictIsToldAndNothingTypedIsLost(t *testing.T) {
	b := start(t, true, fixed)
	d := b.led("Kiểm tra đê điều", "staff", "2026-11-30", true)
	seen := strconv.Itoa(b.work(d.ID).Version)
	noError(t, b.handling.Extend(t.Context(), d.ID, 0, "2026-12-10", "mưa lũ", asLeader, 0))
	res, body := b.as("lan").post(boxPath(d)+"/thu-hoi-y-kien", url.Values{"seen": {seen}, "reason": {"giao nhầm người"}})
	if res.StatusCode != http.StatusConflict || !strings.Contains(body, "Nguyễn Thị leader vừa thay đổi") || !strings.Contains(body, `value="giao nhầm người"`) {
		t.Errorf("%d without its words", res.StatusCode)
	}
	if b.work(d.ID).State != handling.Open {
		t.Error("it was done all the same")
	}
}

// TestEachRoleAndEachAct: as agent/README.md says. The document is led by staff; the
// one-stop desk is to know of it.
func TestEachRoleAndEachAct(t *testing.T) {
	b := start(t, true, fixed)
	acts := []struct {
		name string
		form url.Values
		of   string // whose part, "" for the document
		may  string
	}{
		{"trinh", url.Values{"leader": {"leader"}}, "", "lan leader"},
		{"but-phe", url.Values{"lead_unit": {"Tổ 1"}}, "", "lan leader"},
		{"chuyen", url.Values{}, "", "lan leader"},
		{"gia-han", url.Values{"deadline": {"1/12/2026"}, "reason": {"thêm"}}, "", "lan leader"},
		{"thu-hoi-y-kien", url.Values{"reason": {"nhầm"}}, "", "lan leader"},
		{"mo-lai", url.Values{"reason": {"thiếu"}}, "", "lan leader"},
		{"tien-do", url.Values{"progress": {"đang làm"}}, "staff", "lan leader staff"},
		{"xong", url.Values{"result": {"xong"}}, "staff", "lan leader staff"},
		{"giao-tiep", url.Values{"to_unit": {"Tổ 2"}, "reason": {"nghỉ"}}, "staff", "lan leader staff"},
		{"xong", url.Values{}, "onestop", "lan leader onestop"},
	}
	for _, role := range []string{"lan", "leader", "staff", "onestop", "it"} {
		v := b.as(role)
		for _, a := range acts {
			d := b.led("Việc "+role, "staff", "2026-11-30", a.name != "chuyen")
			if a.name == "mo-lai" {
				noError(t, b.handling.Finish(t.Context(), d.ID, b.work(d.ID).Parts[0].ID, "xong", asStaff, 0))
			}
			if a.name == "trinh" {
				noError(t, b.handling.Withdraw(t.Context(), d.ID, "nhầm", asLeader, 0))
			}
			if a.of != "" {
				a.form.Set("part", b.partOf(d.ID, "Nguyễn Thị "+a.of))
			}
			before := b.work(d.ID).Version
			res, _ := v.post(boxPath(d)+"/"+a.name, a.form)
			may := strings.Contains(" "+a.may+" ", " "+role+" ")
			if want := map[bool]int{true: 303, false: 403}[may]; res.StatusCode != want || (b.work(d.ID).Version != before) != may {
				t.Errorf("%s of %q by %s gave %d, want %d", a.name, a.of, role, res.StatusCode, want)
			}
		}
		v.client.CloseIdleConnections()
	}
}

// TestContentOfWhatWasHandedOverAlone: staff and the one-stop desk read what they
// have and what answers it; of the rest they see lists and states.
func TestContentOfWhatWasHandedOverAlone(t *testing.T) {
	b := start(t, false, fixed)
	b.handToStaff()
	other := b.led("Việc của người khác", "lan", "", true)
	for role, reads := range map[string][]string{
		"staff": {"accepted", "saved"}, "onestop": {"accepted", "saved", "other"}, "leader": {"accepted", "saved", "other", "normal", "delivered"}, "it": nil,
	} {
		v := b.as(role)
		for _, name := range []string{"accepted", "saved", "other", "normal", "delivered"} {
			d := b.docs[name]
			if name == "other" {
				d = other
			}
			may := strings.Contains(" "+strings.Join(reads, " ")+" ", " "+name+" ")
			page, body := v.get(boxPath(d))
			if page.StatusCode != http.StatusOK || strings.Contains(body, "/tep/0") != may {
				t.Errorf("the page of %s for %s: %d, content offered %v", name, role, page.StatusCode, !may)
			}
			for _, path := range []string{"/goi", "/edxml", "/tep/0"} {
				if res, _ := v.get(boxPath(d) + path); (res.StatusCode == http.StatusForbidden) == may {
					t.Errorf("%s of %s for %s gave %d, may %v", path, name, role, res.StatusCode, may)
				}
			}
			if d.ID == other.ID && strings.Contains(body, "Giao chủ trì tham mưu") != may {
				t.Errorf("the instruction for %s: %v", role, !may)
			}
		}
		v.client.CloseIdleConnections()
	}
	// Another box in the address opens nothing.
	if res, _ := b.as("staff").get("/van-ban-di/" + b.docs["accepted"].ID.String() + "/goi"); res.StatusCode != http.StatusNotFound {
		t.Errorf("through the other box: %d", res.StatusCode)
	}
}

var groupTitle = regexp.MustCompile(`<h2 id="g-([a-z-]+)">`)

// TestEachSeesTheirOwnWork, in the fixed order.
func TestEachSeesTheirOwnWork(t *testing.T) {
	now, set := settable(noon)
	b := start(t, false, now)
	set(noon.AddDate(0, 0, -3))
	b.led("Đã quá hạn", "staff", "2026-11-19", true)
	b.led("Đến hạn hôm nay", "staff", "2026-11-21", true)
	b.led("Chưa có hạn", "staff", "", true)
	b.led("Chờ chuyển", "staff", "", false)
	submitted := b.accepted("Trình", office.Khan)
	noError(t, b.handling.Submit(t.Context(), submitted.ID, someone("leader"), asLan, 0))
	set(noon)
	for role, want := range map[string]string{
		"lan":     "urgent overdue soon to-accept requests unhanded returned failed unsent",
		"leader":  "urgent opinion overdue soon unhanded",
		"staff":   "overdue soon mine",
		"onestop": "inform",
		"it":      "failed unsent",
	} {
		_, body := b.as(role).get("/viec-can-lam")
		var got []string
		for _, m := range groupTitle.FindAllStringSubmatch(body, -1) {
			got = append(got, m[1])
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s sees %s, want %s", role, s, want)
		}
		if role == "staff" && (!strings.Contains(body, "Quá hạn 2 ngày · hạn 19/11/2026") || !strings.Contains(body, "Đến hạn hôm nay")) {
			t.Error("the deadlines are not told")
		}
	}
	if _, body := b.as("it").get("/van-ban-den"); !strings.Contains(body, "Quá hạn 2 ngày · hạn 19/11/2026") || strings.Contains(body, "tep/0") {
		t.Error("the list does not tell the deadlines")
	}
	if _, body := b.as("staff").get("/viec-cua-toi"); strings.Count(body, "data-row") != 3 {
		t.Error("the list of own work is not whole")
	}
	if _, body := b.as("staff").get("/viec-cua-toi?loc=da-xong"); !strings.Contains(body, "Chưa có việc nào đã xong") {
		t.Error("what is finished")
	}
}

// TestAnsweringFinishesTheWork: the form is filled in, and sending it ends the work
// unless the tick is taken away.
func TestAnsweringFinishesTheWork(t *testing.T) {
	b := start(t, true, fixed)
	clerk := b.as("lan")
	for _, finish := range []bool{true, false} {
		d := b.led("Lấy ý kiến", "staff", "2026-11-30", true)
		if _, body := clerk.get(boxPath(d)); !strings.Contains(body, "/gui?tra-loi="+d.ID.String()) {
			t.Fatal("the page does not offer to answer")
		}
		_, body := clerk.get("/gui?tra-loi=" + d.ID.String())
		for _, word := range []string{`value="H40.SNV"`, "V/v trả lời Công văn số 915/SNV-VP ngày 18/11/2026 của Sở Nội vụ", `name="reply" value="` + d.ID.String() + `"`, `name="finish" value="1" checked`} {
			if !strings.Contains(body, word) {
				t.Errorf("the form lacks %q", word)
			}
		}
		form := url.Values{"reply": {d.ID.String()}, "to": {"H40.SNV"}, "subject": {"V/v trả lời"}, "type": {"CV"}, "declare": {"1"}, "date": {"21/11/2026"}}
		if finish {
			form.Set("finish", "1")
		}
		bad := url.Values{"reply": form["reply"]}
		if res, body := clerk.sendForm(bad); res.StatusCode != 422 || !strings.Contains(body, `name="reply" value="`+d.ID.String()) || strings.Contains(body, `value="1" checked`) {
			t.Errorf("a form with mistakes forgets what it answers: %d", res.StatusCode)
		}
		res, _ := clerk.sendForm(form)
		if res.StatusCode != http.StatusSeeOther {
			t.Fatalf("sending gave %d", res.StatusCode)
		}
		w := b.work(d.ID)
		if (w.State == handling.Done) != finish || w.Reply.Code == "" {
			t.Errorf("finish %v: %s, %+v", finish, w.State, w.Reply)
		}
		if _, body := clerk.get(res.Header.Get("Location")); !strings.Contains(body, "Trả lời văn bản") || !strings.Contains(body, `href="`+boxPath(d)+`"`) {
			t.Error("the document sent does not link to the one it answers")
		}
	}
	for path, want := range map[string]int{"/gui?tra-loi=x": 404, "/gui?tra-loi=" + b.docs["none"].ID.String(): 404} {
		if res, _ := clerk.get(path); res.StatusCode != want {
			t.Errorf("%s gave %d", path, res.StatusCode)
		}
	}
}

func TestSlipOfHandling(t *testing.T) {
	b := start(t, true, fixed)
	d := b.led("Lấy ý kiến", "staff", "2026-11-30", true)
	for role, want := range map[string]int{"lan": 200, "leader": 200, "staff": 200, "onestop": 200, "it": 403} {
		res, body := b.as(role).get(boxPath(d) + "/phieu-giai-quyet")
		if res.StatusCode != want || want == 200 && (!strings.HasPrefix(body, "%PDF-") || res.Header.Get("Content-Type") != "application/pdf") {
			t.Errorf("%s: %d, %s", role, res.StatusCode, res.Header.Get("Content-Type"))
		}
	}
}

func TestSomebodyStandsInOnThePage(t *testing.T) {
	b := start(t, true, fixed)
	d := b.led("Lấy ý kiến", "staff", "2026-11-30", true)
	noError(t, b.accounts.SetDisabled(t.Context(), "it", "staff", true))
	clerk := b.as("lan")
	if _, body := clerk.get("/giao-lai"); !strings.Contains(body, "Nguyễn Thị staff – đã khóa (1 việc)") {
		t.Error("whose work is left is not told")
	}
	for _, c := range []struct {
		form url.Values
		says string
	}{
		{url.Values{"from": {"staff"}, "to": {"lan"}}, "Chưa nêu lý do"},
		{url.Values{"from": {"staff"}, "reason": {"nghỉ"}}, "Chưa chọn người nhận việc"},
		{url.Values{"from": {"ma"}, "to": {"lan"}, "reason": {"nghỉ"}}, "Không có tài khoản đang mở tên ma"},
		{url.Values{"from": {"staff"}, "to": {"it"}, "reason": {"nghỉ"}}, "Không có tài khoản đang mở tên it"},
	} {
		if res, body := clerk.post("/giao-lai", c.form); res.StatusCode != 422 || !strings.Contains(body, c.says) {
			t.Errorf("%v gave %d without %q", c.form, res.StatusCode, c.says)
		}
	}
	res, _ := clerk.post("/giao-lai", url.Values{"from": {"staff"}, "to": {"lan"}, "reason": {"nghỉ hưu"}})
	if res.StatusCode != 303 || b.work(d.ID).Leaders() != "Nguyễn Thị lan" {
		t.Errorf("%d, %s leads", res.StatusCode, b.work(d.ID).Leaders())
	}
}

// TestSwitchingTheUser: names to who is signed in, back to the same page where the
// next one may see it, and the first session has ended.
func TestSwitchingTheUser(t *testing.T) {
	b := start(t, true, fixed)
	v := b.as("lan")
	page := "/dang-nhap?doi=1&tiep=%2Fvan-ban-di"
	if _, body := v.get("/van-ban-di"); !strings.Contains(body, strings.ReplaceAll(page, "&", "&amp;")) || !strings.Contains(body, `aria-keyshortcuts="Alt+U"`) {
		t.Error("the header does not lead to the switch")
	}
	_, body := v.get(page + "&ten=leader")
	for _, word := range []string{"Đổi người dùng", "Nguyễn Thị staff", `aria-current="true">Nguyễn Thị leader`, `value="leader"`, `type="password" autocomplete="current-password" autofocus`, `name="doi" value="1"`} {
		if !strings.Contains(body, word) {
			t.Errorf("the switch lacks %q", word)
		}
	}
	if strings.Contains(body, ">Nguyễn Thị lan <") {
		t.Error("it offers who is signed in")
	}
	old, err := b.accounts.Sessions(t.Context(), "lan")
	if err != nil || len(old) != 1 {
		t.Fatal(len(old), err)
	}
	if res, body := v.post("/dang-nhap", url.Values{"doi": {"1"}, "tiep": {"/van-ban-di"}, "name": {"leader"}, "password": {"sai"}}); res.StatusCode != 422 || !strings.Contains(body, "Nguyễn Thị staff") {
		t.Errorf("a wrong password gave %d", res.StatusCode)
	}
	if !b.accounts.Alive(t.Context(), old[0].Ref) {
		t.Error("a wrong password ended the session")
	}
	for _, c := range []struct{ name, next, want string }{
		{"leader", "/van-ban-di", "/van-ban-di"}, {"it", "/gui", "/viec-can-lam"}, {"it", "/nguoi-dung", "/nguoi-dung"}, {"lan", "/nguoi-dung", "/viec-can-lam"},
		{"lan", "/khong-co", "/khong-co"},
	} {
		res, _ := v.post("/dang-nhap", url.Values{"doi": {"1"}, "tiep": {c.next}, "name": {c.name}, "password": {password}})
		if got := res.Header.Get("Location"); got != c.want {
			t.Errorf("%s from %s comes to %s, want %s", c.name, c.next, got, c.want)
		}
	}
	if b.accounts.Alive(t.Context(), old[0].Ref) {
		t.Error("the first session goes on")
	}
	if _, body := b.visitor().get(page); strings.Contains(body, "Nguyễn Thị") {
		t.Error("a stranger is told names")
	}
	forged := b.visitor()
	at, _ := url.Parse(b.url)
	forged.client.Jar.SetCookies(at, []*http.Cookie{{Name: "tram-nguoi-dung", Value: "staff|xx%00|" + strings.Repeat("a", 99)}})
	if _, body := forged.get("/dang-nhap"); strings.Contains(body, "Nguyễn Thị") || strings.Count(body, "<li>") != 1 {
		t.Error("a made-up cookie is answered with more than it holds")
	}
}
