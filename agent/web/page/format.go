package page

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/i18n"
)

// Zone is the zone of every time on a page.
var Zone = clock.Vietnam

// Size writes bytes as "4,4 MB" or "4.4 MB" (1 KB = 1024 bytes).
func Size(lang i18n.Lang, n int64) string {
	const unit = 1024
	if n < unit {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, name := float64(n), ""
	for _, name = range []string{"KB", "MB", "GB"} {
		if value /= unit; value < unit-0.5 {
			break
		}
	}
	return Number(lang, value) + " " + name
}

// Number keeps one decimal below ten and none above.
func Number(lang i18n.Lang, f float64) string {
	text := strconv.FormatFloat(f, 'f', 1, 64)
	if f >= 9.95 {
		text = strconv.FormatFloat(f, 'f', 0, 64)
	}
	text = strings.TrimSuffix(text, ".0")
	if lang != i18n.English {
		text = strings.Replace(text, ".", ",", 1)
	}
	return text
}

// Count writes a count in the visitor's language.
func (v *Visit) Count(n int) string { return i18n.Count(v.Lang, int64(n)) }

// Clock writes the time of day for today and adds the date for other days.
func (v *Visit) Clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t, now := t.In(Zone), v.Now.In(Zone)
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04")
	}
	return t.Format("15:04 02/01/2006")
}

// Full writes time and date, "" for no time.
func Full(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(Zone).Format("15:04 02/01/2006")
}

// Day writes the date, "" for no time.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(Zone).Format("02/01/2006")
}

// ParseDate reads what people type for a date: 01/03/2026, 1/3/26, 01-03-2026,
// 010326, and yyyy-mm-dd. It returns yyyy-mm-dd.
func ParseDate(text string) (string, bool) {
	text = strings.NewReplacer("-", "/", ".", "/", " ", "").Replace(strings.TrimSpace(text))
	for _, form := range []string{"2/1/2006", "2/1/06", "020106", "02012006", "2006/1/2"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.Format(time.DateOnly), true
		}
	}
	return "", false
}

// JoinDots joins whole phrases the way the strip does.
func JoinDots(parts ...string) string {
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return strings.Join(parts, " · ")
}
