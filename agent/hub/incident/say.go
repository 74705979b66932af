package incident

import (
	"strconv"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/i18n"
)

// Names tells the name of an office by its code; the code where it has none.
type Names func(code string) string

// moment is how a time is written to people.
const moment = "15:04 02/01/2006"

func when(t time.Time) string { return t.In(clock.Vietnam).Format(moment) }

// Text names a group: "Cụm Kỳ Sơn", "nhà mạng Viettel", "trạm BTS 12".
func (g Group) Text(lang i18n.Lang, names Names) string {
	key := "incident.group." + g.Kind
	if g.Cluster != "" {
		key += ".in"
	}
	return i18n.T(lang, key, i18n.Args{"name": named(g.Name, names), "cluster": named(g.Cluster, names)})
}

func named(code string, names Names) string {
	if names == nil || code == "" {
		return code
	}
	return names(code)
}

// Title says in one sentence what an incident is.
func (s Summary) Title(lang i18n.Lang, names Names) string {
	args := i18n.Args{"count": s.Count, "peak": s.Peak, "total": s.Total, "since": when(s.Opened), "scope": named(s.Scope, names), "offices": "", "condition": s.Scope}
	if !s.Recovered.IsZero() {
		args["count"] = s.Peak
	}
	if s.Group != nil {
		args["scope"] = s.Group.Text(lang, names)
	}
	if key := "health." + s.Scope; s.Rule == HubDegraded && i18n.Has("incident.condition."+s.Scope) {
		args["condition"] = i18n.T(lang, "incident.condition."+s.Scope)
	} else if s.Rule == HubDegraded && i18n.Has(key) {
		args["condition"] = i18n.T(lang, key)
	}
	key := "incident.title." + string(s.Rule)
	if s.Rule != GroupSilent && s.Rule != HubDegraded && s.Count == 1 && len(s.Offices) == 1 && i18n.Has(key+".one") {
		args["office"] = named(s.Offices[0], names)
		key += ".one"
	}
	return i18n.T(lang, key, args)
}

// Subject is the line over a notice.
func (n Notice) Subject(lang i18n.Lang, names Names) string {
	head := i18n.T(lang, "incident.kind."+string(n.Kind), i18n.Args{"severity": strings.ToUpper(i18n.T(lang, "incident.severity."+string(n.Severity)))})
	switch {
	case n.Kind == Digest:
		return head + " " + i18n.T(lang, "incident.digest."+string(n.Severity), i18n.Args{"count": len(n.Incidents), "day": n.At.In(clock.Vietnam).Format("02/01/2006")})
	case len(n.Incidents) == 0:
		return head
	}
	return head + " " + n.Incidents[0].Title(lang, names)
}

// Text is a notice in full.
func (n Notice) Text(lang i18n.Lang, names Names) string {
	var b strings.Builder
	b.WriteString(n.Subject(lang, names) + "\n")
	for _, s := range n.Incidents {
		b.WriteString("\n")
		if n.Kind == Digest {
			b.WriteString(s.Title(lang, names) + "\n")
		}
		s.write(&b, lang, n.Kind, names)
	}
	return b.String()
}

func (s Summary) write(b *strings.Builder, lang i18n.Lang, kind NoticeKind, names Names) {
	line := func(key string, args i18n.Args) { b.WriteString(i18n.T(lang, "incident.line."+key, args) + "\n") }
	if s.ID != 0 {
		line("number", i18n.Args{"id": strconv.FormatInt(int64(s.ID), 10), "since": when(s.Opened)})
	}
	if kind == Recovery {
		line("over", i18n.Args{"at": when(s.Recovered), "span": i18n.Span(lang, s.Recovered.Sub(s.Opened))})
		switch {
		case s.Group == nil:
		case s.Drained.IsZero():
			line("not-drained", nil)
		default:
			line("drained", i18n.Args{"at": when(s.Drained)})
		}
		return
	}
	if len(s.Offices) > 0 {
		list := make([]string, 0, len(s.Offices))
		for _, code := range s.Offices {
			list = append(list, named(code, names))
		}
		text := strings.Join(list, ", ")
		if more := s.Count - len(s.Offices); more > 0 {
			text = i18n.T(lang, "incident.line.more", i18n.Args{"list": text, "more": more})
		}
		line("offices", i18n.Args{"list": text})
	}
	if s.Urgent > 0 {
		line("urgent", i18n.Args{"count": s.Urgent})
		for _, d := range s.Documents {
			line("document", i18n.Args{
				"urgency": i18n.T(lang, "urgency."+strconv.Itoa(d.Urgency)), "id": d.ID, "from": named(d.From, names),
				"since": when(d.Since), "offices": d.Offices,
			})
		}
	}
}
