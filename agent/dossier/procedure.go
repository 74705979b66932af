package dossier

import (
	"strings"
	"time"
	"unicode/utf8"

	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/typeset"
	"tram/agent/workdays"
)

// Bounds of a procedure, and of texts in dossiers.
const (
	MaxPapers = 64
	MaxFees   = 32
	MaxName   = 500  // characters of names and titles
	MaxText   = 4000 // characters of reasons, guidance and results
)

// Procedure is one version of an administrative procedure (thủ tục hành chính). A
// dossier keeps the version under which it was filed: no later one changes its
// papers, fees or time limit.
type Procedure struct {
	Code    code.Procedure `json:"code"`
	Version int            `json:"version"` // counts up from 1
	Name    string         `json:"name"`
	Field   Field          `json:"field"`
	// From and Until are the first and the last day on which dossiers are taken under
	// this version, yyyy-mm-dd in Vietnam; Until is "" while no end is known.
	From   string        `json:"from"`
	Until  string        `json:"until,omitempty"`
	Papers []Paper       `json:"papers"`
	Limit  workdays.Rule `json:"limit"`
	Fees   []Fee         `json:"fees"`
	// PaymentStops says that waiting for a payment stops the clock, as waiting for
	// missing papers always does.
	PaymentStops bool     `json:"payment_stops,omitempty"`
	Results      []string `json:"results"` // names of what the applicant gets
	Legal        string   `json:"legal"`   // decision that announced it
}

// Field is a lĩnh vực.
type Field struct {
	Code code.Field `json:"code"`
	Name string     `json:"name"`
}

// PaperKind says in which form a paper is handed in.
type PaperKind string

// The kinds.
const (
	Original  PaperKind = "original"  // bản chính
	Copy      PaperKind = "copy"      // bản sao
	Certified PaperKind = "certified" // bản sao chứng thực
	Digital   PaperKind = "digital"   // bản điện tử
)

// Paper is one component of a dossier (thành phần hồ sơ).
type Paper struct {
	Code     string    `json:"code,omitempty"` // mã thành phần hồ sơ
	Name     string    `json:"name"`
	Kind     PaperKind `json:"kind"`
	Copies   int       `json:"copies"`
	Required bool      `json:"required"`
}

// Fee is a charge (phí, lệ phí).
type Fee struct {
	Code   string `json:"code,omitempty"`
	Name   string `json:"name"`
	Amount int64  `json:"amount"` // đồng
	State  bool   `json:"state"`  // a lệ phí; otherwise a phí
}

// InForce tells whether dossiers are taken under this version on a day, yyyy-mm-dd.
func (p Procedure) InForce(day string) bool {
	return p.From <= day && (p.Until == "" || day <= p.Until)
}

// Check judges a procedure; its errors are a problem.List.
func (p Procedure) Check() error {
	var f faults
	if p.Code == (code.Procedure{}) {
		f.add("dossier.empty", "code", nil)
	}
	if p.Version < 1 {
		f.add("dossier.procedure-version", "version", nil)
	}
	f.name("name", p.Name)
	f.day("from", p.From, true)
	f.day("until", p.Until, false)
	if p.Until != "" && p.Until < p.From {
		f.add("dossier.procedure-days", "until", nil)
	}
	if len(p.Papers) > MaxPapers || len(p.Fees) > MaxFees || len(p.Results) > MaxFees {
		f.add("dossier.procedure-many", "papers", i18n.Args{"papers": MaxPapers, "fees": MaxFees})
		return f.list.Err()
	}
	for _, x := range p.Papers {
		f.name("papers", x.Name)
		if x.Copies < 0 || x.Copies > 99 || !x.Kind.known() {
			f.add("dossier.procedure-paper", "papers", i18n.Args{"name": x.Name})
		}
	}
	for _, x := range p.Fees {
		f.name("fees", x.Name)
		if x.Amount < 0 || x.Amount > maxAmount {
			f.add("dossier.procedure-fee", "fees", i18n.Args{"name": x.Name})
		}
	}
	if err := p.Limit.Check(); err != nil {
		f.err(err)
	}
	return f.list.Err()
}

// maxAmount is more than any fee: ten billion đồng.
const maxAmount = 10_000_000_000

func (k PaperKind) known() bool {
	switch k {
	case Original, Copy, Certified, Digital:
		return true
	}
	return false
}

// faults collects what is wrong with an input.
type faults struct{ list problem.List }

func (f *faults) add(code, field string, args i18n.Args) {
	f.list = append(f.list, problem.New(problem.Usage, code, field, args))
}

// err takes an error over; one that is no problem stays what it is.
func (f *faults) err(err error) { f.list.Note(err) }

// name checks a needed text of one line and returns it as it is stored.
func (f *faults) name(field, s string) string {
	s = line(s)
	switch {
	case s == "":
		f.add("dossier.empty", field, nil)
	case utf8.RuneCountInString(s) > MaxName:
		f.add("dossier.long", field, i18n.Args{"limit": MaxName})
	}
	return s
}

// text checks a text of several lines; need says that it may not be empty.
func (f *faults) text(field, s string, need bool) string {
	s = typeset.Clean(s)
	switch {
	case s == "" && need:
		f.add("dossier.empty", field, nil)
	case utf8.RuneCountInString(s) > MaxText:
		f.add("dossier.long", field, i18n.Args{"limit": MaxText})
	}
	return s
}

// short checks a text of one line that may be empty.
func (f *faults) short(field, s string) string {
	s = line(s)
	if utf8.RuneCountInString(s) > MaxName {
		f.add("dossier.long", field, i18n.Args{"limit": MaxName})
	}
	return s
}

func (f *faults) day(field, s string, need bool) {
	if s == "" && !need {
		return
	}
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		f.add("dossier.day", field, i18n.Args{"value": s})
	}
}

// line is a text as it is stored that has one line.
func line(s string) string { return strings.Join(strings.Fields(typeset.Clean(s)), " ") }
