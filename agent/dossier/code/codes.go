package code

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Bounds of codes.
const (
	// MaxDossier is the longest dossier code, in bytes.
	MaxDossier = 64
	// MaxNumber is the highest number that a day's sequence can reach.
	MaxNumber = 999_999
	// leastDigits is how many digits a number is written with.
	leastDigits = 4
	// century is where the two-digit years of dossier codes lie.
	century = 2000
	// maxShown bounds what a problem shows of a code, in runes.
	maxShown = 80
)

// Form is a grammar of the agency code within a dossier code. An office sets
// which of the two it writes; both are read.
type Form string

// The forms.
const (
	Old Form = "old" // 000.00.04.H40-230414-0002
	New Form = "new" // H40.12-230414-0002
)

// Dossier is a dossier code (mã hồ sơ): the agency that received it, the day,
// and the number within that day. The zero Dossier is none.
type Dossier struct {
	Agency string    // as written
	Day    time.Time // midnight UTC
	Number int       // from 1

	digits int // that the number was written with, 0 for the usual ones
}

var dossier = regexp.MustCompile(`^(.+)-(\d{6})-(\d{4,6})$`)

// ParseDossier reads a dossier code with an agency code of either form.
func ParseDossier(s string) (Dossier, error) {
	s = strings.TrimSpace(s)
	m := dossier.FindStringSubmatch(s)
	if m == nil || len(s) > MaxDossier {
		return Dossier{}, fault("form", "dossier", s)
	}
	if edxml.FormOf(m[1]) == edxml.OrganOdd {
		return Dossier{}, problem.New(problem.Usage, "dossier-code.agency", "dossier", i18n.Args{"code": shown(s), "agency": shown(m[1])})
	}
	// Two digits of a year would be read as 1969 to 2068.
	day, err := time.Parse("20060102", strconv.Itoa(century/100)+m[2])
	if err != nil {
		return Dossier{}, problem.New(problem.Usage, "dossier-code.day", "dossier", i18n.Args{"code": shown(s), "day": m[2]}).Because(err)
	}
	n, err := strconv.Atoi(m[3])
	if err != nil || n < 1 {
		return Dossier{}, problem.New(problem.Usage, "dossier-code.number", "dossier", i18n.Args{"number": m[3], "most": strconv.Itoa(MaxNumber)})
	}
	return Dossier{Agency: m[1], Day: day, Number: n, digits: len(m[3])}, nil
}

// NewDossier makes the code with that number of an agency's day. The agency
// code must have the form that the office has set. Of day only the date counts.
func NewDossier(form Form, agency string, day time.Time, number int) (Dossier, error) {
	agency = strings.TrimSpace(agency)
	want := map[Form]edxml.OrganForm{Old: edxml.OrganOld, New: edxml.OrganNew}[form]
	if want == edxml.OrganOdd || edxml.FormOf(agency) != want {
		return Dossier{}, problem.New(problem.Usage, "dossier-code.agency-form", "agency", i18n.Args{"agency": shown(agency), "form": string(form)})
	}
	y, m, d := day.Date()
	switch {
	case y < century || y >= century+100:
		return Dossier{}, problem.New(problem.Usage, "dossier-code.year", "day", i18n.Args{"year": y, "least": century, "most": century + 99})
	case number < 1 || number > MaxNumber:
		return Dossier{}, problem.New(problem.Usage, "dossier-code.number", "number", i18n.Args{"number": strconv.Itoa(number), "most": strconv.Itoa(MaxNumber)})
	}
	return Dossier{Agency: agency, Day: time.Date(y, m, d, 0, 0, 0, 0, time.UTC), Number: number}, nil
}

// String writes the code, "" for none.
func (d Dossier) String() string {
	if d.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s-%s-%0*d", d.Agency, d.Day.Format("060102"), max(d.digits, leastDigits), d.Number)
}

// IsZero reports whether there is no code.
func (d Dossier) IsZero() bool { return d.Agency == "" }

// Key is the code in the one spelling that codes are compared in.
func (d Dossier) Key() string { return strings.ToUpper(d.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (d Dossier) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]; nothing is no code.
func (d *Dossier) UnmarshalText(text []byte) (err error) {
	*d = Dossier{}
	if len(text) > 0 {
		*d, err = ParseDossier(string(text))
	}
	return err
}

// Procedure is the code of an administrative procedure (mã TTHC), such as
// 1.000656, sometimes with the agency that has set it, in the old form.
type Procedure struct {
	Number string // 1.000656
	Agency string // 000.00.00.H29, "" for none
}

var procedure = regexp.MustCompile(`^(\d\.\d{6})(?:\.(.+))?$`)

// ParseProcedure reads a procedure code.
func ParseProcedure(s string) (Procedure, error) {
	s = strings.TrimSpace(s)
	m := procedure.FindStringSubmatch(s)
	if m == nil || m[2] != "" && edxml.FormOf(m[2]) != edxml.OrganOld {
		return Procedure{}, fault("procedure", "procedure", s)
	}
	return Procedure{m[1], m[2]}, nil
}

// String writes the code, "" for none.
func (p Procedure) String() string {
	if p.Agency == "" {
		return p.Number
	}
	return p.Number + "." + p.Agency
}

// MarshalText implements [encoding.TextMarshaler].
func (p Procedure) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]; nothing is no code.
func (p *Procedure) UnmarshalText(text []byte) (err error) {
	if *p = (Procedure{}); len(text) > 0 {
		*p, err = ParseProcedure(string(text))
	}
	return err
}

// Field is the code of a field of administration (mã lĩnh vực), such as
// G03-GD10: the ministry or province, and its own abbreviation.
type Field struct {
	Owner string // G03
	Name  string // GD10
}

var field = regexp.MustCompile(`(?i)^([A-Z]\d{2})-([A-Z0-9]{1,16})$`)

// ParseField reads a field code.
func ParseField(s string) (Field, error) {
	s = strings.TrimSpace(s)
	m := field.FindStringSubmatch(s)
	if m == nil {
		return Field{}, fault("field", "field", s)
	}
	return Field{m[1], m[2]}, nil
}

// String writes the code, "" for none.
func (f Field) String() string {
	if f == (Field{}) {
		return ""
	}
	return f.Owner + "-" + f.Name
}

// MarshalText implements [encoding.TextMarshaler].
func (f Field) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]; nothing is no code.
func (f *Field) UnmarshalText(text []byte) (err error) {
	if *f = (Field{}); len(text) > 0 {
		*f, err = ParseField(string(text))
	}
	return err
}

// errForm is the technical cause of a code with another form.
var errForm = errors.New("the code has another form")

// fault is that a code has not the form that it must have.
func fault(kind, field, value string) error {
	return problem.New(problem.Usage, "dossier-code."+kind, field, i18n.Args{"code": shown(value)}).Because(errForm)
}

// shown is foreign text as a message may show it.
func shown(s string) string {
	runes := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	for i, r := range runes {
		if r < ' ' || r == 0x7f {
			runes[i] = ' '
		}
	}
	if len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return string(runes)
}
