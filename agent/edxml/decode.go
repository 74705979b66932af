package edxml

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Decode reads one message. The error is a *problem.Problem of the area
// "edxml." that says why nothing can be filed, or the error of r. Text is
// returned in NFC and trimmed, identifiers as received.
func Decode(r io.Reader) (Message, []Warning, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read edXML: %w", err)
	}
	if len(data) > MaxMessage {
		return nil, nil, errTooLarge()
	}
	data = bytes.TrimPrefix(data, []byte("\xEF\xBB\xBF"))
	root, err := parse(data)
	if err != nil {
		return nil, nil, err
	}
	if err := checkDialect(root); err != nil {
		return nil, nil, err
	}
	m := &mapper{data: data}
	msg, err := m.message(root)
	if err != nil {
		return nil, nil, err
	}
	m.unread(root, "")
	return msg, m.warnings, nil
}

// checkDialect recognises the dialects that are no longer or never were
// current, so that the operator learns which one it is.
func checkDialect(root *node) error {
	refuse := func(code string) error { return errDialect(code, root.name.Local, root.name.Space) }
	if root.is("edXML") {
		return nil
	}
	for _, other := range otherDialects {
		if usesNamespace(root, other.namespace) {
			return refuse(other.code)
		}
	}
	if root.name.Local == "edXMLEnvelope" {
		return refuse("edxml.security-report")
	}
	return refuse("edxml.wrong-root")
}

// otherDialects are known by the namespace that they use.
var otherDialects = []struct{ namespace, code string }{
	{"http://www.e-doc.vn/Schema", "edxml.old-dialect"},
	{"http://www.go.vn/eDoc", "edxml.wrong-variant"},
}

// usesNamespace looks at the root, its attributes and the first two levels
// below: the old generation wraps its message in a SOAP envelope.
func usesNamespace(n *node, prefix string) bool {
	return namespaceWithin(n, prefix, 2)
}

func namespaceWithin(n *node, prefix string, levels int) bool {
	if strings.HasPrefix(n.name.Space, prefix) {
		return true
	}
	for _, a := range n.attrs {
		if strings.HasPrefix(a.Value, prefix) {
			return true
		}
	}
	for _, c := range n.children {
		if levels > 0 && namespaceWithin(c, prefix, levels-1) {
			return true
		}
	}
	return false
}

// mapper turns the tree into values and collects warnings.
type mapper struct {
	data     []byte
	warnings []Warning
	full     bool     // contents travel in the message itself
	office   []string // codes of the reading office, nil: not judged
	attached []*node  // the Attachment elements, as in Document.Embedded
}

func (m *mapper) message(root *node) (Message, error) {
	root.seen = true
	envelope := root.child("edXMLEnvelope")
	header := envelope.child("edXMLHeader")
	msg := header.child("MessageHeader")
	if msg == nil {
		return nil, lacks("MessageHeader")
	}
	if len(msg.all("StatusCode")) > 0 {
		return m.status(msg)
	}
	return m.document(root, envelope, header, msg)
}

func lacks(element string) error {
	return problem.New(problem.Usage, "edxml.lacks", element, i18n.Args{"element": element})
}

// id reads an identifier as received; text reads words, in NFC. Both treat the
// markers "null" and "N/A" as absent and warn of them, and of an element that
// stands twice.
func (m *mapper) id(n *node, names ...string) string {
	if n == nil {
		return ""
	}
	all := n.all(names...)
	if len(all) == 0 {
		return ""
	}
	if len(all) > 1 {
		m.warn(WarnRepeated, names[0], "")
	}
	all[0].seen = true
	return m.value(all[0])
}

func (m *mapper) text(n *node, names ...string) string {
	return norm.NFC.String(m.id(n, names...))
}

func (m *mapper) value(n *node) string {
	if isMarker(n.text) {
		m.warn(WarnMarker, n.name.Local, n.text)
		return ""
	}
	return n.text
}

func (m *mapper) date(n *node, names ...string) Date {
	s := m.id(n, names...)
	d, ok := ParseDate(s)
	if !ok {
		m.warn(WarnDate, names[0], s)
	}
	return d
}

// list reads the texts of repeated children.
func (m *mapper) list(n *node, names ...string) []string {
	var out []string
	for _, c := range n.all(names...) {
		c.seen = true
		if v := m.value(c); v != "" {
			out = append(out, norm.NFC.String(v))
		}
	}
	return out
}

func (m *mapper) organ(n *node) Organ {
	if n == nil {
		return Organ{}
	}
	n.seen = true
	o := Organ{
		ID: m.id(n, "OrganId"), InCharge: m.text(n, "OrganizationInCharge"), Name: m.text(n, "OrganName"),
		Address: m.text(n, "OrganAdd"), Email: m.text(n, "Email"), Telephone: m.text(n, "Telephone"),
		Fax: m.text(n, "Fax"), Website: m.text(n, "Website"),
	}
	if o.ID != "" && !plausibleOrgan(o.ID) {
		m.warn(WarnOrgan, "OrganId", o.ID)
	}
	m.long("OrganName", o.Name, 200)
	m.long("OrganAdd", o.Address, 250)
	m.long("Email", o.Email, 100)
	m.long("Website", o.Website, 100)
	return o
}

func (m *mapper) responseFor(n *node) ResponseFor {
	n.seen = true
	r := ResponseFor{
		OrganID: m.id(n, "OrganId"), Code: m.text(n, "Code"),
		Date: m.date(n, "PromulgationDate"), DocumentID: m.id(n, "DocumentId"),
	}
	if code := n.child("Code"); r.Code == "" && code != nil && len(code.children) > 0 {
		r.Code = Code{m.text(code, "CodeNumber"), m.text(code, "CodeNotation")}.String()
	}
	return r
}

func (m *mapper) staff(n *node) *Staff {
	if n == nil {
		return nil
	}
	for _, extra := range n.all("DepartmentId", "StaffId") {
		extra.seen = true
	}
	return &Staff{
		Department: m.text(n, "Department"), Name: m.text(n, "Staff"),
		Mobile: m.text(n, "Mobile"), Email: m.text(n, "Email"),
	}
}

func (m *mapper) status(n *node) (*Status, error) {
	s := &Status{
		From: m.organ(n.child("From")), Code: StatusCode(m.id(n, "StatusCode")),
		Description: m.text(n, "Description"),
	}
	if r := n.child("ResponseFor"); r != nil {
		s.ResponseFor = m.responseFor(r)
	}
	if staff := m.staff(n.child("StaffInfo")); staff != nil {
		s.Staff = *staff
	}
	stamp := m.id(n, "Timestamp")
	var ok bool
	if s.Time, ok = parseTime(stamp); !ok {
		m.warn(WarnDate, "Timestamp", stamp)
	}
	switch {
	case s.From.ID == "":
		return nil, lacks("From/OrganId")
	case s.Code == "":
		return nil, lacks("StatusCode")
	case s.ResponseFor.DocumentID == "" && s.ResponseFor.Code == "":
		return nil, lacks("ResponseFor/DocumentId")
	}
	if !s.Code.Known() {
		m.warn(WarnCode, "StatusCode", string(s.Code))
	}
	if !s.Time.IsZero() && !s.ResponseFor.Date.IsZero() && DateOf(s.Time).Day.Before(s.ResponseFor.Date.Day) {
		m.warn(WarnOrder, "Timestamp", stamp)
	}
	return s, nil
}
