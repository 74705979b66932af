package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/line"
	"tram/agent/office"
	"tram/sync/schedule"
)

// sim is a link over a SIM whose rules hold things back.
func sim(code line.Code, r schedule.Rules, until time.Time) Link {
	l := Link{Up: true, Since: noon.Add(-time.Hour), Rate: 28 << 10}
	l.Line = line.State{Interface: "ppp0", Metered: true, Limit: 3 << 30,
		Verdict: line.Verdict{Code: code, Rules: r, Until: until},
		Account: line.Account{Used: 3<<30 + 10<<20, Forecast: 4 << 30, Resets: noon.AddDate(0, 0, 10)}}
	return l
}

var (
	usedUp   = sim(line.BudgetUsed, schedule.Rules{MinUrgency: 1}, noon.AddDate(0, 0, 10))
	offHours = sim(line.OffHours, schedule.Rules{MinUrgency: 1}, noon.Add(4*time.Hour))
	strict   = sim(line.Metered, schedule.Rules{MinUrgency: 2, MaxSize: 1 << 20}, time.Time{})
)

func TestMeterOfWhatTheLineHoldsBack(t *testing.T) {
	b := newFakeOffice(fixed)
	docs := seed(b)
	doc := func(name string, size int64, u office.Urgency) office.Document {
		d := docs[name]
		d.Size, d.Urgency = size, u
		return d
	}
	for name, c := range map[string]struct {
		d         office.Document
		link      Link
		tag, line string
	}{
		"budget":          {doc("saved", 100, 0), usedUp, "Tạm dừng: hết dung lượng SIM tháng", "Văn bản khẩn vẫn được gửi"},
		"hours":           {doc("saved", 100, 0), offHours, "Tạm dừng: ngoài giờ dùng SIM", "Văn bản khẩn vẫn được gửi · Sẽ tự gửi lúc 14:32"},
		"urgency":         {doc("saved", 100, 1), strict, "Tạm dừng: không gửi qua SIM", "Văn bản thượng khẩn, hỏa tốc vẫn được gửi · Sẽ tự gửi khi có đường truyền khác"},
		"size":            {doc("saved", 2<<20, 2), strict, "Tạm dừng: quá lớn để gửi qua SIM", "Qua SIM chỉ gửi văn bản đến 1 MB · Sẽ tự gửi khi có đường truyền khác"},
		"hỏa tốc goes":    {doc("saved", 2<<20, 3), strict, "Đã lưu, chờ gửi", "2 MB · dự kiến khoảng 1 phút"},
		"khẩn goes":       {doc("saved", 2<<20, 1), usedUp, "Đã lưu, chờ gửi", "2 MB · dự kiến khoảng 1 phút"},
		"no link says so": {doc("saved", 100, 0), Link{Line: usedUp.Line}, "Đã lưu, chờ gửi", "100 B · sẽ gửi khi có mạng"},
		"under way, held": {doc("sending", 4<<20, 0), usedUp, "Tạm dừng: hết dung lượng SIM tháng", "Văn bản khẩn vẫn được gửi"},
		"under way, fits": {doc("sending", 4<<20, 2), strict, "Đang gửi 42 %", "1,9 / 4,4 MB · còn khoảng 6 phút (28 KB/s)"},
	} {
		s := &site{Options: Options{Office: b, Queue: b}}
		v := &visit{lang: i18n.Vietnamese, now: noon}
		m := v.meterOf(s.queued(c.d, c.link), c.link, -1, false)
		if m.Tag.Text != c.tag || m.Line != c.line {
			t.Errorf("%s: %q, %q", name, m.Tag.Text, m.Line)
		}
	}
}

func TestStripAndOutboxSayWhatTheLineHoldsBack(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	for _, c := range []struct {
		link        Link
		strip, head string
	}{
		{usedUp, "", "Hết dung lượng SIM tháng · Văn bản khẩn vẫn được gửi · Sẽ tự gửi lúc 10:32 01/12/2026"},
		{offHours, "", "Ngoài giờ dùng SIM · Văn bản khẩn vẫn được gửi · Sẽ tự gửi lúc 14:32"},
		{strict, "", "Không gửi qua SIM · Văn bản thượng khẩn, hỏa tốc vẫn được gửi · Sẽ tự gửi khi có đường truyền khác"},
	} {
		b.link = c.link
		_, body := v.get("/hop-gui")
		for _, want := range []string{c.head, "Xin gửi ngay", "Đang gửi 1/3", "SIM tháng này: đã dùng 3 GB / 3 GB · dự báo cuối tháng 4 GB · tháng mới từ 01/12/2026"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: the outbox does not say %q", c.link.Line.Verdict.Code, want)
			}
		}
		if strings.Contains(boxOf(body, "Báo cáo nhanh thiệt hại"), "Xin gửi ngay") {
			t.Error("what goes is offered to go")
		}
	}
	// Nothing but held documents.
	b.office.change(func() {
		d, _ := b.office.find(b.docs["sending"].ID)
		d.State = office.AtHub
	})
	b.link = usedUp
	if _, body := v.get("/viec-can-lam"); !strings.Contains(body, "Có mạng · SIM · 2 văn bản tạm dừng · Hết dung lượng SIM tháng · Văn bản khẩn vẫn được gửi") {
		t.Error("the strip does not say that all is held back")
	}
	if _, body := b.as("it").get("/hop-gui"); strings.Contains(body, "gui-ngay") {
		t.Error("who may not send may ask to send now")
	}
}

// boxOf is the row of the outbox with this subject.
func boxOf(body, subject string) string {
	_, rest, _ := strings.Cut(body, subject)
	row, _, _ := strings.Cut(rest, "</li>")
	return row
}

func TestAskingToSendNow(t *testing.T) {
	b := start(t, false, fixed)
	b.link = usedUp
	v := b.as("lan")
	path := boxPath(b.docs["saved"])
	_, body := v.get("/hop-gui")
	if !strings.Contains(body, `action="`+path+`/gui-ngay"`) {
		t.Fatal("the button is not there")
	}
	res, _ := v.post(path+"/gui-ngay", url.Values{})
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != path || !b.office.IsFirst(b.docs["saved"].ID) {
		t.Errorf("asking gave %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	_, body = v.get(path)
	if !strings.Contains(body, "Đã xin gửi ngay") || strings.Contains(body, "gui-ngay") || strings.Contains(body, "Tạm dừng") {
		t.Error("the page does not say that it was asked for")
	}
	b.link = offHours
	if _, body = v.get("/hop-gui"); !strings.Contains(boxOf(body, b.docs["saved"].Subject), "Đã xin gửi ngay") {
		t.Error("other rules make it forgotten")
	}
}

// TestPausedPagesInABrowser looks at the held states in both languages and
// widths, and presses the button.
func TestPausedPagesInABrowser(t *testing.T) {
	b := start(t, false, fixed)
	for _, width := range []string{"1366", "320"} {
		c := browse(t, b, map[string]int{"1366": 1366, "320": 320}[width], 768)
		c.signIn("lan")
		for _, lang := range []string{"vi", "en"} {
			c.Language(lang)
			for name, path := range map[string]string{"outbox": "/hop-gui", "sent": boxPath(b.docs["old"])} {
				b.link = map[string]Link{"outbox": usedUp, "sent": strict}[name]
				c.Open(path)
				c.Fits(path + " held back, in " + lang + " at " + width)
				c.Accessible(path + " held back")
				c.Shot("held-" + name + "-" + lang + "-" + width)
			}
		}
		c.Quiet()
	}
	b.link = usedUp
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open("/hop-gui")
	c.Enter("form[action='" + boxPath(b.docs["old"]) + "/gui-ngay'] button")
	if got := c.Text(".tracks .meter"); !strings.Contains(got, "Đã xin gửi ngay") {
		t.Errorf("after asking: %q", got)
	}
	c.Quiet()
}

// TestTheStripStandsWhenWhatWasCountedHasGone: the count and the list of what waits are
// read one after the other.
func TestTheStripStandsWhenWhatWasCountedHasGone(t *testing.T) {
	v := &visit{lang: i18n.Vietnamese, now: noon}
	got := v.strip(state{link: Link{Up: true, Since: noon}, summary: office.Summary{Waiting: 1}})
	if got.Tone != "up" || !strings.Contains(got.Main, "Không còn gì chờ gửi") {
		t.Errorf("%+v", got)
	}
}
