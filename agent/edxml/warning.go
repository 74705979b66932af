package edxml

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"tram/agent/i18n"
)

// Warning is something odd in a message that is filed all the same. Its text
// is the message "edxml.warning.<Code>" of the catalogue.
type Warning struct {
	Code  string `json:"code"`
	Field string `json:"field"` // element
	Value string `json:"value"` // as received, at most maxWarningValue runes
}

const maxWarningValue = 100

// Codes of warnings.
const (
	WarnMissingID = "missing-id"     // no DocumentId; the classic form was built
	WarnOrigin    = "origin"         // From, first trace and DocumentId differ
	WarnDate      = "date"           // unreadable date, kept raw
	WarnOrder     = "order"          // dates in an impossible order
	WarnNumber    = "number"         // number is no number
	WarnCode      = "code"           // value outside the code list
	WarnOrgan     = "organ"          // odd agency code
	WarnMarker    = "marker"         // "null" or "N/A" instead of nothing
	WarnUnknown   = "unknown"        // unknown element
	WarnRepeated  = "repeated"       // element stands twice, the first counts
	WarnDuplicate = "duplicate"      // ContentId stands twice
	WarnLong      = "long"           // longer than the usual limit
	WarnUnlisted  = "unlisted"       // attachment that the manifest does not name
	WarnNoFiles   = "no-attachments" // empty manifest
	WarnRecipient = "recipient"      // the reading office is not among the recipients
	WarnEmpty     = "empty"          // attachment without a byte
	WarnZip       = "zip"            // looks like a zip and is none that can be read
	WarnExtension = "extension"      // the name does not fit what is inside
)

// Message returns the warning in lang.
func (w Warning) Message(lang i18n.Lang) string {
	return i18n.T(lang, "edxml.warning."+w.Code, i18n.Args{"field": w.Field, "value": w.Value})
}

func (m *mapper) warn(code, field, value string) {
	if len(m.warnings) >= MaxWarnings {
		return
	}
	if utf8.RuneCountInString(value) > maxWarningValue {
		value = string([]rune(value)[:maxWarningValue])
	}
	m.warnings = append(m.warnings, Warning{code, field, value})
}

func (m *mapper) long(field, value string, limit int) {
	if utf8.RuneCountInString(value) > limit {
		m.warn(WarnLong, field, value)
	}
}

// unread warns of every element that nothing has read.
func (m *mapper) unread(n *node, path string) {
	for _, c := range n.children {
		at := strings.TrimPrefix(path+"/"+c.name.Local, "/")
		if !c.seen {
			m.warn(WarnUnknown, at, c.text)
			continue
		}
		m.unread(c, at)
	}
}

// OrganForm is a grammar of agency codes.
type OrganForm int

// The grammars, read leniently.
const (
	OrganOdd OrganForm = iota // neither: accepted as a key, with a warning
	OrganOld                  // right to left, 000.20.31.H53
	OrganNew                  // left to right, H53.31.20
)

// FormOf says which grammar an agency code follows.
func FormOf(id string) OrganForm {
	switch {
	case len(id) > maxOrganID:
		return OrganOdd
	case oldOrgan.MatchString(id):
		return OrganOld
	case newOrgan.MatchString(id):
		return OrganNew
	}
	return OrganOdd
}

var (
	oldOrgan = regexp.MustCompile(`(?i)^\d{1,3}(\.\d{1,3}){0,2}\.[A-Z]{1,2}\d{1,2}$`)
	newOrgan = regexp.MustCompile(`(?i)^[A-Z]\d{2}(\.[0-9A-Z]{1,3})*$`)
)

const maxOrganID = 35

func plausibleOrgan(id string) bool { return FormOf(id) != OrganOdd }

var digits = regexp.MustCompile(`^\d+$`)

// judge warns of what is odd in a document as a whole, and builds a missing
// DocumentId.
func (m *mapper) judge(d *Document) {
	if d.ID == "" {
		d.ID = ClassicID(d.From.ID, d.Date, d.Code)
		m.warn(WarnMissingID, "DocumentId", d.ID)
	} else {
		m.judgeID(d)
	}
	if len(d.Trace) > 0 && d.Trace[0].OrganID != "" && !strings.EqualFold(d.Trace[0].OrganID, d.From.ID) {
		m.warn(WarnOrigin, "TraceHeader", d.Trace[0].OrganID)
	}
	if !d.Due.IsZero() && !d.Date.IsZero() && !d.Due.Day.After(d.Date.Day) {
		m.warn(WarnOrder, "DueDate", d.Due.String())
	}
	if !digits.MatchString(d.Code.Number) {
		m.warn(WarnNumber, "CodeNumber", d.Code.Number)
	}
	if len(d.Manifest) == 0 {
		m.warn(WarnNoFiles, "edXMLManifest", "")
	}
	m.addressed(d)
	m.judgeCodes(d)
	m.judgeLengths(d)
}

// judgeID compares a DocumentId of the classic form with the header. The
// DocumentId itself stays opaque.
func (m *mapper) judgeID(d *Document) {
	parts := strings.SplitN(d.ID, ",", 3)
	if len(parts) != 3 {
		return
	}
	if !strings.EqualFold(strings.TrimSpace(parts[0]), d.From.ID) {
		m.warn(WarnOrigin, "DocumentId", d.ID)
	}
	if day, ok := ParseDate(parts[1]); !d.Date.IsZero() && (!ok || !day.Day.Equal(d.Date.Day)) {
		m.warn(WarnOrder, "DocumentId", d.ID)
	}
	if number, _, _ := strings.Cut(parts[2], "/"); strings.TrimSpace(number) != d.Code.Number {
		m.warn(WarnNumber, "DocumentId", d.ID)
	}
}

func (m *mapper) judgeCodes(d *Document) {
	check := func(field, value, list string) {
		if value != "" && (len(value) != 1 || !strings.Contains(list, value)) {
			m.warn(WarnCode, field, value)
		}
	}
	check("Priority", d.Other.Priority, "01234")
	if v := d.Other.Direction; v != "" && v != "true" && v != "false" {
		m.warn(WarnCode, "Direction", v)
	}
	check("SteeringType", d.SteeringType, "0123")
	if d.Business != nil {
		check("BussinessDocType", string(d.Business.Operation), "0123")
		check("Paper", d.Business.Paper, "01")
		if u := d.Business.Update; u != nil {
			check("DocumentInfo", u.Content, "01")
			check("DocumentReceiver", u.Recipients, "01")
			for _, r := range u.Receivers {
				check("ReceiverType", r.Type, "01")
			}
		}
	}
}

func (m *mapper) judgeLengths(d *Document) {
	m.long("CodeNumber", d.Code.Number, 50)
	m.long("CodeNotation", d.Code.Notation, 50)
	m.long("Place", d.Place, 50)
	m.long("TypeName", d.Type.Name, 100)
	m.long("Subject", d.Subject, 500)
	m.long("Content", d.Content, 500)
	m.long("Competence", d.Signer.Competence, 100)
	m.long("Position", d.Signer.Position, 100)
	m.long("FullName", d.Signer.FullName, 50)
	m.long("SphereOfPromulgation", d.Other.Sphere, 100)
	m.long("TyperNotation", d.Other.Typist, 10)
	m.long("DocumentId", d.ID, 200)
}
