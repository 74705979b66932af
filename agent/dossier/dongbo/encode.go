package dongbo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Bounds of payloads, for both writing and reading.
const (
	MaxPayload = 4 << 20 // bytes of one call's data, or of one file
	MaxDossier = 1 << 20 // bytes of one dossier
	MaxList    = 1000    // entries of one list
	MaxText    = 16_000  // bytes of one text
	MaxOther   = 64      // unknown members of one object
)

// dateLayout is how times are written, in Vietnam's time.
const dateLayout = "20060102150405"

// Encode writes a dossier as one object of JSON, always with the same bytes:
// members in the order of the format, unknown ones behind them. What would not
// be right is refused, all of it at once, as a problem.List.
func (h HoSo) Encode() ([]byte, error) {
	w := &writer{}
	h.check(w)
	w.object(reflect.ValueOf(h), "")
	return w.done(MaxDossier)
}

// EncodeProgress writes progress items as a list of JSON, like [HoSo.Encode].
func EncodeProgress(items []TienDo) ([]byte, error) {
	w := &writer{}
	w.buf.WriteByte('[')
	for i, t := range items {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		at := fmt.Sprintf("[%d].", i)
		t.check(w, at)
		w.object(reflect.ValueOf(t), at)
	}
	w.buf.WriteByte(']')
	if len(items) > MaxList {
		w.fault("long", "", i18n.Args{"most": MaxList})
	}
	return w.done(MaxPayload)
}

// writer writes JSON and collects what is wrong.
type writer struct {
	buf    bytes.Buffer
	faults problem.List
}

// fault notes what is wrong with a member.
func (w *writer) fault(code, field string, args i18n.Args) {
	all := i18n.Args{"field": field}
	maps.Copy(all, args)
	w.faults = append(w.faults, problem.New(problem.Usage, "dongbo."+code, field, all))
}

func (w *writer) done(most int) ([]byte, error) {
	if w.buf.Len() > most {
		w.fault("large", "", i18n.Args{"most": most})
	}
	if err := w.faults.Err(); err != nil {
		return nil, err
	}
	return w.buf.Bytes(), nil
}

// object writes the members of a struct that are set.
func (w *writer) object(v reflect.Value, at string) {
	w.buf.WriteByte('{')
	first := true
	name := func(s string) {
		if !first {
			w.buf.WriteByte(',')
		}
		first = false
		w.text(s)
		w.buf.WriteByte(':')
	}
	for i := range v.NumField() {
		f, member := v.Field(i), v.Type().Field(i).Name
		if f.IsZero() || f.Kind() == reflect.Slice && f.Len() == 0 {
			continue
		}
		if t, ok := f.Interface().(time.Time); ok && t.IsZero() {
			continue
		}
		if other, ok := f.Interface().(Other); ok {
			w.others(other, v.Type(), at, name)
			continue
		}
		if text, ok := f.Interface().(string); ok && strings.TrimSpace(text) == "" {
			continue
		}
		name(member)
		w.value(f, at+member)
	}
	w.buf.WriteByte('}')
}

// others writes members that are not known here.
func (w *writer) others(other Other, known reflect.Type, at string, name func(string)) {
	if len(other) > MaxOther {
		w.fault("long", at+"Other", i18n.Args{"most": MaxOther})
		return
	}
	for _, n := range slices.Sorted(maps.Keys(other)) {
		tree, err := parse(other[n], otherDepth)
		_, taken := memberOf(known, n)
		if err != nil || taken || n == "" || len(n) > maxName || !utf8.ValidString(n) {
			w.fault("other", at+n, i18n.Args{"name": shown(n)})
			continue
		}
		name(n)
		tree.write(&w.buf)
	}
}

func (w *writer) value(f reflect.Value, at string) {
	switch v := f.Interface().(type) {
	case string:
		w.text(w.checked(v, at))
	case time.Time:
		w.text(w.date(v, at))
	case Flag:
		switch v {
		case Yes:
			w.text("1")
		case No:
			w.text("0")
		default:
			w.fault("value", at, i18n.Args{"value": int(v)})
		}
	default:
		if f.Kind() == reflect.Slice {
			w.list(f, at)
			return
		}
		most := enums[f.Type()]
		if n := f.Int(); n < 1 || n > most {
			w.fault("value", at, i18n.Args{"value": n})
		}
		w.text(strconv.FormatInt(f.Int(), 10))
	}
}

func (w *writer) list(f reflect.Value, at string) {
	if f.Len() > MaxList {
		w.fault("long", at, i18n.Args{"most": MaxList})
		return
	}
	w.buf.WriteByte('[')
	for i := range f.Len() {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		w.object(f.Index(i), fmt.Sprintf("%s[%d].", at, i))
	}
	w.buf.WriteByte(']')
}

// checked is a text as it is written.
func (w *writer) checked(s, at string) string {
	s = strings.TrimSpace(norm.NFC.String(s))
	switch {
	case !utf8.ValidString(s) || strings.ContainsFunc(s, control):
		w.fault("text", at, nil)
	case len(s) > MaxText:
		w.fault("text-long", at, i18n.Args{"most": MaxText})
	}
	return s
}

// control reports what no text has: control characters that are no white space.
func control(r rune) bool { return r < ' ' && r != '\n' && r != '\t' && r != '\r' || r == 0x7f }

func (w *writer) date(t time.Time, at string) string {
	t = t.In(edxml.Vietnam)
	if y := t.Year(); y < leastYear || y > mostYear {
		w.fault("date", at, i18n.Args{"value": y})
		return ""
	}
	return t.Format(dateLayout)
}

func (w *writer) text(s string) { writeText(&w.buf, s) }

// writeText writes a text of JSON, without the escapes that HTML would need.
func writeText(buf *bytes.Buffer, s string) {
	e := json.NewEncoder(buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s)             // of a text into memory
	buf.Truncate(buf.Len() - 1) // its line feed
}
