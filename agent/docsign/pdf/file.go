package pdf

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// Entry is where an object is.
type Entry struct {
	InUse  bool
	Offset int64 // of the object; of a compressed one -1
	Gen    int
	Stream int // number of the object stream of a compressed object, else 0
	Index  int // in that stream
}

// Section is one cross-reference section with the objects that it names.
type Section struct {
	Offset  int64
	Trailer Dict
	Entries map[int]Entry
}

// File is a PDF at the end of all its states, or of those that a prefix of it
// has. It is not safe for concurrent use.
type File struct {
	r        io.ReaderAt
	size     int64
	sections []Section // newest first
	trailer  Dict
	entries  map[int]Entry
	decoded  int64
	cached   int64
	cache    map[int]Object // objects that were read
	streams  map[int][]Object
}

// window is how much is read first for one object, in bytes.
const window = 4096

// maxCached bounds the objects that are kept in memory, in bytes of the file.
const maxCached = 8 << 20

// Open reads the cross-reference data of the first size bytes of r, which must
// be a whole PDF. An error that is neither [ErrMalformed] nor [ErrLimit] is of
// reading.
func Open(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: size, entries: map[int]Entry{}, cache: map[int]Object{}, streams: map[int][]Object{}}
	head, err := f.bytes(0, 5)
	if err != nil {
		return nil, err
	}
	if string(head) != "%PDF-" {
		return nil, fmt.Errorf("%w: no header", ErrMalformed)
	}
	start, err := f.startXRef()
	if err != nil {
		return nil, err
	}
	if err := f.readSections(start); err != nil {
		return nil, err
	}
	f.trailer = f.sections[0].Trailer
	for _, s := range slices.Backward(f.sections) {
		for num, e := range s.Entries {
			f.entries[num] = e
		}
	}
	return f, nil
}

// Trailer is the trailer of the newest section.
func (f *File) Trailer() Dict { return f.trailer }

// Size is the length of the file in bytes.
func (f *File) Size() int64 { return f.size }

// Sections are the cross-reference sections, newest first. The caller leaves
// them unchanged.
func (f *File) Sections() []Section { return f.sections }

// Entries are the places of all objects. The caller leaves them unchanged.
func (f *File) Entries() map[int]Entry { return f.entries }

// bytes reads n bytes, fewer at the end of the file.
func (f *File) bytes(at int64, n int) ([]byte, error) {
	if at < 0 || at > f.size {
		return nil, fmt.Errorf("%w: offset outside the file", ErrMalformed)
	}
	buf := make([]byte, min(int64(n), f.size-at))
	if len(buf) == 0 {
		return buf, nil
	}
	got, err := f.r.ReadAt(buf, at)
	if got < len(buf) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read PDF: %w", err)
	}
	return buf, nil
}

// tailLength is how far from the end the last startxref may begin, in bytes.
const tailLength = 1024

// startXRef reads the offset at the end of the file, behind which only
// "%%EOF" and white space may follow.
func (f *File) startXRef() (int64, error) {
	from := max(f.size-tailLength, 0)
	tail, err := f.bytes(from, tailLength)
	if err != nil {
		return 0, err
	}
	i := bytes.LastIndex(tail, []byte("startxref"))
	if i < 0 {
		return 0, fmt.Errorf("%w: no startxref at the end", ErrMalformed)
	}
	rest := bytes.Fields(tail[i+len("startxref"):])
	if len(rest) != 2 || string(rest[1]) != "%%EOF" {
		return 0, fmt.Errorf("%w: no %%%%EOF at the end", ErrMalformed)
	}
	p := parser{in: rest[0]}
	at, ok := p.integer()
	if !ok || p.pos != len(rest[0]) {
		return 0, fmt.Errorf("%w: startxref", ErrMalformed)
	}
	return at, nil
}

// valueAt reads "num gen obj", a value and, where there is one, the start of a
// stream.
func (f *File) valueAt(at int64, num, gen int) (Object, error) {
	for n := window; ; n *= 4 {
		buf, err := f.bytes(at, n)
		if err != nil {
			return nil, err
		}
		p := &parser{in: buf, base: at}
		o, err := p.indirect(num, gen)
		switch {
		case err == nil:
			f.cached += int64(p.pos)
			return o, nil
		case err != errShort:
			return nil, fmt.Errorf("object %d at %d: %w", num, at, err)
		case int64(len(buf)) == f.size-at:
			return nil, fmt.Errorf("object %d at %d: %w: cut", num, at, ErrMalformed)
		case n >= MaxObject:
			return nil, fmt.Errorf("object %d at %d: %w", num, at, ErrLimit)
		}
	}
}

func (p *parser) indirect(num, gen int) (Object, error) {
	n, ok := p.integer()
	g, ok2 := p.integer()
	if !ok || !ok2 || !p.keyword("obj") {
		if p.pos+32 > len(p.in) {
			return nil, errShort
		}
		return nil, ErrMalformed
	}
	if int(n) != num || int(g) != gen {
		return nil, fmt.Errorf("%w: another object stands there", ErrMalformed)
	}
	o, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos+len("stream\r\n") > len(p.in) {
		if bytes.HasPrefix(p.in[p.pos:], []byte("endobj")) {
			return o, nil
		}
		return nil, errShort
	}
	dict, isDict := o.(Dict)
	switch {
	case isDict && bytes.HasPrefix(p.in[p.pos:], []byte("stream\r\n")):
		return &Stream{dict, p.at(p.pos + len("stream\r\n"))}, nil
	case isDict && bytes.HasPrefix(p.in[p.pos:], []byte("stream\n")):
		return &Stream{dict, p.at(p.pos + len("stream\n"))}, nil
	case bytes.HasPrefix(p.in[p.pos:], []byte("endobj")):
		return o, nil
	}
	return nil, fmt.Errorf("%w: no endobj", ErrMalformed)
}

// Get reads an indirect object. One that is free or does not exist is null.
func (f *File) Get(ref Ref) (Object, error) {
	e, ok := f.entries[ref.Num]
	if !ok || !e.InUse || (e.Stream == 0 && e.Gen != ref.Gen) || (e.Stream != 0 && ref.Gen != 0) {
		return nil, nil
	}
	if o, ok := f.cache[ref.Num]; ok {
		return o, nil
	}
	o, err := f.load(ref, e)
	if err == nil && e.Stream == 0 && f.cached < maxCached {
		f.cache[ref.Num] = o
	}
	return o, err
}

func (f *File) load(ref Ref, e Entry) (Object, error) {
	if e.Stream == 0 {
		return f.valueAt(e.Offset, ref.Num, ref.Gen)
	}
	all, err := f.objectStream(e.Stream)
	if err != nil {
		return nil, err
	}
	if e.Index >= len(all) {
		return nil, fmt.Errorf("object %d: %w: not in its stream", ref.Num, ErrMalformed)
	}
	in, ok := all[e.Index].(packed)
	if !ok || in.num != ref.Num {
		return nil, fmt.Errorf("object %d: %w: another object in its place", ref.Num, ErrMalformed)
	}
	return in.value, nil
}

// Resolve follows references to a value.
func (f *File) Resolve(o Object) (Object, error) {
	for range 16 {
		ref, ok := o.(Ref)
		if !ok {
			return o, nil
		}
		var err error
		if o, err = f.Get(ref); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: references in a circle", ErrMalformed)
}

// Dict resolves a value that should be a dictionary, or the one of a stream.
// Anything else gives nil.
func (f *File) Dict(o Object) (Dict, error) {
	v, err := f.Resolve(o)
	if err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case Dict:
		return x, nil
	case *Stream:
		return x.Dict, nil
	}
	return nil, nil
}

// Array resolves a value that should be an array. Anything else gives nil.
func (f *File) Array(o Object) (Array, error) {
	v, err := f.Resolve(o)
	if err != nil {
		return nil, err
	}
	a, _ := v.(Array)
	return a, nil
}
