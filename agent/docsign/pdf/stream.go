package pdf

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
)

// packed is an object of an object stream.
type packed struct {
	num   int
	value Object
}

// Data reads and decodes a stream. Filters other than FlateDecode are
// ErrMalformed: what is read here is never an image.
func (f *File) Data(s *Stream) ([]byte, error) {
	length, err := f.Resolve(s.Dict["Length"])
	if err != nil {
		return nil, err
	}
	n, ok := length.(int64)
	if !ok || n < 0 || n > f.size-s.data {
		return nil, fmt.Errorf("%w: length of a stream", ErrMalformed)
	}
	if n > MaxStream {
		return nil, ErrLimit
	}
	raw, err := f.bytes(s.data, int(n))
	if err != nil {
		return nil, err
	}
	filter, err := f.filter(s.Dict)
	if err != nil || filter == "" {
		return raw, err
	}
	if filter != "FlateDecode" {
		return nil, fmt.Errorf("%w: filter %q", ErrMalformed, filter)
	}
	data, err := f.inflate(raw)
	if err != nil {
		return nil, err
	}
	return f.unpredict(data, s.Dict)
}

// filter is the only filter of a stream, "" for none.
func (f *File) filter(d Dict) (Name, error) {
	v, err := f.Resolve(d["Filter"])
	if err != nil {
		return "", err
	}
	if list, ok := v.(Array); ok {
		if len(list) > 1 {
			return "", fmt.Errorf("%w: several filters", ErrMalformed)
		}
		v = nil
		if len(list) == 1 {
			if v, err = f.Resolve(list[0]); err != nil {
				return "", err
			}
		}
	}
	name, ok := v.(Name)
	if v != nil && !ok {
		return "", fmt.Errorf("%w: filter", ErrMalformed)
	}
	return name, nil
}

func (f *File) inflate(raw []byte) ([]byte, error) {
	z, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	defer z.Close()
	left := min(MaxStream, MaxDecoded-f.decoded)
	data, err := io.ReadAll(io.LimitReader(z, left+1))
	f.decoded += int64(len(data))
	if int64(len(data)) > left {
		return nil, ErrLimit
	}
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return data, nil
}

// unpredict undoes the PNG predictors that cross-reference streams use.
func (f *File) unpredict(data []byte, d Dict) ([]byte, error) {
	params, err := f.Resolve(d["DecodeParms"])
	if err != nil {
		return nil, err
	}
	if list, ok := params.(Array); ok && len(list) == 1 {
		params = list[0]
	}
	p, err := f.Dict(params)
	if err != nil {
		return nil, err
	}
	number := func(key Name, otherwise int64) int64 {
		if n, ok := p[key].(int64); ok {
			return n
		}
		return otherwise
	}
	predictor := number("Predictor", 1)
	if predictor == 1 {
		return data, nil
	}
	columns := number("Columns", 1)
	if predictor < 10 || predictor > 15 || columns < 1 || columns > 1<<16 || number("Colors", 1) != 1 || number("BitsPerComponent", 8) != 8 {
		return nil, fmt.Errorf("%w: predictor", ErrMalformed)
	}
	return png(data, int(columns))
}

// png undoes the filters of PNG for one byte a pixel.
func png(data []byte, width int) ([]byte, error) {
	out := make([]byte, 0, len(data))
	above := make([]byte, width)
	for len(data) > 0 {
		kind := data[0]
		row := bytes.Clone(data[1:min(len(data), width+1)])
		data = data[min(len(data), width+1):]
		for i := range row {
			var left, corner byte
			if i > 0 {
				left, corner = row[i-1], above[i-1]
			}
			switch kind {
			case 0:
			case 1:
				row[i] += left
			case 2:
				row[i] += above[i]
			case 3:
				row[i] += byte((int(left) + int(above[i])) / 2)
			case 4:
				row[i] += paeth(left, above[i], corner)
			default:
				return nil, fmt.Errorf("%w: predictor of a row", ErrMalformed)
			}
		}
		out = append(out, row...)
		copy(above, row)
	}
	return out, nil
}

func paeth(a, b, c byte) byte {
	abs := func(n int) int { return max(n, -n) }
	p := int(a) + int(b) - int(c)
	da, db, dc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	if da <= db && da <= dc {
		return a
	}
	if db <= dc {
		return b
	}
	return c
}

// objectStream reads the objects of an object stream. It must itself be an
// object of its own, so that none nests.
func (f *File) objectStream(num int) ([]Object, error) {
	if all, ok := f.streams[num]; ok {
		return all, nil
	}
	e, ok := f.entries[num]
	if !ok || !e.InUse || e.Stream != 0 {
		return nil, fmt.Errorf("object stream %d: %w", num, ErrMalformed)
	}
	o, err := f.valueAt(e.Offset, num, e.Gen)
	if err != nil {
		return nil, err
	}
	s, ok := o.(*Stream)
	if !ok || s.Dict["Type"] != Name("ObjStm") {
		return nil, fmt.Errorf("object stream %d: %w", num, ErrMalformed)
	}
	data, err := f.Data(s)
	if err != nil {
		return nil, err
	}
	count, ok1 := s.Dict["N"].(int64)
	first, ok2 := s.Dict["First"].(int64)
	if !ok1 || !ok2 || count < 0 || count > MaxEntries || first < 0 || first > int64(len(data)) {
		return nil, fmt.Errorf("object stream %d: %w", num, ErrMalformed)
	}
	all, err := unpack(data, int(first), int(count))
	if err != nil {
		return nil, fmt.Errorf("object stream %d: %w", num, err)
	}
	f.streams[num] = all
	return all, nil
}

func unpack(data []byte, first, count int) ([]Object, error) {
	head := &parser{in: data[:first], base: -1}
	all := make([]Object, 0, min(count, 4096))
	body := append(data[first:len(data):len(data)], ' ') // a word at the end is whole
	for range count {
		num, ok := head.integer()
		at, ok2 := head.integer()
		if !ok || !ok2 || num > MaxNumber || at > int64(len(body)) {
			return nil, ErrMalformed
		}
		p := &parser{in: body[at:], base: -1}
		v, err := p.value(0)
		if err == errShort {
			err = ErrMalformed
		}
		if err != nil {
			return nil, err
		}
		all = append(all, packed{int(num), v})
	}
	return all, nil
}
