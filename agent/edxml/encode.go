package edxml

import (
	"bytes"
	"encoding/xml"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// EncodeDocument writes d. It refuses, with the code "edxml.incomplete" or
// "edxml.value" and the element as argument, a document that lacks an element
// which the national samples all carry or holds a value outside its list.
// Nothing is written then.
func EncodeDocument(w io.Writer, d *Document) error {
	if err := checkDocument(d); err != nil {
		return err
	}
	p := newPrinter()
	p.open("MessageHeader")
	p.organ("From", d.From, false)
	for _, o := range d.To {
		p.organ("To", o, false)
	}
	p.text("DocumentId", d.ID)
	p.open("Code")
	p.text("CodeNumber", d.Code.Number)
	p.text("CodeNotation", d.Code.Notation)
	p.close("Code")
	p.open("PromulgationInfo")
	p.text("Place", d.Place)
	p.text("PromulgationDate", d.Date.String())
	p.close("PromulgationInfo")
	p.open("DocumentType")
	p.text("Type", d.Type.Number)
	p.optional("TypeDetail", d.Type.Detail)
	p.text("TypeName", d.Type.Name)
	p.close("DocumentType")
	p.text("Subject", d.Subject)
	p.text("Content", d.Content)
	p.open("SignerInfo")
	p.optional("Competence", d.Signer.Competence)
	p.optional("Position", d.Signer.Position)
	p.text("FullName", d.Signer.FullName)
	p.close("SignerInfo")
	p.optional("DueDate", d.Due.String())
	p.other(d.Other)
	for _, r := range d.ResponseFor {
		p.responseFor(r)
	}
	p.text("SteeringType", d.SteeringType)
	p.list("ResponseForTask", "TaskCode", d.TaskCodes)
	p.optional("ApplicationType", d.ApplicationType)
	p.list("ToPlaces", "Place", d.ToPlaces)
	p.close("MessageHeader")
	p.trace(d.Trace, d.Business)
	p.close("edXMLHeader")
	p.manifest(d.Manifest)
	return p.finish(w)
}

// EncodeStatus writes s, under the same rules as [EncodeDocument].
func EncodeStatus(w io.Writer, s *Status) error {
	if err := checkStatus(s); err != nil {
		return err
	}
	p := newPrinter()
	p.open("MessageHeader")
	p.organ("From", s.From, true)
	p.responseFor(s.ResponseFor)
	p.open("StaffInfo")
	p.optional("Department", s.Staff.Department)
	p.optional("Staff", s.Staff.Name)
	p.optional("Mobile", s.Staff.Mobile)
	p.optional("Email", s.Staff.Email)
	p.close("StaffInfo")
	p.text("StatusCode", string(s.Code))
	p.optional("Description", s.Description)
	p.text("Timestamp", formatTime(s.Time))
	p.close("MessageHeader")
	p.close("edXMLHeader")
	return p.finish(w)
}

func formatTime(t time.Time) string { return t.In(Vietnam).Format(timeLayout) }

// printer writes the two namespace forms of the samples: the root binds the
// default namespace, the envelope binds the prefix edXML to the same URI.
// encoding/xml cannot emit that.
type printer struct {
	buf   bytes.Buffer
	depth int
	bad   string // element whose text XML cannot carry
}

func newPrinter() *printer {
	p := &printer{depth: 2}
	p.buf.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<edXML xmlns="` + Namespace + `">` + "\n" +
		`  <edXML:edXMLEnvelope xmlns:edXML="` + Namespace + `">` + "\n")
	p.open("edXMLHeader")
	return p
}

func (p *printer) finish(w io.Writer) error {
	if p.bad != "" {
		return problem.New(problem.Usage, "edxml.character", p.bad, i18n.Args{"element": p.bad})
	}
	p.buf.WriteString("  </edXML:edXMLEnvelope>\n</edXML>\n")
	if p.buf.Len() > MaxMessage {
		return errTooLarge()
	}
	_, err := w.Write(p.buf.Bytes())
	return err
}

func (p *printer) indent() {
	for range p.depth {
		p.buf.WriteString("  ")
	}
}

func (p *printer) open(name string) { p.openWith(name, "") }

func (p *printer) openWith(name, attributes string) {
	p.indent()
	p.buf.WriteString("<edXML:" + name + attributes + ">\n")
	p.depth++
}

func (p *printer) close(name string) {
	p.depth--
	p.indent()
	p.buf.WriteString("</edXML:" + name + ">\n")
}

func (p *printer) text(name, value string) {
	if !writable(value) && p.bad == "" {
		p.bad = name
	}
	p.indent()
	p.buf.WriteString("<edXML:" + name + ">")
	_ = xml.EscapeText(&p.buf, []byte(value)) // a bytes.Buffer takes everything
	p.buf.WriteString("</edXML:" + name + ">\n")
}

// optional leaves out what is empty, also when it says so by "null" or "N/A".
func (p *printer) optional(name, value string) {
	if value != "" && !isMarker(value) {
		p.text(name, value)
	}
}

func (p *printer) list(outer, inner string, values []string) {
	if !slices.ContainsFunc(values, func(v string) bool { return v != "" && !isMarker(v) }) {
		return
	}
	p.open(outer)
	for _, v := range values {
		p.optional(inner, v)
	}
	p.close(outer)
}

// organ writes an office. Status messages put the name before the unit in
// charge.
func (p *printer) organ(element string, o Organ, status bool) {
	p.open(element)
	p.text("OrganId", o.ID)
	if status {
		p.optional("OrganName", o.Name)
		p.optional("OrganizationInCharge", o.InCharge)
	} else {
		p.optional("OrganizationInCharge", o.InCharge)
		p.optional("OrganName", o.Name)
	}
	p.optional("OrganAdd", o.Address)
	p.optional("Email", o.Email)
	p.optional("Telephone", o.Telephone)
	p.optional("Fax", o.Fax)
	p.optional("Website", o.Website)
	p.close(element)
}

func (p *printer) other(o Other) {
	p.open("OtherInfo")
	p.text("Priority", o.Priority)
	p.text("SphereOfPromulgation", o.Sphere)
	p.text("TyperNotation", o.Typist)
	p.text("PromulgationAmount", o.Amount)
	p.text("PageAmount", o.Pages)
	p.text("Direction", o.Direction)
	p.list("Appendixes", "Appendix", o.Appendixes)
	p.optional("ReplyFors", o.ReplyFors)
	p.optional("ReferenceCodes", o.ReferenceCodes)
	p.close("OtherInfo")
}

func (p *printer) responseFor(r ResponseFor) {
	p.open("ResponseFor")
	p.optional("OrganId", r.OrganID)
	p.optional("Code", r.Code)
	p.optional("PromulgationDate", r.Date.String())
	p.optional("DocumentId", r.DocumentID)
	p.close("ResponseFor")
}

func (p *printer) trace(stations []Trace, b *Business) {
	p.open("TraceHeaderList")
	for _, t := range stations {
		p.open("TraceHeader")
		p.optional("OrganId", t.OrganID)
		p.text("Timestamp", formatTime(t.Time))
		p.close("TraceHeader")
	}
	if b != nil {
		p.business(b)
	}
	p.close("TraceHeaderList")
}

func (p *printer) business(b *Business) {
	p.open("Bussiness")
	p.optional("DocumentId", b.DocumentID)
	p.text("BussinessDocType", string(b.Operation))
	p.optional("BussinessDocReason", b.Reason)
	p.text("Paper", b.Paper)
	if u := b.Update; u != nil {
		p.open("BussinessDocumentInfo")
		p.text("DocumentInfo", u.Content)
		p.text("DocumentReceiver", u.Recipients)
		if len(u.Receivers) > 0 {
			p.open("ReceiverList")
			for _, r := range u.Receivers {
				p.open("Receiver")
				p.text("OrganId", r.OrganID)
				p.text("ReceiverType", r.Type)
				p.close("Receiver")
			}
			p.close("ReceiverList")
		}
		p.close("BussinessDocumentInfo")
	}
	if len(b.Replacements) > 0 {
		p.open("ReplacementInfoList")
		for _, r := range b.Replacements {
			p.open("ReplacementInfo")
			p.text("DocumentId", r.DocumentID)
			p.list("OrganIdList", "OrganId", r.OrganIDs)
			p.close("ReplacementInfo")
		}
		p.close("ReplacementInfoList")
	}
	if s := b.Staff; s != nil {
		p.open("StaffInfo")
		p.optional("Department", s.Department)
		p.optional("Staff", s.Name)
		p.optional("Email", s.Email)
		p.optional("Mobile", s.Mobile)
		p.close("StaffInfo")
	}
	p.close("Bussiness")
}

func (p *printer) manifest(refs []Reference) {
	p.open("edXMLBody")
	p.openWith("edXMLManifest", ` version="1.0"`)
	for _, r := range refs {
		p.open("Reference")
		p.text("ContentId", "cid:"+r.ContentID)
		p.text("ContentType", r.ContentType)
		p.optional("Description", r.Description)
		p.text("AttachmentName", r.Name)
		p.close("Reference")
	}
	p.close("edXMLManifest")
	p.close("edXMLBody")
}

// writable reports whether XML 1.0 can carry s.
func writable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF:
			return false
		}
	}
	return true
}
