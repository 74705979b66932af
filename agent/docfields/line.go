package docfields

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tram/agent/edxml"
	"tram/agent/fold"
)

// place is what of a letterhead a line is.
type place int

const (
	other    place = iota
	nation         // the name of the state or its motto
	numbered       // Số: …
	dated          // Địa danh, ngày …
	about          // V/v …
	stamp          // of urgency, of a draft
	rule           // a drawn line
)

type line struct {
	raw    string // composed, one space between words
	folded string
	tight  string // folded, without white space: letters may stand apart
	place  place
	date   string // of the letterhead
	code   string // number, "/" and notation
	vague  bool   // has a number that is not clear
	urgent int
	kind   string // of a title
	after  string // what follows the name of the type in the same line
}

func newLine(raw string) line {
	l := line{raw: raw, folded: fold.String(raw)}
	l.tight = tighten(raw)
	l.urgent = urgencies[l.tight]
	if l.urgent != 0 && (!capitals(raw) || l.tight == "khan" && l.marked() && strings.ReplaceAll(raw, " ", "") != "KHẨN") {
		l.urgent = 0
	}
	l.kind, l.after = titleOf(raw)
	return l
}

// marked reports whether a letter has a mark of Vietnamese.
func (l line) marked() bool { return fold.String(l.raw) != strings.ToLower(l.raw) }

var urgencies = map[string]int{"khan": 1, "thuongkhan": 2, "hoatoc": 3, "hoatochengio": 3}

// tighten folds text and leaves out white space.
func tighten(s string) string { return strings.ReplaceAll(fold.String(s), " ", "") }

func capitals(s string) bool {
	return strings.ToUpper(s) == s && strings.ContainsFunc(s, unicode.IsLetter)
}

// titleOf reads a line that begins with the name of a type in capitals.
func titleOf(raw string) (kind, after string) {
	words := strings.Fields(raw)
	n := 0
	for n < len(words) && capitals(words[n]) {
		n++
	}
	for end := n; end > 0; end-- {
		name := tighten(strings.Join(words[:end], ""))
		at := slices.IndexFunc(kinds, func(k typeName) bool { return k.name == strings.TrimSuffix(name, ":") })
		if at < 0 {
			continue
		}
		if rest := words[end:]; len(rest) > 2 {
			return kinds[at].abbr, strings.Join(rest, " ")
		}
		return kinds[at].abbr, ""
	}
	return "", ""
}

type typeName struct{ name, abbr string }

// kinds are the names of the types, folded and without white space.
var kinds = func() (all []typeName) {
	for _, k := range edxml.Kinds() {
		all = append(all, typeName{tighten(k.Name), k.Abbr})
	}
	return all
}()

var (
	kindred   = regexp.MustCompile(`^(kinhgui|kinhmoi|cancu|dieu1[.:]|chuong[i1][.:]?|phan[i1]\b|[i1][.)/][^0-9])`)
	states    = regexp.MustCompile(`conghoaxahoichunghiavietnam|doclap[-–—]?tudo[-–—]?hanhphuc|dangcongsanvietnam`)
	drawn     = regexp.MustCompile(`^[-–—_=*.…\s]+$`)
	drafts    = regexp.MustCompile(`^\(?duthao(lan)?[0-9]*\)?$`)
	aboutHead = regexp.MustCompile(`^(?:[Vv]\s*/\s*[Vv]|Về\s+việc|Về\s*v\s*/\s*v)\s*:?\s*`)
	loosely   = regexp.MustCompile(`ngay[ .…0-9/]*thang[ .…0-9]*nam`)
	// inDate is a date with its digits perhaps apart.
	inDate = regexp.MustCompile(`(?i)(?:^|[\s,])(?:ng\s*[àa]\s*y)\s*(\d\s?\d?)\s*(?:(?:th\s*[áa]\s*ng)\s*(\d\s?\d?)\s*(?:n\s*[ăa]\s*m)|/\s*(\d\d?)\s*/)\s*(\d\s?\d\s?\d\s?\d)\s*\.?$`)
	// inNumber is the line of the number. The number may be blank or dots.
	inNumber = regexp.MustCompile(`^S\s?[ốỐoO]\s*:?\s*((?:\d\s?){0,6}[A-Za-z]?|[.…_\s]*)\s*/\s*(` + group + `(?:\s*[-–/]\s*` + group + `)*)(.*)$`)
	isNumber = regexp.MustCompile(`^S\s?[ốỐoO](\s*:.*|\s+[\d.…_].*)/`)
	hyphen   = regexp.MustCompile(`\s*([-–/])\s*`)
	unit     = regexp.MustCompile(`(?i)^(thành phố|tỉnh|thị xã|thị trấn|xã|phường|huyện|quận|đặc khu|tp\.?|tx\.?|tt\.?)\s*`)
)

const group = `(?:[\pL\d&.]*\pL[\pL\d&.]*|\d{4})`

// opens reports whether the text of the document begins in this line.
func (l line) opens() bool { return kindred.MatchString(l.tight) }

// look finds out what of a letterhead the line is. After a comma at the end of
// the line before, the date may stand alone.
func (l *line) look(comma bool) {
	switch {
	case drawn.MatchString(l.raw):
		l.place = rule
	case l.urgent != 0 || drafts.MatchString(l.tight):
		l.place = stamp
	case aboutHead.MatchString(l.raw):
		l.place = about
	case isNumber.MatchString(l.raw):
		l.place = numbered
		l.number()
	case states.MatchString(l.tight):
		l.place = nation
	case l.when(l.raw, comma):
		l.place = dated
	}
}

// number reads number and notation, and the date when it stands in the same line.
func (l *line) number() {
	m := inNumber.FindStringSubmatch(l.raw)
	if m == nil {
		l.vague = true
		_, rest, _ := strings.Cut(l.raw, "/")
		_, rest, _ = strings.Cut(rest, " ")
		l.when(rest, false)
		return
	}
	rest := strings.TrimSpace(m[3])
	known := rest == "" || l.when(rest, false) || states.MatchString(tighten(rest)) || aboutHead.MatchString(rest) || urgencies[tighten(rest)] != 0
	if !known {
		l.vague = true
		return
	}
	number := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (unicode.IsDigit(r) || unicode.IsLetter(r)) {
			return r
		}
		return -1
	}, m[1])
	notation := strings.ReplaceAll(hyphen.ReplaceAllString(strings.TrimRight(m[2], "."), "$1"), "–", "-")
	if !strings.ContainsFunc(notation, unicode.IsUpper) {
		l.vague = true
		return
	}
	l.code = number + "/" + notation
}

// when reads a date behind a place. It reports whether there is one, also one
// that is not filled in.
func (l *line) when(text string, comma bool) bool {
	m := inDate.FindStringSubmatchIndex(text)
	if m == nil {
		return loosely.MatchString(fold.String(text)) && named(strings.TrimSpace(cutFold(text)), comma)
	}
	before := strings.TrimSpace(text[:m[0]+leading(text[m[0]:])])
	if !named(before, comma) {
		return false
	}
	digits := func(i int) int {
		if m[2*i] < 0 {
			return 0
		}
		n, _ := strconv.Atoi(strings.ReplaceAll(text[m[2*i]:m[2*i+1]], " ", "")) // digits only
		return n
	}
	day, month, year := digits(1), digits(2)+digits(3), digits(4)
	at := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	if year >= firstYear && year <= lastYear && at.Day() == day && int(at.Month()) == month {
		l.date = fmt.Sprintf("%04d-%02d-%02d", year, month, day)
	}
	return true
}

// Years that a date may be of.
const (
	firstYear = 1945
	lastYear  = 2199
)

// leading is how much of a match belongs to what stands before it: its comma.
func leading(match string) int {
	if strings.HasPrefix(match, ",") {
		return 1
	}
	return 0
}

// cutFold is what stands before the word "ngày".
func cutFold(text string) string {
	words := strings.Fields(text)
	at := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(fold.String(w), "ngay") })
	return strings.Join(words[:max(at, 0)], " ")
}

// maxPlace is how many words the name of a place has.
const maxPlace = 5

// named reports whether text is the name of a place; the end of one when the
// line before ends with a comma.
func named(text string, comma bool) bool {
	text = strings.TrimSpace(strings.TrimSuffix(text, ","))
	if text == "" {
		return comma
	}
	text = unit.ReplaceAllString(text, "")
	words := strings.Fields(text)
	if len(words) > maxPlace {
		return false
	}
	for i, w := range words {
		letters := []rune(w)
		if !unicode.IsUpper(letters[0]) && !unicode.IsDigit(letters[0]) && w != "-" {
			return false
		}
		if i == 0 && len(words) > 1 && len(letters) > 1 && capitals(w) && !capitals(text) {
			return false // the end of a notation with letters apart
		}
	}
	return true
}
