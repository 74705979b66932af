package extract

import (
	"errors"
	"fmt"
	"io"
	"math"

	"tram/agent/docsign/pdf"
)

const (
	maxForms = 8       // how deep forms may hold forms
	maxPages = 5000    // pages that are read
	maxStack = 64      // saved graphics states
	maxShown = 4 << 20 // glyphs of a file
	maxDrawn = 20_000  // forms of a file
)

// errEnough says that the limit of the text is reached.
var errEnough = errors.New("enough text")

// pdfText reads the text that a PDF shows, in the order in which it is drawn,
// but within a line from left to right: programs draw letters that a font lacks,
// often the Vietnamese ones, after the rest of the line.
func pdfText(r io.ReaderAt, size int64, out *sink) error {
	f, err := pdf.Open(r, size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if f.Encrypted() {
		return fmt.Errorf("%w: encrypted", ErrUnreadable)
	}
	pages, err := f.Pages()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	d := &drawing{f: f, fonts: map[pdf.Ref]*font{}, line: line{out: out}}
	for i, p := range pages {
		if i == maxPages {
			out.part = true
			return nil
		}
		if err := d.page(p); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			out.part = true // the other pages may be good
		}
		d.line.flush()
		out.newline()
	}
	return nil
}

// drawing follows the content of pages.
type drawing struct {
	f     *pdf.File
	fonts map[pdf.Ref]*font
	shown int
	drawn int
	state state
	stack []state
	forms map[pdf.Ref]bool
	line  line
}

// state is what of the graphics state places text.
type state struct {
	ctm                     matrix
	font                    *font
	size, rise, lead        float64
	charSpace, wordSpace, h float64
	text, lineStart         matrix
}

func (d *drawing) page(p pdf.Dict) error {
	d.state = state{ctm: identity, h: 1, text: identity, lineStart: identity}
	d.stack, d.forms = d.stack[:0], map[pdf.Ref]bool{}
	resources, err := d.f.Dict(p["Resources"])
	if err != nil {
		return err
	}
	contents, err := d.f.Resolve(p["Contents"])
	if err != nil {
		return err
	}
	var all []byte
	parts, ok := contents.(pdf.Array)
	if !ok {
		parts = pdf.Array{contents}
	}
	for _, part := range parts {
		data, err := d.data(part)
		if err != nil {
			return err
		}
		all = append(append(all, data...), '\n')
		if len(all) > pdf.MaxStream {
			return pdf.ErrLimit
		}
	}
	return d.content(all, resources, 0)
}

func (d *drawing) data(o pdf.Object) ([]byte, error) {
	o, err := d.f.Resolve(o)
	if err != nil || o == nil {
		return nil, err
	}
	s, ok := o.(*pdf.Stream)
	if !ok {
		return nil, pdf.ErrMalformed
	}
	return d.f.Data(s)
}

func (d *drawing) content(data []byte, resources pdf.Dict, depth int) error {
	return pdf.Operators(data, func(op string, args []pdf.Object) error {
		if op == "Do" {
			if len(args) == 1 {
				return d.form(args[0], resources, depth)
			}
			return nil
		}
		return d.operator(op, args, resources)
	})
}

// form draws a form; what is no form, such as a picture, has no text.
func (d *drawing) form(name pdf.Object, resources pdf.Dict, depth int) error {
	key, _ := name.(pdf.Name)
	forms, err := d.f.Dict(resources["XObject"])
	if err != nil {
		return err
	}
	ref, _ := forms[key].(pdf.Ref)
	o, err := d.f.Resolve(forms[key])
	if err != nil {
		return err
	}
	s, ok := o.(*pdf.Stream)
	if !ok || s.Dict["Subtype"] != pdf.Name("Form") || depth == maxForms || d.forms[ref] {
		return nil
	}
	if d.drawn++; d.drawn > maxDrawn {
		d.line.out.part = true
		return errEnough
	}
	own, err := d.f.Dict(s.Dict["Resources"])
	if err != nil {
		return err
	}
	if own == nil {
		own = resources
	}
	data, err := d.f.Data(s)
	if err != nil {
		return err
	}
	kept, stacked := d.state, len(d.stack)
	if m, ok := d.matrixOf(s.Dict["Matrix"]); ok {
		d.state.ctm = m.times(d.state.ctm)
	}
	d.forms[ref] = true
	err = d.content(data, own, depth+1)
	delete(d.forms, ref)
	d.state, d.stack = kept, d.stack[:min(stacked, len(d.stack))]
	return err
}

func (d *drawing) matrixOf(o pdf.Object) (m matrix, ok bool) {
	list, err := d.f.Array(o)
	if err != nil {
		return m, false
	}
	return readMatrix(list)
}

func (d *drawing) operator(op string, args []pdf.Object, resources pdf.Dict) error {
	s := &d.state
	switch op {
	case "q":
		if len(d.stack) < maxStack {
			d.stack = append(d.stack, *s)
		}
	case "Q":
		if n := len(d.stack); n > 0 {
			d.state, d.stack = d.stack[n-1], d.stack[:n-1]
		}
	case "cm":
		if m, ok := readMatrix(args); ok {
			s.ctm = m.times(s.ctm)
		}
	case "BT":
		s.text, s.lineStart = identity, identity
	case "Tf":
		if len(args) == 2 {
			s.size = number(args[1])
			return d.setFont(args[0], resources)
		}
	case "Tj", "'", "\"", "TJ":
		return d.show(op, args)
	default:
		d.place(op, args)
	}
	return nil
}

// place follows the operators that place text.
func (d *drawing) place(op string, args []pdf.Object) {
	s := &d.state
	n := func(i int) float64 {
		if i < len(args) {
			return number(args[i])
		}
		return 0
	}
	switch op {
	case "Tm":
		if m, ok := readMatrix(args); ok {
			s.text, s.lineStart = m, m
		}
	case "Td":
		s.next(n(0), n(1))
	case "TD":
		s.lead = -n(1)
		s.next(n(0), n(1))
	case "T*":
		s.next(0, -s.lead)
	case "TL":
		s.lead = n(0)
	case "Tc":
		s.charSpace = n(0)
	case "Tw":
		s.wordSpace = n(0)
	case "Tz":
		s.h = n(0) / 100
	case "Ts":
		s.rise = n(0)
	}
}

func (s *state) next(x, y float64) {
	s.lineStart = matrix{1, 0, 0, 1, x, y}.times(s.lineStart)
	s.text = s.lineStart
}

func (d *drawing) show(op string, args []pdf.Object) error {
	s := &d.state
	if op == "\"" && len(args) == 3 {
		s.wordSpace, s.charSpace = number(args[0]), number(args[1])
	}
	if op == "'" || op == "\"" {
		s.next(0, -s.lead)
	}
	if len(args) == 0 || s.font == nil {
		return nil
	}
	parts, ok := args[len(args)-1].(pdf.Array)
	if !ok {
		parts = args[len(args)-1:]
	}
	for _, part := range parts {
		switch v := part.(type) {
		case pdf.String:
			if err := d.glyphs(v.Bytes); err != nil {
				return err
			}
		case int64, float64:
			s.advance(-number(v) / 1000 * s.size * s.h)
		}
	}
	return nil
}

func (s *state) advance(x float64) { s.text = matrix{1, 0, 0, 1, x, 0}.times(s.text) }

func (d *drawing) glyphs(codes []byte) error {
	s := &d.state
	for len(codes) > 0 {
		if d.shown++; d.shown > maxShown {
			d.line.out.part = true
			return errEnough
		}
		code, n := s.font.next(codes)
		codes = codes[n:]
		text, known := s.font.text(code, n)
		if !known {
			d.line.out.part = true
		}
		width := s.font.width(code) / 1000 * s.size
		at := matrix{s.size * s.h, 0, 0, s.size, 0, s.rise}.times(s.text).times(s.ctm)
		end := matrix{1, 0, 0, 1, width * s.h, 0}.times(s.text).times(s.ctm)
		d.line.add(text, at, math.Hypot(end[4]-at[4], end[5]-at[5]))
		space := s.charSpace
		if n == 1 && code == ' ' {
			space += s.wordSpace
		}
		s.advance((width + space) * s.h)
		if d.line.out.full() {
			return errEnough
		}
	}
	return nil
}

// matrix is a b c d e f as PDF writes them.
type matrix [6]float64

var identity = matrix{1, 0, 0, 1, 0, 0}

// times is m followed by n.
func (m matrix) times(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

func readMatrix(args []pdf.Object) (m matrix, ok bool) {
	if len(args) != len(m) {
		return m, false
	}
	for i, a := range args {
		m[i] = number(a)
	}
	return m, true
}

func number(o pdf.Object) float64 {
	switch v := o.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}
