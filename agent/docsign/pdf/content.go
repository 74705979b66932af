package pdf

import "errors"

// MaxOperands is the largest number of operands of one operator; those beyond it
// are dropped.
const MaxOperands = 1 << 16

// Pages lists the pages, each with the attributes that it inherits.
func (f *File) Pages() ([]Dict, error) {
	list, _, err := f.pages()
	if err != nil {
		return nil, err
	}
	dicts := make([]Dict, len(list))
	for i, p := range list {
		dicts[i] = p.dict
	}
	return dicts, nil
}

// Encrypted reports whether the file needs a password or a key.
func (f *File) Encrypted() bool { return f.trailer["Encrypt"] != nil }

// Operators calls do for each operator of a content stream or a character map,
// with its operands, which do must not keep. Unlike the rest of this package it
// passes over what it does not understand, and ends where the data is cut:
// nothing is judged by it. The data of inline images is skipped.
func Operators(data []byte, do func(operator string, operands []Object) error) error {
	p := &parser{in: append(data[:len(data):len(data)], ' '), base: -1}
	var operands []Object
	for {
		p.space()
		if p.pos >= len(p.in) {
			return nil
		}
		start := p.pos
		if begins(p.in[start]) {
			switch w := p.word(); w {
			case "true", "false":
				operands = append(operands, w == "true")
			case "null":
				operands = append(operands, nil)
			default:
				if err := do(w, operands); err != nil {
					return err
				}
				operands = operands[:0]
				if w == "ID" {
					p.skipImage()
				}
			}
			continue
		}
		v, err := p.value(0)
		switch {
		case errors.Is(err, errShort):
			return nil
		case err != nil:
			p.pos, operands = start+1, operands[:0]
		case len(operands) < MaxOperands:
			operands = append(operands, v)
		}
	}
}

// begins tells the first byte of an operator.
func begins(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '\'' || c == '"'
}

// skipImage goes behind the EI that ends an inline image.
func (p *parser) skipImage() {
	for at := p.pos + 1; at+2 < len(p.in); at++ {
		if p.in[at] == 'E' && p.in[at+1] == 'I' && isSpace(p.in[at-1]) && (isSpace(p.in[at+2]) || isDelimiter(p.in[at+2])) {
			p.pos = at + 2
			return
		}
	}
	p.pos = len(p.in)
}
