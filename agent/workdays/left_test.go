package workdays

import (
	"testing"

	"tram/agent/i18n"
)

func TestMarginsInWords(t *testing.T) {
	cals := calendars(t)
	for _, c := range []struct{ cal, now, due, vi, en string }{
		{"vn", "2026-03-02 09:00", "2026-03-05 17:00", "còn 3 ngày làm việc", "3 working days left"},
		{"vn", "2026-03-04 16:00", "2026-03-05 17:00", "còn 1 ngày làm việc", "1 working day left"},
		{"vn", "2026-03-06 16:00", "2026-03-09 17:00", "còn 1 ngày làm việc", "1 working day left"},
		{"vn", "2026-02-13 16:00", "2026-02-23 17:00", "còn 1 ngày làm việc", "1 working day left"},
		{"vn", "2026-03-05 10:00", "2026-03-05 17:00", "còn 5 giờ làm việc", "5 working hours left"},
		{"vn", "2026-03-05 12:00", "2026-03-05 14:30", "còn 1 giờ làm việc", "1 working hour left"},
		{"vn", "2026-03-05 16:15", "2026-03-05 17:00", "còn 45 phút làm việc", "45 working minutes left"},
		{"vn", "2026-03-05 16:00", "2026-03-06 07:30", "còn 1 giờ làm việc", "1 working hour left"},
		{"vn", "2026-03-05 17:00", "2026-03-05 17:00", "đến hạn", "due now"},
		{"vn", "2026-03-05 18:00", "2026-03-05 17:00", "vừa quá hạn", "just overdue"},
		{"vn", "2026-03-07 10:00", "2026-03-06 17:00", "vừa quá hạn", "just overdue"},
		{"xa", "2026-03-07 10:00", "2026-03-06 17:00", "quá hạn 1 ngày làm việc", "1 working day overdue"},
		{"vn", "2026-03-05 16:00", "2026-03-05 14:00", "quá hạn 2 giờ làm việc", "2 working hours overdue"},
		{"vn", "2026-03-05 14:20", "2026-03-05 14:00", "quá hạn 20 phút làm việc", "20 working minutes overdue"},
		{"vn", "2026-03-09 08:00", "2026-03-06 17:00", "quá hạn 1 ngày làm việc", "1 working day overdue"},
		{"vn", "2026-02-24 08:00", "2026-02-12 17:00", "quá hạn 3 ngày làm việc", "3 working days overdue"},
	} {
		m := Left(cals[c.cal], moment(t, c.now), moment(t, c.due)).Say()
		if vi, en := m.Text(i18n.Vietnamese), m.Text(i18n.English); vi != c.vi || en != c.en {
			t.Errorf("%s at %s, due %s: %q, %q; want %q, %q", c.cal, c.now, c.due, vi, en, c.vi, c.en)
		}
	}
}

func TestAStoppedClockKeepsWhatItHad(t *testing.T) {
	cal := calendars(t)["vn"]
	for _, c := range []struct{ rule, pauses, at, left, resumed string }{
		{"8wh", "2026-03-02 10:00 /", "2026-03-04 09:00", "còn 6 giờ làm việc", "2026-03-04 17:00"},
		{"5wd", "2026-03-04 10:00 /", "2026-03-06 14:00", "còn 3 ngày làm việc", "2026-03-11 17:00"},
		{"1wd", "2026-03-03 10:00 /", "2026-03-05 14:00", "còn 3 giờ làm việc", "2026-03-05 17:00"},
		{"1wd", "2026-03-03 17:30 /", "2026-03-05 14:00", "quá hạn 2 ngày làm việc", "2026-03-03 17:00"},
		{"5wd", "2026-03-03 10:00 / 2026-03-04 10:00", "2026-03-04 12:00", "còn 4 ngày làm việc", "2026-03-10 17:00"},
	} {
		received, pauses, at := moment(t, "2026-03-02 08:00"), paused(t, c.pauses), moment(t, c.at)
		left, err := Remaining(cal, ruled(t, c.rule), received, pauses, at)
		if got := left.Say().Text(i18n.Vietnamese); err != nil || got != c.left {
			t.Errorf("%s stopped %s has at %s: %s, %v; want %s", c.rule, c.pauses, c.at, got, err, c.left)
		}
		due, err := Resume(cal, ruled(t, c.rule), received, pauses, at)
		if got := said(due); err != nil || got != c.resumed {
			t.Errorf("%s stopped %s, resumed %s: %s, %v; want %s", c.rule, c.pauses, c.at, got, err, c.resumed)
		}
	}
}
