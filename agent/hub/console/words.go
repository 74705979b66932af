package console

import (
	"cmp"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/web/page"
)

// words says things about boxes to one visitor.
type words struct{ *page.Visit }

// say is the words for a visitor.
func say(v *page.Visit) words { return words{v} }

// tones are the colours of states: silence is grey or blue, since it matters only
// when something waits.
var tones = map[State]string{
	NeedsRepair: "amber", OutOfContact: "grey", OutOfContactGroup: "grey", Late: "blue", NotEnrolled: "grey", Stopped: "grey", Normal: "green",
}

func (w words) tag(d Device) page.Tag {
	if !d.LogBroken.IsZero() {
		return page.Tag{Text: w.T("console.log.tag"), Tone: "red"}
	}
	return page.Tag{Text: w.T("console.state." + string(d.State)), Tone: tones[d.State]}
}

// since is from when on the state holds, and for how long.
func (w words) since(d Device) string {
	if d.Since.IsZero() {
		return ""
	}
	return w.T("console.since", i18n.Args{"time": w.Clock(d.Since), "span": i18n.Span(w.Lang, w.Now.Sub(d.Since))})
}

// reason is why a box is in its state, "" when that says all.
func (w words) reason(d Device) string {
	var all []string
	if d.Reason != nil {
		all = append(all, d.Reason.Text(w.Lang))
	}
	if !d.Copy.IsZero() {
		all = append(all, w.T("console.copy", i18n.Args{"time": w.Clock(d.Copy)}))
	}
	if !d.LogBroken.IsZero() {
		all = append(all, w.T("console.log", i18n.Args{"time": w.Clock(d.LogBroken)}))
	}
	return page.JoinDots(all...)
}

func (w words) name(d Device) string { return cmp.Or(d.Name, d.Code) }

func (w words) seen(d Device) string {
	switch {
	case d.Online:
		return w.T("console.online")
	case d.Seen.IsZero():
		return w.T("console.never")
	}
	return w.Clock(d.Seen)
}

// queue is what has not left a box.
func (w words) queue(d Device) string {
	if d.Told.IsZero() {
		return "–"
	}
	if d.Queue == 0 {
		return "0"
	}
	parts := []string{strconv.Itoa(d.Queue), page.Size(w.Lang, d.QueueBytes)}
	if !d.QueueSince.IsZero() {
		parts = append(parts, i18n.Span(w.Lang, w.Now.Sub(d.QueueSince)))
	}
	return strings.Join(parts, " · ")
}

func (w words) certificate(d Device) string {
	if d.Certificate.IsZero() {
		return "–"
	}
	return w.days(d.Certificate)
}

// days is how many are left until t.
func (w words) days(t time.Time) string {
	left := t.Sub(w.Now)
	if left < 0 {
		return w.T("console.over", i18n.Args{"day": page.Day(t)})
	}
	return w.T("console.days", i18n.Args{"n": int(left / (24 * time.Hour))})
}

func (w words) disk(d Device) string {
	if d.Told.IsZero() {
		return "–"
	}
	text := page.Size(w.Lang, d.DiskFree)
	if d.DiskDays != nil {
		text = page.JoinDots(text, w.T("console.days", i18n.Args{"n": *d.DiskDays}))
	}
	return text
}

func (w words) offset(d Device) string {
	if d.Told.IsZero() {
		return "–"
	}
	if d.ClockOffset.Abs() < time.Second {
		return "0"
	}
	return fmt.Sprintf("%+d s", d.ClockOffset/time.Second)
}

func (w words) sim(d Device) string {
	if d.SIMLeft == nil {
		return "–"
	}
	return page.Size(w.Lang, *d.SIMLeft)
}

// todo is a box that somebody should look at.
func (w words) todo(d Device) Todo {
	note := w.reason(d)
	if note == "" {
		note = w.since(d)
	}
	if d.Waiting > 0 {
		note = page.JoinDots(note, w.T("console.waits", i18n.Args{"n": d.Waiting}))
	}
	return Todo{Href: deviceHref(d.Code), Text: w.name(d), Note: note, Tag: w.tag(d)}
}

func deviceHref(code string) string { return devicePath + url.PathEscape(code) }
