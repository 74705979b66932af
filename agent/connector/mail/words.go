package mail

import (
	"fmt"
	"strings"

	"tram/agent/clock"
	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/office"
)

// inHouse is how a time is written in a mail.
const inHouse = "15:04 02/01/2006"

// both is a message in Vietnamese and, where it differs, English behind it.
func both(key string, args i18n.Args, between string) string {
	vi, en := i18n.T(i18n.Vietnamese, key, args), i18n.T(i18n.English, key, args)
	if vi == en {
		return vi
	}
	return vi + between + en
}

// subject is that of the mail of a document.
func subject(doc office.Document) string {
	text := oneLine(doc.Subject)
	if code := code(doc); code != "" {
		text = code + ": " + text
	}
	if doc.Urgency > office.Thuong {
		text = "[" + strings.ToUpper(i18n.T(i18n.Vietnamese, fmt.Sprintf("urgency.%d", doc.Urgency))) + "] " + text
	}
	return text
}

// code is the number and notation of a document.
func code(doc office.Document) string {
	switch {
	case doc.Notation == "":
		return oneLine(doc.Number)
	case doc.Number == "":
		return oneLine(doc.Notation)
	}
	return oneLine(doc.Number + "/" + doc.Notation)
}

// words is the text of the mail of a document: Vietnamese, then English.
func (m *mailer) words(doc office.Document, attached bool) string {
	return m.wordsIn(i18n.Vietnamese, doc, attached) + "\n-- ENGLISH --\n\n" + m.wordsIn(i18n.English, doc, attached)
}

func (m *mailer) wordsIn(lang i18n.Lang, doc office.Document, attached bool) string {
	var b strings.Builder
	line := func(key string, args i18n.Args) { b.WriteString(i18n.T(lang, "mail."+key, args) + "\n") }
	line("intro", i18n.Args{"office": oneLine(m.env.Office.Name), "code": m.env.Office.Code})
	b.WriteString("\n")
	for _, f := range []struct{ key, value string }{
		{"from", oneLine(doc.From.Name) + " (" + oneLine(doc.From.Code) + ")"}, {"number", code(doc)}, {"date", doc.Date},
		{"type", oneLine(doc.TypeName)}, {"subject", oneLine(doc.Subject)}, {"arrived", doc.Created.In(clock.Vietnam).Format(inHouse)},
		{"id", oneLine(doc.EdXMLID)},
	} {
		if f.value != "" {
			line("field."+f.key, i18n.Args{"value": f.value})
		}
	}
	if doc.Urgency > office.Thuong {
		line("field.urgency", i18n.Args{"value": i18n.T(lang, fmt.Sprintf("urgency.%d", doc.Urgency))})
	}
	b.WriteString("\n")
	m.verdicts(&b, lang, doc)
	b.WriteString("\n")
	if !attached && len(doc.Attachments) > 0 {
		line("left-out", i18n.Args{"size": config.Size(m.maxSize)})
	}
	if m.page != "" {
		line("page", i18n.Args{"address": m.page + "/van-ban-den/" + doc.ID.String()})
	}
	line("no-reply", nil)
	return b.String()
}

// verdicts says what the seal and the signatures are worth.
func (m *mailer) verdicts(b *strings.Builder, lang i18n.Lang, doc office.Document) {
	line := func(key string, args i18n.Args) { b.WriteString(i18n.T(lang, "mail."+key, args) + "\n") }
	switch s := doc.Seal; {
	case s == nil:
		line("seal.none", nil)
	case i18n.Has("tram.seal." + s.Verdict):
		line("seal", i18n.Args{
			"verdict": i18n.T(lang, "tram.seal."+s.Verdict), "name": oneLine(s.Name), "signer": oneLine(s.Signer),
			"at": s.SignedAt.In(clock.Vietnam).Format(inHouse),
		})
	default:
		line("seal.unknown", nil)
	}
	checked := map[int]string{}
	for _, c := range doc.Checks {
		checked[c.Attachment] = i18n.T(lang, "docsign.verdict."+string(c.Verdict()))
	}
	if len(doc.Attachments) > 0 {
		line("files", nil)
	}
	for _, a := range doc.Attachments {
		verdict, ok := checked[a.Index]
		if !ok {
			verdict = i18n.T(lang, "mail.unchecked")
		}
		line("file", i18n.Args{"nth": a.Index + 1, "name": oneLine(a.Name), "size": a.Size, "verdict": verdict})
		if a.SHA256 != "" {
			line("digest", i18n.Args{"digest": a.SHA256})
		}
	}
}

// trialWords is the text of a mail that a person sends to see whether it comes.
func (m *mailer) trialWords() string {
	args := i18n.Args{"office": oneLine(m.env.Office.Name), "code": m.env.Office.Code, "name": m.env.Name}
	return both("mail.trial.text", args, "\n\n") + "\n"
}
