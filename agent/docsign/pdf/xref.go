package pdf

import (
	"bytes"
	"fmt"
)

// readSections follows the chain of cross-reference sections from the newest.
func (f *File) readSections(at int64) error {
	seen := map[int64]bool{}
	total := 0
	for {
		if seen[at] || len(f.sections) == MaxSections {
			return fmt.Errorf("%w: cross-reference sections in a circle or too many", ErrMalformed)
		}
		seen[at] = true
		s, err := f.section(at)
		if err != nil {
			return err
		}
		if s, err = f.hybrid(s, seen); err != nil {
			return err
		}
		f.sections = append(f.sections, s)
		if total += len(s.Entries); total > MaxEntries {
			return ErrLimit
		}
		prev, ok := s.Trailer["Prev"]
		if !ok {
			return nil
		}
		if at, ok = prev.(int64); !ok {
			return fmt.Errorf("%w: Prev", ErrMalformed)
		}
	}
}

// hybrid adds the cross-reference stream that stands beside a table for newer
// readers. A table's entry goes before that of its stream.
func (f *File) hybrid(s Section, seen map[int64]bool) (Section, error) {
	beside, ok := s.Trailer["XRefStm"]
	if !ok {
		return s, nil
	}
	at, ok := beside.(int64)
	if !ok || seen[at] {
		return s, fmt.Errorf("%w: XRefStm", ErrMalformed)
	}
	seen[at] = true
	more, err := f.section(at)
	if err != nil {
		return s, err
	}
	for num, e := range more.Entries {
		if known, ok := s.Entries[num]; !ok || !known.InUse {
			s.Entries[num] = e
		}
	}
	return s, nil
}

func (f *File) section(at int64) (Section, error) {
	head, err := f.bytes(at, 32)
	if err != nil {
		return Section{}, err
	}
	p := &parser{in: head, base: at}
	if p.keyword("xref") {
		return f.table(at)
	}
	num, ok := p.integer()
	gen, ok2 := p.integer()
	if !ok || !ok2 || num > MaxNumber || gen > 65535 {
		return Section{}, fmt.Errorf("%w: no cross-reference section at %d", ErrMalformed, at)
	}
	o, err := f.valueAt(at, int(num), int(gen))
	if err != nil {
		return Section{}, err
	}
	s, ok := o.(*Stream)
	if !ok || s.Dict["Type"] != Name("XRef") || s.Dict.Ambiguous() {
		return Section{}, fmt.Errorf("%w: no cross-reference stream at %d", ErrMalformed, at)
	}
	return f.crossStream(at, s)
}

// maxTable is the longest cross-reference table with its trailer, in bytes.
const maxTable = 21*MaxEntries + MaxObject

// table reads a cross-reference table and its trailer.
func (f *File) table(at int64) (Section, error) {
	for n := 16 * window; ; n *= 4 {
		buf, err := f.bytes(at, n)
		if err != nil {
			return Section{}, err
		}
		s, err := parseTable(buf, at)
		if err == errShort && int64(len(buf)) < f.size-at && n < maxTable {
			continue
		}
		if err == errShort {
			err = ErrMalformed
		}
		if err != nil {
			return Section{}, fmt.Errorf("cross-reference table at %d: %w", at, err)
		}
		return s, nil
	}
}

func parseTable(buf []byte, at int64) (Section, error) {
	s := Section{Offset: at, Entries: map[int]Entry{}}
	p := &parser{in: buf, base: at}
	p.keyword("xref")
	for {
		first, ok := p.integer()
		if !ok {
			break
		}
		count, ok := p.integer()
		if p.pos >= len(p.in) {
			return s, errShort
		}
		if !ok || first > MaxNumber || count > MaxEntries || first+count > MaxNumber+1 || len(s.Entries)+int(count) > MaxEntries {
			return s, ErrMalformed
		}
		if err := p.subsection(s.Entries, int(first), int(count)); err != nil {
			return s, err
		}
	}
	if !p.keyword("trailer") {
		if len(p.in)-p.pos < 32 {
			return s, errShort
		}
		return s, ErrMalformed
	}
	v, err := p.value(0)
	if err != nil {
		return s, err
	}
	var ok bool
	if s.Trailer, ok = v.(Dict); !ok || s.Trailer.Ambiguous() {
		return s, ErrMalformed
	}
	return s, nil
}

func (p *parser) subsection(into map[int]Entry, first, count int) error {
	for i := range count {
		offset, ok := p.integer()
		gen, ok2 := p.integer()
		kind := p.word()
		if p.pos >= len(p.in) {
			return errShort
		}
		if !ok || !ok2 || gen > 65535 || (kind != "n" && kind != "f") {
			return ErrMalformed
		}
		num := first + i
		if _, twice := into[num]; twice {
			return fmt.Errorf("%w: object %d stands twice", ErrMalformed, num)
		}
		// An object at 0 would be the header: such entries are free ones.
		into[num] = Entry{InUse: kind == "n" && offset > 0, Offset: offset, Gen: int(gen)}
	}
	return nil
}

// crossStream reads the entries of a cross-reference stream.
func (f *File) crossStream(at int64, s *Stream) (Section, error) {
	out := Section{Offset: at, Trailer: s.Dict, Entries: map[int]Entry{}}
	bad := fmt.Errorf("cross-reference stream at %d: %w", at, ErrMalformed)
	data, err := f.Data(s)
	if err != nil {
		return out, err
	}
	widths, ok := s.Dict["W"].(Array)
	if !ok || len(widths) != 3 {
		return out, bad
	}
	var w [3]int
	for i, v := range widths {
		n, ok := v.(int64)
		if !ok || n < 0 || n > 8 {
			return out, bad
		}
		w[i] = int(n)
	}
	size, ok := s.Dict["Size"].(int64)
	if !ok || w[1] == 0 {
		return out, bad
	}
	index := Array{int64(0), size}
	if v, ok := s.Dict["Index"].(Array); ok {
		index = v
	}
	if len(index)%2 != 0 {
		return out, bad
	}
	r := bytes.NewReader(data)
	for i := 0; i < len(index); i += 2 {
		first, ok := index[i].(int64)
		count, ok2 := index[i+1].(int64)
		if !ok || !ok2 || first < 0 || count < 0 || first > MaxNumber || count > MaxEntries || first+count > MaxNumber+1 ||
			count*int64(w[0]+w[1]+w[2]) > int64(r.Len()) {
			return out, bad
		}
		for num := int(first); num < int(first+count); num++ {
			e, ok := streamEntry(r, w)
			if _, twice := out.Entries[num]; twice || !ok {
				return out, bad
			}
			out.Entries[num] = e
		}
	}
	return out, nil
}

func streamEntry(r *bytes.Reader, w [3]int) (Entry, bool) {
	field := func(width int, otherwise uint64) uint64 {
		if width == 0 {
			return otherwise
		}
		var v uint64
		for range width {
			b, _ := r.ReadByte() // the length was checked
			v = v<<8 | uint64(b)
		}
		return v
	}
	kind, a, b := field(w[0], 1), field(w[1], 0), field(w[2], 0)
	switch kind {
	case 0:
		return Entry{}, true
	case 1:
		if a > 1<<62 || b > 65535 {
			return Entry{}, false
		}
		return Entry{InUse: a > 0, Offset: int64(a), Gen: int(b)}, true
	case 2:
		if a == 0 || a > MaxNumber || b > MaxEntries {
			return Entry{}, false
		}
		return Entry{InUse: true, Offset: -1, Stream: int(a), Index: int(b)}, true
	}
	return Entry{}, true // of a later version: null
}
