package edxml

import (
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// need collects the first element that a message to be written lacks.
type need struct{ missing, bad string }

func (n *need) text(element, value string) {
	if n.missing == "" && (strings.TrimSpace(value) == "" || isMarker(value)) {
		n.missing = element
	}
}

func (n *need) that(element string, ok bool) {
	if n.bad == "" && !ok {
		n.bad = element
	}
}

func (n *need) err() error {
	if n.missing != "" {
		return problem.New(problem.Usage, "edxml.incomplete", n.missing, i18n.Args{"element": n.missing})
	}
	if n.bad != "" {
		return problem.New(problem.Usage, "edxml.value", n.bad, i18n.Args{"element": n.bad})
	}
	return nil
}

func checkDocument(d *Document) error {
	var n need
	n.text("From/OrganId", d.From.ID)
	n.that("To", len(d.To) > 0)
	for _, to := range d.To {
		n.text("To/OrganId", to.ID)
	}
	n.text("DocumentId", d.ID)
	n.text("CodeNumber", d.Code.Number)
	n.text("CodeNotation", d.Code.Notation)
	n.text("PromulgationInfo/Place", d.Place)
	n.that("PromulgationDate", isDay(d.Date))
	n.text("DocumentType/Type", d.Type.Number)
	n.text("DocumentType/TypeName", d.Type.Name)
	n.text("Subject", d.Subject)
	n.text("Content", d.Content)
	n.text("SignerInfo/FullName", d.Signer.FullName)
	n.that("DueDate", isDayOrNone(d.Due))
	n.that("Priority", len(d.Other.Priority) == 1 && strings.Contains("0123", d.Other.Priority))
	n.text("SphereOfPromulgation", d.Other.Sphere)
	n.text("TyperNotation", d.Other.Typist)
	n.text("PromulgationAmount", d.Other.Amount)
	n.text("PageAmount", d.Other.Pages)
	n.that("Direction", d.Other.Direction == "true" || d.Other.Direction == "false")
	n.text("SteeringType", d.SteeringType)
	for _, r := range d.ResponseFor {
		n.that("ResponseFor/PromulgationDate", isDayOrNone(r.Date))
	}
	n.that("TraceHeader", len(d.Trace) > 0)
	for _, t := range d.Trace {
		n.that("TraceHeader/Timestamp", isTime(t.Time))
	}
	if b := d.Business; b != nil {
		n.that("BussinessDocType", len(b.Operation) == 1 && strings.Contains("0123", string(b.Operation)))
		n.that("Paper", isFlag(b.Paper))
		if u := b.Update; u != nil {
			n.that("DocumentInfo", isFlag(u.Content))
			n.that("DocumentReceiver", isFlag(u.Recipients))
			for _, r := range u.Receivers {
				n.text("Receiver/OrganId", r.OrganID)
				n.that("ReceiverType", isFlag(r.Type))
			}
		}
		for _, r := range b.Replacements {
			n.text("ReplacementInfo/DocumentId", r.DocumentID)
		}
	}
	n.that("Reference", len(d.Manifest) > 0)
	seen := map[string]bool{}
	for _, r := range d.Manifest {
		n.text("Reference/ContentId", r.ContentID)
		n.text("Reference/ContentType", r.ContentType)
		n.text("Reference/AttachmentName", r.Name)
		n.that("Reference/ContentId", !seen[r.ContentID] && !strings.HasPrefix(r.ContentID, "cid:"))
		seen[r.ContentID] = true
	}
	return n.err()
}

func checkStatus(s *Status) error {
	var n need
	n.text("From/OrganId", s.From.ID)
	n.text("ResponseFor/OrganId", s.ResponseFor.OrganID)
	n.text("ResponseFor/DocumentId", s.ResponseFor.DocumentID)
	n.that("ResponseFor/PromulgationDate", isDayOrNone(s.ResponseFor.Date))
	n.that("StatusCode", s.Code.Known())
	switch s.Code {
	case StatusReturned, StatusTakeBack, StatusRefused:
		n.text("Description", s.Description)
	}
	n.that("Timestamp", isTime(s.Time))
	return n.err()
}

// isTime reports whether t is set and its year has the four digits that the
// format needs.
func isTime(t time.Time) bool {
	y := t.In(Vietnam).Year()
	return !t.IsZero() && y >= 1 && y <= 9999
}

// isDay reports whether d can be written as yyyy/MM/dd.
func isDay(d Date) bool { return d.Raw == "" && isTime(d.Day) }

func isDayOrNone(d Date) bool { return d == Date{} || isDay(d) }

func isFlag(s string) bool { return s == "0" || s == "1" }

// isMarker reports whether a value only says that there is none.
func isMarker(s string) bool {
	s = strings.TrimSpace(s)
	return strings.EqualFold(s, "null") || strings.EqualFold(s, "N/A")
}
