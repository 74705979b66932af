package dongbo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// MaxWarnings is how many warnings a payload can have; more are left out.
const MaxWarnings = 100

// Warning is something odd in a payload that is read all the same.
type Warning struct {
	Code  string `json:"code"`
	Field string `json:"field"` // such as [0].TaiLieuNop[1].IsDeleted
	Value string `json:"value"` // as received, cut short
}

// Codes of warnings.
const (
	WarnUnknown  = "unknown"  // no member of the format; kept in Other
	WarnSpelling = "spelling" // a member in other capitals
	WarnRepeated = "repeated" // a member stands twice, the first counts
	WarnDate     = "date"     // no time that can be read, left out
	WarnValue    = "value"    // no value that the member can have, left out
	WarnCode     = "code"     // a code of another form, kept
	WarnList     = "list"     // one object where a list should be
	WarnText     = "text"     // text that was put right: NFC, control characters
)

// Text implements [i18n.Speaker].
func (w Warning) Text(lang i18n.Lang) string {
	return i18n.T(lang, "dongbo.warning."+w.Code, i18n.Args{"field": w.Field, "value": w.Value})
}

// Decode reads dossiers: one object, or a list of them. Numbers may be texts and
// texts numbers, times have 8, 12 or 14 digits; what is odd is a warning. Refused
// are what is no JSON, too large, too deep or too much, and a dossier without code.
func Decode(raw []byte) ([]HoSo, []Warning, error) {
	r := &reader{}
	all, err := decode[HoSo](r, raw)
	if err != nil {
		return nil, nil, err
	}
	for i, h := range all {
		if h.MaHoSo == "" {
			return nil, nil, problem.New(problem.Usage, "dongbo.no-code", fmt.Sprintf("[%d].MaHoSo", i), i18n.Args{"field": "MaHoSo"})
		}
		r.odd(h, fmt.Sprintf("[%d].", i))
	}
	return all, r.warnings, nil
}

// DecodeProgress reads progress items as [Decode] reads dossiers.
func DecodeProgress(raw []byte) ([]TienDo, []Warning, error) {
	r := &reader{}
	all, err := decode[TienDo](r, raw)
	if err != nil {
		return nil, nil, err
	}
	for i, t := range all {
		if t.MaHoSo == "" {
			return nil, nil, problem.New(problem.Usage, "dongbo.no-code", fmt.Sprintf("[%d].MaHoSo", i), i18n.Args{"field": "MaHoSo"})
		}
	}
	return all, r.warnings, nil
}

func decode[T any](r *reader, raw []byte) ([]T, error) {
	tree, err := parse(raw, 0)
	if err == nil && tree.kind == object {
		tree = node{kind: list, items: []node{tree}}
	}
	if err == nil && tree.kind != list {
		err = fmt.Errorf("neither an object nor a list")
	}
	if err == nil && len(tree.items) > MaxList {
		err = fmt.Errorf("more than %d entries", MaxList)
	}
	if err != nil {
		return nil, problem.New(problem.Usage, "dongbo.malformed", "", i18n.Args{"why": shown(err.Error())}).Because(err)
	}
	all := make([]T, len(tree.items))
	for i, item := range tree.items {
		at := fmt.Sprintf("[%d]", i)
		if item.kind != object {
			return nil, problem.New(problem.Usage, "dongbo.malformed", at, i18n.Args{"why": at + " is no object"})
		}
		if err := r.object(item, reflect.ValueOf(&all[i]).Elem(), at+"."); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// reader fills structs and collects what is odd.
type reader struct{ warnings []Warning }

func (r *reader) warn(code, field, value string) {
	if len(r.warnings) < MaxWarnings {
		r.warnings = append(r.warnings, Warning{code, shown(field), shown(value)})
	}
}

// memberOf is the index of a member of the format, by its name in any capitals.
func memberOf(t reflect.Type, name string) (int, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); strings.EqualFold(f.Name, name) && f.Type != reflect.TypeFor[Other]() {
			return i, true
		}
	}
	return 0, false
}

func (r *reader) object(n node, v reflect.Value, at string) error {
	seen := map[int]bool{}
	other := Other{}
	for i, name := range n.names {
		item := n.items[i]
		index, known := memberOf(v.Type(), name)
		if !known {
			if err := r.other(other, name, item, at); err != nil {
				return err
			}
			continue
		}
		if seen[index] {
			r.warn(WarnRepeated, at+name, item.text)
			continue
		}
		seen[index] = true
		if exact := v.Type().Field(index).Name; exact != name {
			r.warn(WarnSpelling, at+exact, name)
		}
		if err := r.member(item, v.Field(index), at+name); err != nil {
			return err
		}
	}
	if len(other) > 0 {
		v.FieldByName("Other").Set(reflect.ValueOf(other))
	}
	return nil
}

// other keeps a member that is not known.
func (r *reader) other(all Other, name string, n node, at string) error {
	if _, twice := all[name]; twice || name == "" {
		r.warn(WarnRepeated, at+name, n.text)
		return nil
	}
	if len(all) >= MaxOther {
		return problem.New(problem.Usage, "dongbo.long", at+name, i18n.Args{"field": at + name, "most": MaxOther})
	}
	var buf bytes.Buffer
	n.write(&buf)
	all[name] = json.RawMessage(buf.Bytes())
	r.warn(WarnUnknown, at+name, buf.String())
	return nil
}

// empty reports whether a value says nothing.
func (n node) empty() bool {
	return n.kind == null || n.kind == text && strings.TrimSpace(n.text) == ""
}

func (r *reader) member(n node, f reflect.Value, at string) error {
	if n.empty() {
		return nil
	}
	if f.Kind() == reflect.Slice {
		return r.list(n, f, at)
	}
	if n.kind == list || n.kind == object {
		r.warn(WarnValue, at, "")
		return nil
	}
	switch f.Interface().(type) {
	case string:
		return r.text(n, f, at)
	case time.Time:
		t, ok := readTime(n.text)
		if !ok {
			r.warn(WarnDate, at, n.text)
			return nil
		}
		f.Set(reflect.ValueOf(t))
	case Flag:
		switch strings.ToLower(strings.TrimSpace(n.text)) {
		case "1", "true":
			f.SetInt(int64(Yes))
		case "0", "false":
			f.SetInt(int64(No))
		default:
			r.warn(WarnValue, at, n.text)
		}
	default:
		i, err := strconv.ParseInt(plain(n), 10, 32)
		if err != nil || i < 1 || i > enums[f.Type()] {
			r.warn(WarnValue, at, n.text)
			return nil
		}
		f.SetInt(i)
	}
	return nil
}

// plain is the text of a value; a number that is whole loses its fraction and
// exponent.
func plain(n node) string {
	if n.kind == number && strings.ContainsAny(n.text, ".eE") {
		const exact = 1 << 53
		if v, err := strconv.ParseFloat(n.text, 64); err == nil && v == float64(int64(v)) && v < exact && v > -exact {
			return strconv.FormatInt(int64(v), 10)
		}
	}
	return strings.TrimSpace(n.text)
}

func (r *reader) text(n node, f reflect.Value, at string) error {
	s := plain(n)
	right := strings.TrimSpace(norm.NFC.String(strings.Map(func(c rune) rune {
		if control(c) {
			return -1
		}
		return c
	}, s)))
	if right != s {
		r.warn(WarnText, at, s)
	}
	if len(right) > MaxText {
		return problem.New(problem.Usage, "dongbo.text-long", at, i18n.Args{"field": at, "most": MaxText})
	}
	f.SetString(right)
	return nil
}

func (r *reader) list(n node, f reflect.Value, at string) error {
	if n.kind == object {
		r.warn(WarnList, at, "")
		n = node{kind: list, items: []node{n}}
	}
	if n.kind != list {
		r.warn(WarnValue, at, n.text)
		return nil
	}
	if len(n.items) > MaxList {
		return problem.New(problem.Usage, "dongbo.long", at, i18n.Args{"field": at, "most": MaxList})
	}
	all := reflect.MakeSlice(f.Type(), 0, len(n.items))
	for i, item := range n.items {
		place := fmt.Sprintf("%s[%d]", at, i)
		if item.kind != object {
			r.warn(WarnValue, place, item.text)
			continue
		}
		v := reflect.New(f.Type().Elem()).Elem()
		if err := r.object(item, v, place+"."); err != nil {
			return err
		}
		all = reflect.Append(all, v)
	}
	if all.Len() > 0 {
		f.Set(all)
	}
	return nil
}

// odd warns of codes that this codec would not write.
func (r *reader) odd(h HoSo, at string) {
	w := &writer{}
	h.check(w)
	for _, p := range w.faults {
		if strings.HasPrefix(p.Code, "dossier-code.") {
			r.warn(WarnCode, at+p.Field, map[string]string{"MaHoSo": h.MaHoSo, "MaTTHC": h.MaTTHC, "MaLinhVuc": h.MaLinhVuc}[p.Field])
		}
	}
}

// layouts of times by the number of their digits.
var layouts = map[int]string{8: "20060102", 12: "200601021504", 14: dateLayout}

func readTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	layout, ok := layouts[len(s)]
	if !ok {
		return time.Time{}, false
	}
	t, err := time.ParseInLocation(layout, s, edxml.Vietnam)
	return t, err == nil && t.Year() >= leastYear && t.Year() <= mostYear
}
