package duty

import (
	"fmt"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/hub/incident"
	"tram/agent/i18n"
)

// exportMoment is how the post-mortem writes times.
const exportMoment = "02/01/2006 15:04:05"

// Markdown is the post-mortem of an incident: what it was, when what happened, who was
// told and did what, and which offices were concerned for how long.
func (rec Record) Markdown(lang i18n.Lang, names incident.Names) string {
	var b strings.Builder
	s := incident.Summarize(&rec.Incident, nil)
	say := func(key string, args i18n.Args) string { return i18n.T(lang, "duty.export."+key, args) }
	at := func(t time.Time) string {
		if t.IsZero() {
			return "–"
		}
		return t.In(clock.Vietnam).Format(exportMoment)
	}
	fmt.Fprintf(&b, "# %s\n\n", plainMarkdown(say("title", i18n.Args{"id": fmt.Sprint(rec.ID), "title": s.Title(lang, names)})))
	for _, line := range []struct{ key, value string }{
		{"severity", i18n.T(lang, "incident.severity."+string(rec.Severity))},
		{"opened", at(rec.Opened)}, {"told", at(rec.Told)}, {"recovered", at(rec.Recovered)}, {"drained", at(rec.Drained)}, {"closed", at(rec.Closed)},
		{"peak", fmt.Sprint(rec.Peak)},
	} {
		fmt.Fprintf(&b, "- %s: %s\n", say(line.key, nil), line.value)
	}
	fmt.Fprintf(&b, "\n## %s\n\n| %s | %s |\n| --- | --- |\n", say("timeline", nil), say("when", nil), say("what", nil))
	for _, l := range rec.Timeline(lang, names) {
		fmt.Fprintf(&b, "| %s | %s |\n", at(l.At), plainMarkdown(l.Text))
	}
	fmt.Fprintf(&b, "\n## %s\n\n| %s | %s | %s | %s |\n| --- | --- | --- | --- |\n", say("members", nil), say("office", nil), say("joined", nil), say("left", nil), say("drained", nil))
	for _, code := range rec.sorted() {
		m := rec.Members[code]
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", plainMarkdown(names(code)), at(m.Joined), at(m.Left), at(m.Drained))
	}
	fmt.Fprintf(&b, "\n## %s\n\n", say("lessons", nil))
	for _, key := range []string{"cause", "worked", "change"} {
		fmt.Fprintf(&b, "- %s:\n", say(key, nil))
	}
	return b.String()
}

func (rec Record) sorted() []string {
	whole := rec.Incident
	whole.Members = make(map[string]incident.Member, len(rec.Members))
	for code := range rec.Members {
		whole.Members[code] = incident.Member{}
	}
	return whole.Concerned()
}

// Line is one of a timeline.
type Line struct {
	At   time.Time
	Text string
}

// Timeline is the record in words; offices that join or leave within a minute are one
// line.
func (rec Record) Timeline(lang i18n.Lang, names incident.Names) []Line {
	var lines []Line
	counted, last := 0, incident.EventKind("")
	for _, e := range rec.Events {
		if e.Kind == incident.Raised || e.Kind == incident.Cleared || e.Kind == incident.Worsened {
			continue
		}
		args := i18n.Args{
			"by": e.By, "note": e.Note, "until": e.Until.In(clock.Vietnam).Format(exportMoment), "into": fmt.Sprint(e.Into), "count": e.Count,
			"notice": i18n.T(lang, "duty.notice."+string(e.Notice)),
		}
		many := e.Kind == incident.Joined || e.Kind == incident.Left
		if many && e.Kind == last && e.At.Sub(lines[len(lines)-1].At) < time.Minute {
			counted++
			lines[len(lines)-1].Text = i18n.T(lang, "duty.event."+string(e.Kind)+".many", i18n.Args{"count": counted})
			continue
		}
		counted, last = 1, e.Kind
		if many {
			args["office"] = names(e.Member)
		}
		lines = append(lines, Line{e.At, i18n.T(lang, "duty.event."+string(e.Kind), args)})
	}
	return lines
}

// plainMarkdown is a text of somebody else within a line of Markdown.
func plainMarkdown(text string) string {
	return strings.NewReplacer("\n", " ", "\r", " ", "|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`).Replace(text)
}
