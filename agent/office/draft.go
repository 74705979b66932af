package office

import (
	"cmp"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/sync/bundle"
)

// Longest texts of a draft, in characters. The regulation's own limits where it
// has one; longer texts are refused with the field's name.
const (
	MaxSubject  = 500
	MaxNumber   = 50
	MaxNotation = 50
	MaxSigner   = 100
	MaxPosition = 100
	MaxContent  = 4000
	MaxReason   = 500
)

// review collects the faults of a draft.
type review struct {
	o      *Office
	faults problem.List
	via    map[string]string // as of [letter]
	tram   bool              // offices on Trạm alone
}

func (r *review) fault(code, field string, args i18n.Args) {
	r.faults = append(r.faults, problem.New(problem.Usage, code, field, args))
}

// draft checks everything but the content of the files.
func (r *review) draft(d Draft) letter {
	l := letter{
		urgency: d.Urgency, by: strings.TrimSpace(d.By), cleared: d.Cleared, copied: d.Copied, at: r.o.now(), handed: d.Handed, key: d.Key,
		subject: r.words("subject", d.Subject, MaxSubject), content: r.words("content", d.Content, MaxContent),
		signer: r.words("signer", d.Signer, MaxSigner), position: r.words("position", d.Position, MaxPosition),
	}
	l.to, l.moved = r.recipients(d.To)
	l.via = r.via
	if l.subject == "" && strings.TrimSpace(d.Subject) == "" {
		r.fault("send.no-subject", "subject", nil)
	}
	if d.Urgency > maxUrgency {
		r.fault("send.urgency", "urgency", nil)
	}
	if d.Classification != "" {
		r.fault("send.classified", "classification", i18n.Args{"mark": d.Classification})
	}
	r.secret("subject", d.Subject, d.Cleared)
	r.secret("content", d.Content, d.Cleared)
	if l.content == "" {
		l.content = l.subject
	}
	if l.signer == "" {
		l.signer = r.o.letter.Signer
	}
	if l.position == "" {
		l.position = r.o.letter.Position
	}
	r.code(d, &l)
	if l.carries = d.Carries; !l.carries.IsZero() {
		l.code = code.Symbol(l.carries)
	}
	return l
}

// code checks type, number, notation and date.
func (r *review) code(d Draft, l *letter) {
	as := r.coded(d.Type, d.Number, d.Notation)
	l.kind, l.code = as.kind, as.code
	l.date = edxml.DateOf(l.at)
	if d.Date != "" {
		date, ok := typedDate(d.Date)
		if !ok {
			r.fault("send.date", "date", i18n.Args{"date": d.Date})
			return
		}
		l.date = date
	}
}

// coded checks type, number and notation of an outgoing document.
func (r *review) coded(abbr, number, notation string) (l letter) {
	var ok bool
	if l.kind, ok = edxml.KindByAbbr(cmp.Or(abbr, edxml.KindCongVan)); !ok {
		r.fault("send.type", "type", i18n.Args{"type": abbr})
	}
	number, notation = r.words("number", number, 0), r.words("notation", notation, 0)
	if head, tail, found := strings.Cut(number, "/"); found && notation == "" {
		number, notation = strings.TrimSpace(head), strings.TrimSpace(tail) // typed in one piece
	}
	if strings.ContainsAny(number, "/,") {
		r.fault("send.number", "number", i18n.Args{"number": number})
	}
	r.length("number", number, MaxNumber)
	r.length("notation", notation, MaxNotation)
	if len(number) == 1 && number >= "0" && number <= "9" {
		number = "0" + number
	}
	if notation == "" {
		notation = r.o.letter.notation(l.kind)
	}
	l.code = edxml.Code{Number: number, Notation: notation}
	return l
}

// typedDate reads a date as a message or a person writes it.
func typedDate(s string) (edxml.Date, bool) {
	if d, ok := edxml.ParseDate(s); ok {
		return d, !d.IsZero()
	}
	for _, layout := range []string{"2/1/2006", "2-1-2006", "2.1.2006", "2/1/06", "2-1-06", "020106"} {
		if t, err := time.Parse(layout, strings.TrimSpace(s)); err == nil {
			return edxml.Date{Day: t}, true
		}
	}
	return edxml.Date{}, false
}

// words returns text in NFC with runs of white space made one space, the way it
// stands in a message of one line. Faults name the field. A limit of 0 is none.
func (r *review) words(field, text string, limit int) string {
	if !utf8.ValidString(text) {
		r.fault("send.characters", field, i18n.Args{"field": field})
		return ""
	}
	text = strings.Join(strings.Fields(norm.NFC.String(text)), " ")
	if strings.ContainsFunc(text, func(c rune) bool { return unicode.IsControl(c) || c == '\uFFFE' || c == '\uFFFF' }) {
		r.fault("send.characters", field, i18n.Args{"field": field})
		return ""
	}
	r.length(field, text, limit)
	return text
}

func (r *review) length(field, text string, limit int) {
	if n := utf8.RuneCountInString(text); limit > 0 && n > limit {
		r.fault("send.too-long", field, i18n.Args{"field": field, "limit": limit, "have": n})
	}
}

func (r *review) secret(field, text string, cleared bool) {
	if mark := secretMark(text); mark != "" && !cleared {
		r.fault("send.secret-mark", field, i18n.Args{"mark": mark})
	}
}

// recipients looks the addressees up, each once. Of those that were named by an
// old code it tells which by the code of today.
func (r *review) recipients(codes []string) (cards []registry.Card, moved map[string]string) {
	moved = map[string]string{}
	seen, taken := map[string]bool{}, map[string]bool{}
	for _, code := range codes {
		code = strings.TrimSpace(code)
		key := registry.Key(code)
		if code == "" || seen[key] {
			continue
		}
		seen[key] = true
		c, was, ok := r.recipient(code)
		if now := registry.Key(c.Code); ok && !taken[now] {
			taken[now] = true
			cards = append(cards, c)
		}
		if ok && was {
			moved[c.Code] = code
		}
	}
	switch {
	case len(seen) == 0:
		r.fault("send.no-recipient", "to", nil)
	case len(seen) > bundle.MaxRecipients:
		r.fault("send.too-many-recipients", "to", i18n.Args{"limit": bundle.MaxRecipients})
	}
	return cards, moved
}

func (r *review) recipient(code string) (card registry.Card, moved, ok bool) {
	args := i18n.Args{"code": code}
	card, moved, err := r.o.registry.Resolve(code)
	switch {
	case r.o.isMe(code), err == nil && r.o.isMe(card.Code):
		r.fault("send.to-self", "to", args)
	case r.o.isHub(code):
		r.fault("send.to-hub", "to", args)
	case errors.Is(err, registry.ErrNotFound):
		return r.outside(code, "send.unknown-recipient", args)
	case err != nil:
		r.faults = append(r.faults, problem.From(err))
	case !card.Enrolled():
		return r.outside(code, "send.recipient-not-enrolled", i18n.Args{"code": code, "name": card.Name})
	default:
		return card, moved, r.allowed(card)
	}
	return registry.Card{}, false, false
}

// allowed looks at the rules on this office's own card, which the hub holds to
// as well.
func (r *review) allowed(to registry.Card) bool {
	own, err := r.o.registry.Lookup(r.o.me.Code)
	if errors.Is(err, registry.ErrNotFound) {
		return true // the hub decides
	}
	ok := false
	if err == nil {
		ok, err = r.o.registry.Allows(own, to.Code)
	}
	switch {
	case err != nil:
		r.faults = append(r.faults, problem.From(err))
	case !ok:
		r.fault("send.not-allowed", "to", i18n.Args{"code": to.Code, "name": to.Name})
	}
	return ok
}

// files checks what can be known of the files without reading them.
func (r *review) files(d Draft) []file {
	switch {
	case len(d.Files) == 0:
		r.fault("send.no-file", "files", nil)
	case len(d.Files) > r.o.limits.Files:
		r.fault("send.too-many-files", "files", i18n.Args{"limit": r.o.limits.Files, "have": len(d.Files)})
		return nil
	}
	files := make([]file, 0, len(d.Files))
	for i, u := range d.Files {
		files = append(files, r.name(u.Name, i, d.Cleared))
	}
	return files
}

// name checks the name of the file at an index.
func (r *review) name(given string, index int, cleared bool) file {
	name, fault := checkFileName(given)
	if fault != "" {
		r.fault(fault, "files", i18n.Args{"name": printable(given), "position": index + 1})
	} else if mark := secretMark(name); mark != "" && !cleared {
		r.fault("send.secret-file", "files", i18n.Args{"name": name, "mark": mark})
	}
	return file{name: name, media: MediaType(name), shown: printable(given)}
}

// printable is a foreign file name as a message may show it.
func printable(name string) string {
	const most = 80
	name = strings.Map(func(r rune) rune {
		if invisible(r) {
			return '�'
		}
		return r
	}, strings.ToValidUTF8(name, "�"))
	if runes := []rune(name); len(runes) > most {
		name = string(runes[:most]) + "…"
	}
	return name
}
