package web

import (
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
)

func TestNumbersAndSizes(t *testing.T) {
	for n, want := range map[int64][2]string{
		0: {"0 B", "0 B"}, 1023: {"1023 B", "1023 B"}, 1024: {"1 KB", "1 KB"}, 98304: {"96 KB", "96 KB"},
		4613734: {"4,4 MB", "4.4 MB"}, 12 << 20: {"12 MB", "12 MB"}, 1 << 20: {"1 MB", "1 MB"}, 3 << 30: {"3 GB", "3 GB"}, 5000 << 30: {"5000 GB", "5000 GB"},
	} {
		if vi, en := formatSize(i18n.Vietnamese, n), formatSize(i18n.English, n); vi != want[0] || en != want[1] {
			t.Errorf("%d bytes: %q, %q", n, vi, en)
		}
	}
	if got := formatPair(i18n.Vietnamese, 1992294, 4613734); got != "1,9 / 4,4 MB" {
		t.Errorf("pair %q", got)
	}
	if got := formatPair(i18n.English, 900, 4613734); got != "900 B / 4.4 MB" {
		t.Errorf("pair %q", got)
	}
}

func TestTimesAreVietnamese(t *testing.T) {
	v := &visit{lang: i18n.Vietnamese, now: noon}
	late := time.Date(2026, 11, 20, 17, 5, 0, 0, time.UTC) // after midnight there
	if got := v.clock(late); got != "00:05" {
		t.Errorf("clock %q", got)
	}
	if got := v.clock(late.Add(-time.Hour)); got != "23:05 20/11/2026" {
		t.Errorf("clock %q", got)
	}
	if got := formatISO(noon); got != "2026-11-21T10:32:00+07:00" {
		t.Errorf("iso %q", got)
	}
	if formatISO(time.Time{})+v.clock(time.Time{})+formatDay(time.Time{})+formatFull(time.Time{}) != "" {
		t.Error("no time should be no text")
	}
}

func TestETAIsRoundedAndNeverCountsSeconds(t *testing.T) {
	v := &visit{lang: i18n.Vietnamese}
	for d, want := range map[time.Duration]string{
		0: "", -time.Second: "", time.Second: "dưới 1 phút", 59 * time.Second: "dưới 1 phút", 5*time.Minute + 50*time.Second: "khoảng 6 phút",
		59*time.Minute + 45*time.Second: "khoảng 1 giờ", 78 * time.Minute: "khoảng 1 giờ 20 phút", 4 * time.Hour: "hơn 3 giờ",
	} {
		if got := v.eta(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestParseDate(t *testing.T) {
	for text, want := range map[string]string{
		"1/3/26": "2026-03-01", "01-03-2026": "2026-03-01", "010326": "2026-03-01", " 01/03/2026 ": "2026-03-01", "01032026": "2026-03-01", "2026-03-01": "2026-03-01", "1.3.2026": "2026-03-01",
	} {
		if got, ok := parseDate(text); !ok || got != want {
			t.Errorf("%q: %q %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "hôm nay", "31/02/2026", "13/13/2026"} {
		if got, ok := parseDate(text); ok {
			t.Errorf("%q gave %q", text, got)
		}
	}
}

func TestMeter(t *testing.T) {
	v := &visit{lang: i18n.Vietnamese, now: noon}
	up, down := Link{Up: true, Since: noon.Add(-time.Hour), Rate: 28 << 10}, Link{Since: noon.Add(-78 * time.Minute), Rate: 28 << 10}
	doc := office.Document{Size: 4613734}
	moving := queued{Document: doc, moving: true, progress: office.Progress{Sent: 1992294, Total: 4613734, Rate: 28 << 10, Left: 6 * time.Minute}}
	stalled := moving
	stalled.progress.Rate, stalled.progress.Left = 0, 0
	for name, c := range map[string]struct {
		q         queued
		link      Link
		place     int
		yields    bool
		tag, line string
	}{
		"waiting":      {queued{Document: doc, until: 15 << 20}, up, 1, false, "Đã lưu, chờ gửi", "Thứ 2 trong hàng · 4,4 MB · dự kiến khoảng 9 phút"},
		"waiting down": {queued{Document: doc}, down, 1, false, "Đã lưu, chờ gửi", "Thứ 2 trong hàng · 4,4 MB · sẽ gửi khi có mạng"},
		"sending":      {moving, up, 0, false, "Đang gửi 43 %", "1,9 / 4,4 MB · còn khoảng 6 phút (28 KB/s)"},
		"stalled":      {stalled, up, 0, false, "Đang gửi 43 %", "1,9 / 4,4 MB · đang chờ mạng"},
		"paused":       {moving, down, 0, false, "Tạm dừng: mất mạng", "Mất mạng từ 09:14 · đã gửi 43 %, sẽ gửi tiếp, không gửi lại từ đầu"},
		"resumed":      {moving, Link{Up: true, Since: noon.Add(-time.Second)}, 0, false, "Đang gửi tiếp từ 43 %", "1,9 / 4,4 MB · còn khoảng 6 phút (28 KB/s)"},
		"yields":       {stalled, up, 1, true, "Đang gửi 43 %", "Nhường văn bản hỏa tốc"},
	} {
		m := v.meterOf(c.q, c.link, c.place, c.yields)
		if m.Tag.Text != c.tag || m.Line != c.line {
			t.Errorf("%s: %q, %q", name, m.Tag.Text, m.Line)
		}
	}
}

func TestTrackOfAReturnStopsWhereItStopped(t *testing.T) {
	v := &visit{lang: i18n.Vietnamese, now: noon}
	b := newFakeOffice(fixed)
	docs := seed(b)
	tones := func(name string) (s string) {
		d := docs[name]
		for _, step := range v.track(d, d.To[0], nil) {
			s += step.Tone + " "
		}
		return s
	}
	for name, want := range map[string]string{
		"saved": "done todo todo todo todo ", "sending": "done done todo todo todo ", "hub": "done done done todo todo ",
		"delivered": "done done done done todo ", "done": "done done done done done ", "returned": "done done done done bad ", "failed": "done done done bad ",
	} {
		if got := tones(name); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
	last := v.track(docs["done"], docs["done"].To[0], nil)[4]
	if last.Note != "Số đến 412" || last.Proof != "Thông báo trạng thái có con dấu của H40" {
		t.Errorf("accepted step: %+v", last)
	}
}

func TestSplitCodes(t *testing.T) {
	if got := splitCodes(" H40.13,h40.13;H40 \n000.00.00.H49 "); len(got) != 3 || got[2] != "000.00.00.H49" {
		t.Errorf("codes %v", got)
	}
}
