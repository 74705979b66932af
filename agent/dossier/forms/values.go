package forms

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/i18n"
	"tram/agent/workdays"
)

// values are what the texts of a template may name.
type values struct {
	Sheet
	date   time.Time
	text   map[string]string
	tables map[string][]map[string]string
}

func (s Sheet) values() (*values, error) {
	at, date, err := s.event()
	if err != nil {
		return nil, err
	}
	if s.Heading.Desk == "" {
		s.Heading.Desk = law.Desk
	}
	v := &values{Sheet: s, date: date, text: dossierValues(s.Dossier, s.Heading)}
	v.text["lookup"] = s.Lookup
	v.tables = map[string][]map[string]string{"papers": papers(s.Dossier), "fees": fees(s.Dossier)}
	if s.Form == Control {
		v.tables["steps"] = steps(s.Dossier, s.Heading.Desk, s.Steps)
		return v, nil
	}
	v.occasion(at)
	return v, nil
}

// dossierValues are the values of a dossier whatever form it is for.
func dossierValues(d dossier.Dossier, h Heading) map[string]string {
	a := d.Applicant
	handed := a.Name
	if a.Agent != "" {
		handed = a.Agent
	}
	v := map[string]string{
		"code": d.Code.String(), "office": h.Office, "owner": d.OwnerName, "desk-of": h.Desk + ", " + h.Office,
		"applicant": a.Name, "number": a.Number, "address": a.Address, "phone": a.Phone, "email": a.Email, "agent": a.Agent, "handed-by": handed,
		"procedure": d.Procedure.Name + " (" + d.Procedure.Code.String() + ")", "procedure-name": d.Procedure.Name, "subject": d.Subject,
		"sets": fmt.Sprintf("%02d (bộ)", d.Sets), "sets-number": strconv.Itoa(d.Sets), "limit": limit(d.Procedure.Limit),
		"accepted": clockText(d.Accepted), "first-due": clockText(d.FirstDue), "due": clockText(d.Due), "due-changed": "",
		"way":        word("way."+string(d.Way), "desk", h.Desk, "office", h.Office, "address", a.Address),
		"fees-total": feesTotal(d), "volume": year(d.Accepted), "book": "", "unsure": "",
		"outcome": outcome(d.Outcome()),
	}
	if !d.Due.Equal(d.FirstDue) {
		v["due-changed"] = "1"
	}
	if d.Book > 0 {
		v["book"] = strconv.Itoa(d.Book)
	}
	return v
}

// occasion adds what the event says that the form is about.
func (v *values) occasion(at int) {
	e := v.Dossier.Events[at]
	before, _ := dossier.Fold(v.Dossier.Events[:at], v.Dossier.Procedure.PaymentStops) // they happened: the store took them
	more := map[string]string{
		"at": clockText(e.At), "by": e.By, "text": e.Text, "legal": e.Legal, "due-new": clockText(e.Due), "due-before": clockText(before.Due), "due-moved": "",
		"stage": before.Status.Text(i18n.Vietnamese), "kind": word(string(e.Kind)), "request": "",
	}
	if !before.Due.Equal(before.FirstDue) {
		more["due-moved"] = "1"
	}
	if e.Unsure {
		more["unsure"] = "1"
	}
	if e.Kind == dossier.Withdrawn {
		for _, asked := range v.Dossier.Events[:at] {
			if asked.Kind == dossier.WithdrawalAsked {
				more["request"] = asked.Text
			}
		}
	}
	for k, text := range more {
		v.text[k] = text
	}
}

func papers(d dossier.Dossier) (rows []map[string]string) {
	for _, p := range d.Papers {
		if p.Copies > 0 {
			rows = append(rows, map[string]string{"no": strconv.Itoa(len(rows) + 1), "name": p.Paper.Name, "kind": word(string(p.Paper.Kind)), "copies": fmt.Sprintf("%02d", p.Copies)})
		}
	}
	return rows
}

func fees(d dossier.Dossier) (rows []map[string]string) {
	for i, c := range d.Charges {
		rows = append(rows, map[string]string{"no": strconv.Itoa(i + 1), "name": c.Fee.Name, "amount": money(c.Fee.Amount), "receipt": paid(c)})
	}
	return rows
}

func paid(c dossier.Charge) string {
	switch {
	case c.Paid.IsZero():
		return word("unpaid")
	case c.Receipt == "":
		return word("paid-bare")
	case c.Online:
		return word("paid-online", "receipt", c.Receipt)
	}
	return word("paid", "receipt", c.Receipt)
}

func feesTotal(d dossier.Dossier) string {
	sum := int64(0)
	for _, c := range d.Charges {
		sum += c.Fee.Amount
	}
	if len(d.Charges) == 0 {
		return word("no-fees")
	}
	return money(sum)
}

// money writes đồng with points between the thousands.
func money(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var groups []string
	for len(digits) > 3 {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	groups = append(groups, digits)
	slices.Reverse(groups)
	return word("dong", "amount", strings.Join(groups, "."))
}

func limit(r workdays.Rule) string {
	text := word(string(r.Unit), "n", fmt.Sprintf("%02d", r.N))
	if r.Extra > 0 {
		text += word("extra", "n", fmt.Sprintf("%02d", r.Extra))
	}
	return text
}

func outcome(o dossier.Outcome) string { return word(string(o)) }

// clockText is a time as the forms write it: 09 giờ 15 phút, ngày …
func clockText(t time.Time) string { return timeText("clock", t) }

// shortText is a time in a table.
func shortText(t time.Time) string { return timeText("short", t) }

func timeText(form string, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	t = t.In(clock.Vietnam)
	return word(form, "hour", t.Format("15"), "minute", t.Format("04"), "day", t.Format("02"), "month", t.Format("01"), "year", t.Format("2006"))
}

func year(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(clock.Vietnam).Format("2006")
}
