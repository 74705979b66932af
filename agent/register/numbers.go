package register

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Number writes the number of a document: below 10 with a leading zero.
func Number(n int) string { return fmt.Sprintf("%02d", n) }

// Code joins number and notation, as in 05/QĐ-UBND.
func Code(n int, notation string) string { return Number(n) + "/" + notation }

// SplitCode parts a code at its first slash. The number may be anything that
// an office writes there; without a slash there is no notation.
func SplitCode(code string) (number, notation string) {
	number, notation, _ = strings.Cut(strings.TrimSpace(code), "/")
	return strings.TrimSpace(number), strings.TrimSpace(notation)
}

// SameCode reports whether two codes are one, however they were typed: case,
// spaces and the form of the accents do not matter.
func SameCode(a, b string) bool { return foldCode(a) == foldCode(b) }

// CodeKey is a code in the form in which [SameCode] compares it, to be kept and
// looked up.
func CodeKey(code string) string { return foldCode(code) }

func foldCode(code string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return -1
		}
		return unicode.ToUpper(r)
	}, norm.NFC.String(code))
}

// Notation joins the groups of a notation, as in QĐ-UBND or UBND-VX. An empty
// group is left out: an official letter has no abbreviation of its type.
func Notation(groups ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return g == "" }), "-")
}

// dayMonth writes "05 tháng 01": days below 10 and the months 1 and 2 have a
// leading zero, as documents write them.
func dayMonth(t time.Time) string {
	month := fmt.Sprint(int(t.Month()))
	if t.Month() <= time.February {
		month = "0" + month
	}
	return fmt.Sprintf("ngày %02d tháng %s", t.Day(), month)
}

// DateLine writes the date of a document: ngày 05 tháng 01 năm 2026. With a
// place it goes before, as in "Mỹ Hạnh, ngày 29 tháng 6 năm 2026".
func DateLine(place string, t time.Time) string {
	line := fmt.Sprintf("%s năm %d", dayMonth(t), t.Year())
	if place != "" {
		line = place + ", " + line
	}
	return line
}

// Day writes a date for a column: 05/01/2026. The zero time is empty.
func Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("02/01/2006")
}

// Range is the numbers First to Last, both included.
type Range struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// String writes the range as a person reads it: 07, or 07–09.
func (r Range) String() string {
	if r.First == r.Last {
		return Number(r.First)
	}
	return Number(r.First) + "–" + Number(r.Last)
}

// Ranges joins ranges as a person reads them: 07–09, 12.
func Ranges(list []Range) string {
	var parts []string
	for _, r := range list {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", ")
}

// Gaps lists the numbers that are missing between 1 and the highest of a
// series, in order. Numbers may come in any order and more than once; those
// below 1 do not count.
func Gaps(numbers []int) []Range {
	sorted := slices.Sorted(slices.Values(numbers))
	var gaps []Range
	next := 1
	for _, n := range sorted {
		if n > next {
			gaps = append(gaps, Range{next, n - 1})
		}
		next = max(next, n+1)
	}
	return gaps
}

// Direction says whether a document goes out or came in.
type Direction string

// The two directions.
const (
	Out Direction = "out"
	In  Direction = "in"
)

// Series names a series of numbers. Each runs from 01 on 1 January to 31
// December. Two documents with the same Series share it.
type Series struct {
	Direction Direction
	Year      int
	Group     string // "" for the common series of the office
}

// Groups of series that the decree keeps apart from the common one.
const (
	groupCopies = "copies" // SY, SL and TrS together
	groupType   = "type:"  // then the abbreviation
	groupBody   = "body:"  // then the body that uses the office's seal
)

// Numbered is what of an outgoing document decides its series.
type Numbered struct {
	Type  string // abbreviation of the type, such as QĐ; "" for an official letter
	Legal bool   // văn bản quy phạm pháp luật: each type has a series of its own
	Body  string // council or board that uses the office's seal; "" for the office itself
}

// copyTypes are the forms of copies, which share one series.
var copyTypes = []string{"SY", "SL", "TrS"}

// OutgoingSeries says which series an outgoing document takes its number from.
// perType is the head's decision on administrative documents: one series for
// each type, or one for all.
func OutgoingSeries(year int, d Numbered, perType bool) Series {
	s := Series{Direction: Out, Year: year}
	typ := foldCode(d.Type)
	isCopy := slices.ContainsFunc(copyTypes, func(c string) bool { return foldCode(c) == typ })
	var groups []string
	if d.Body != "" {
		groups = append(groups, groupBody+foldCode(d.Body))
	}
	switch {
	case isCopy:
		groups = append(groups, groupCopies)
	case d.Legal:
		groups = append(groups, "legal-"+groupType+typ)
	case perType:
		groups = append(groups, groupType+typ)
	}
	s.Group = strings.Join(groups, "/")
	return s
}

// IncomingSeries is the one series of numbers of arrival of a year.
func IncomingSeries(year int) Series { return Series{Direction: In, Year: year} }
