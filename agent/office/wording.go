package office

import (
	"encoding/json"
	"fmt"
	"strings"

	"tram/agent/i18n"
)

// wording is what people read of a step or a failure: words that somebody
// wrote, in the language they wrote them in, or a message of this program,
// which each reader gets in their own.
type wording struct {
	text string
	said *i18n.Said // nil: somebody's own words
}

func written(text string) wording { return wording{text: text} }

func said(key string, args ...i18n.Args) wording { return wording{said: i18n.Say(key, args...)} }

// saidMark begins a message in a column of text. Nobody can write it: XML has no
// such character, and drafts and reasons with control characters are refused.
const saidMark = "\x01"

// kept is the form in the database.
func (w wording) kept() (string, error) {
	if w.said == nil {
		return strings.TrimLeft(w.text, saidMark), nil
	}
	raw, err := json.Marshal(w.said)
	if err != nil {
		return "", fmt.Errorf("keep message %q: %w", w.said.Key, err)
	}
	return saidMark + string(raw), nil
}

// readWording reads what kept has written, or a text of an earlier version.
func readWording(kept string) wording {
	raw, is := strings.CutPrefix(kept, saidMark)
	if !is {
		return written(kept)
	}
	var s i18n.Said
	if err := json.Unmarshal([]byte(raw), &s); err != nil {
		return written(raw)
	}
	return wording{text: s.Text(i18n.Vietnamese), said: &s}
}

// in is what a reader of a language gets.
func (w wording) in(lang i18n.Lang) string {
	if w.said != nil {
		return w.said.Text(lang)
	}
	return w.text
}

// Text implements [i18n.Speaker], for messages about it.
func (w wording) Text(lang i18n.Lang) string { return w.in(lang) }

// MarshalJSON implements [json.Marshaler]: a problem that names it goes to other
// programs.
func (w wording) MarshalJSON() ([]byte, error) {
	if w.said != nil {
		return json.Marshal(w.said)
	}
	return json.Marshal(w.text)
}

// ReasonIn is Reason for a reader of a language.
func (r Recipient) ReasonIn(lang i18n.Lang) string { return wording{r.Reason, r.Why}.in(lang) }

// ReasonIn is Reason for a reader of a language.
func (d Document) ReasonIn(lang i18n.Lang) string { return wording{d.Reason, d.Why}.in(lang) }

// Words are what people read of an event. What hubs and time stamp authorities
// testify is kept as the key of a text, or a name, and said in their language.
func (e Event) Words(lang i18n.Lang) string {
	switch {
	case e.Said != nil:
		return e.Said.Text(lang)
	case e.Note == "" || e.Evidence != EvidenceRecord && e.Evidence != EvidenceStamp:
		return e.Note
	case i18n.Has(e.Note):
		return i18n.T(lang, e.Note)
	case e.Evidence == EvidenceStamp:
		return i18n.T(lang, "office.stamp.external", i18n.Args{"name": e.Note})
	default:
		return i18n.T(lang, "office.evidence.other", i18n.Args{"event": e.Note})
	}
}

// read fills in what an event's note is kept as. Of evidence it is a key.
func (e *Event) read(kept string) {
	w := readWording(kept)
	e.Note, e.Said = w.text, w.said
	if w.said != nil && e.Evidence == EvidenceRecord {
		e.Note = w.said.Key
	}
}
