package web

import (
	"fmt"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/page"
)

// vietnam is the zone of every time on a page.
var vietnam = page.Zone

func formatSize(lang i18n.Lang, n int64) string { return page.Size(lang, n) }

// pair writes "1,9 / 4,4 MB".
func formatPair(lang i18n.Lang, part, all int64) string {
	whole := formatSize(lang, all)
	done := formatSize(lang, part)
	if i := strings.LastIndexByte(done, ' '); i > 0 && strings.HasSuffix(whole, done[i:]) {
		done = done[:i]
	}
	return done + " / " + whole
}

// clock writes the time of day for today and adds the date for other days.
func (v *visit) clock(t time.Time) string { return (&page.Visit{Now: v.now}).Clock(t) }

func formatFull(t time.Time) string { return page.Full(t) }

func formatDay(t time.Time) string { return page.Day(t) }

// formatISO is for the trust panel only.
func formatISO(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(vietnam).Format(time.RFC3339)
}

// formatDocDate turns yyyy-mm-dd into dd/mm/yyyy and leaves anything else.
func formatDocDate(date string) string {
	if t, err := time.Parse(time.DateOnly, date); err == nil {
		return t.Format("02/01/2006")
	}
	return date
}

func parseDate(text string) (string, bool) { return page.ParseDate(text) }

// typedDay reads a day as people type it, in Vietnam.
func typedDay(text string) (time.Time, bool) {
	iso, ok := parseDate(text)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(time.DateOnly, iso, vietnam)
	return t, err == nil
}

// eta rounds a remaining time the way people say it; "" when it is unknown.
func (v *visit) eta(d time.Duration) string {
	minutes := int((d + 30*time.Second) / time.Minute)
	switch {
	case d <= 0:
		return ""
	case d < time.Minute:
		return v.t("web.eta.under-minute")
	case minutes < 60:
		return v.t("web.eta.minutes", i18n.Args{"m": minutes})
	case d > 3*time.Hour:
		return v.t("web.eta.long")
	}
	minutes = (minutes + 2) / 5 * 5
	if minutes%60 == 0 {
		return v.t("web.eta.hours", i18n.Args{"h": minutes / 60})
	}
	return v.t("web.eta.hours-minutes", i18n.Args{"h": minutes / 60, "m": minutes % 60})
}

// symbol is số and ký hiệu in one: "05/BC-UBND".
func symbol(d office.Document) string {
	switch {
	case d.Number == "":
		return d.Notation
	case d.Notation == "":
		return d.Number
	}
	return d.Number + "/" + d.Notation
}

// percent is how much of a transfer is done, 0 to 100.
func percent(p office.Progress) int {
	if p.Total <= 0 {
		return 0
	}
	return int(min(100, max(0, p.Sent*100/p.Total)))
}

// partyName names an office by its name, or its code when it has none.
func partyName(p office.Party) string {
	if p.Name != "" {
		return p.Name
	}
	return p.Code
}

// boxPath is where a document's page is.
func boxPath(d office.Document) string {
	box := "van-ban-den"
	if d.Box == office.Out {
		box = "van-ban-di"
	}
	return fmt.Sprintf("/%s/%s", box, d.ID)
}
