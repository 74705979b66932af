package console

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/hub/fleet"
	"tram/agent/i18n"
	"tram/agent/web/page"
)

// words says things about boxes to one visitor.
type words struct {
	*page.Visit
	named func(code string) string
}

// say is the words for a visitor.
func (s *site) say(v *page.Visit) words { return words{v, s.Hub.Name} }

// state is a state at the beginning of a line.
func (w words) state(s fleet.State) string {
	text := s.Text(w.Lang)
	_, size := utf8.DecodeRuneInString(text)
	return strings.ToUpper(text[:size]) + text[size:]
}

// cluster names a cluster: it is the code of an office, or a name by itself.
func (w words) cluster(key string) string {
	if key == "" {
		return w.T("console.cluster.none")
	}
	return cmp.Or(w.named(key), key)
}

// tones are the colours of states: silence is grey or blue, since it matters only
// when something waits.
var tones = map[fleet.State]string{
	fleet.NeedsRepair: "amber", fleet.OutOfContact: "grey", fleet.OutOfContactGroup: "grey", fleet.Late: "blue", fleet.NotEnrolled: "grey",
	fleet.Stopped: "grey", fleet.Normal: "green",
}

func (w words) tag(d fleet.Agent) page.Tag {
	if !d.Log.IsZero() {
		return page.Tag{Text: w.T("console.log.tag"), Tone: "red"}
	}
	return page.Tag{Text: w.state(d.State), Tone: tones[d.State]}
}

// since is from when on the state holds, and for how long.
func (w words) since(d fleet.Agent) string {
	if d.StateSince.IsZero() {
		return ""
	}
	return w.T("console.since", i18n.Args{"time": w.Clock(d.StateSince), "span": i18n.Span(w.Lang, w.Now.Sub(d.StateSince))})
}

// short is the reason in a few words.
func (w words) short(d fleet.Agent) string {
	var all []string
	if text := d.Reason.Short(w.Lang); text != d.Reason.Code {
		all = append(all, text)
	} else if text != "" { // the box's own words: the first sentence
		first, _, _ := strings.Cut(d.Reason.Text(w.Lang), ". ")
		all = append(all, strings.TrimSuffix(first, "."))
	}
	if !d.Copy.IsZero() {
		all = append(all, w.T("console.copy.brief"))
	}
	return page.JoinDots(all...)
}

// reason is why a box is in its state, "" when that says all.
func (w words) reason(d fleet.Agent) string {
	var all []string
	if text := d.Reason.Text(w.Lang); text != "" {
		all = append(all, strings.TrimSuffix(text, "."))
	}
	if !d.Copy.IsZero() {
		all = append(all, w.T("console.copy", i18n.Args{"time": w.Clock(d.Copy)}))
	}
	if !d.Log.IsZero() {
		all = append(all, w.T("console.log", i18n.Args{"time": w.Clock(d.Log)}))
	}
	return page.JoinDots(all...)
}

func (w words) name(d fleet.Agent) string { return cmp.Or(d.Name, d.Code) }

func (w words) seen(d fleet.Agent) string {
	switch {
	case d.Online:
		return w.T("console.online")
	case d.Seen.IsZero():
		return w.T("console.never")
	}
	return w.Clock(d.Seen)
}

// queue is what has not left a box.
func (w words) queue(d fleet.Agent) string {
	if d.Beat.IsZero() {
		return "–"
	}
	if d.Queue == 0 {
		return "0"
	}
	parts := []string{w.Count(d.Queue), page.Size(w.Lang, d.QueueBytes)}
	if !d.QueueSince.IsZero() {
		parts = append(parts, i18n.Span(w.Lang, w.Now.Sub(d.QueueSince)))
	}
	return strings.Join(parts, " · ")
}

func (w words) certificate(d fleet.Agent) string {
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

func (w words) disk(d fleet.Agent) string {
	if d.Beat.IsZero() {
		return "–"
	}
	text := page.Size(w.Lang, d.DiskFree)
	if d.DiskDays != nil {
		text = page.JoinDots(text, w.T("console.days", i18n.Args{"n": *d.DiskDays}))
	}
	return text
}

func (w words) offset(d fleet.Agent) string {
	if d.Beat.IsZero() {
		return "–"
	}
	offset := time.Duration(d.ClockOffset) * time.Millisecond
	if offset.Abs() < time.Second {
		return "0"
	}
	return fmt.Sprintf("%+d s", offset/time.Second)
}

func (w words) sim(d fleet.Agent) string {
	if d.SIMLeft == nil {
		return "–"
	}
	return page.Size(w.Lang, *d.SIMLeft)
}

// todo is a box that somebody should look at.
func (w words) todo(d fleet.Agent) Todo {
	note := page.JoinDots(w.short(d), w.Clock(d.StateSince))
	if d.Waiting > 0 {
		note = page.JoinDots(note, w.T("console.waits", i18n.Args{"n": d.Waiting}))
	}
	return Todo{Href: deviceHref(d.Code), Text: w.name(d), Note: note, Tag: w.tag(d)}
}

func deviceHref(code string) string { return devicePath + url.PathEscape(code) }
