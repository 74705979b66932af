package house

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// said is a shape as the table of cmd/README.md writes it: `field`, and behind it
// {…} or [{…}] for what is inside. Parentheses hold remarks; one that begins
// with "as of" or "see" says where the fields stand instead.
type said struct {
	list, elsewhere bool
	fields          map[string]*said
}

var (
	answerRow = regexp.MustCompile("^\\| (`tram[^|]*) \\| (.*) \\|$")
	inTicks   = regexp.MustCompile("`([^`]+)`")
	fieldName = regexp.MustCompile("^[a-z][a-z0-9_]*$")
)

// answersTold reads the table: what each command prints.
func answersTold(t *testing.T) map[string]*said {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root(), "cmd", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(page), "\n## JSON\n")
	if !found {
		t.Fatal("cmd/README.md has no section JSON")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	told := map[string]*said{}
	for line := range strings.Lines(section) {
		row := answerRow.FindStringSubmatch(strings.TrimSpace(line))
		if row == nil {
			continue
		}
		says, err := parseAnswer(row[2])
		if err != nil {
			t.Errorf("cmd/README.md, %s: %v", row[1], err)
			continue
		}
		for _, command := range inTicks.FindAllStringSubmatch(row[1], -1) {
			if told[command[1]] != nil {
				t.Errorf("cmd/README.md says twice what %s prints", command[1])
			}
			told[command[1]] = says
		}
	}
	return told
}

func parseAnswer(cell string) (*said, error) {
	p := &answerParser{rest: cell}
	s := &said{fields: map[string]*said{}}
	if rest, ok := strings.CutPrefix(cell, "list of {"); ok {
		p.rest, s.list = rest, true
	}
	err := p.fields(s, s.list)
	return s, err
}

type answerParser struct{ rest string }

// fields reads fields into s, up to a closing brace when inside is true.
func (p *answerParser) fields(s *said, inside bool) error {
	for p.rest != "" {
		switch c := p.rest[0]; {
		case c == '`':
			if err := p.field(s); err != nil {
				return err
			}
			continue
		case c == '(':
			if _, err := p.remark(); err != nil {
				return err
			}
			continue
		case c == '}' && inside:
			p.rest = p.rest[1:]
			return nil
		case c == '}' || c == '{':
			return fmt.Errorf("a brace out of place before %q", p.rest)
		}
		p.rest = p.rest[1:]
	}
	if inside {
		return fmt.Errorf("a brace is not closed")
	}
	return nil
}

func (p *answerParser) field(s *said) error {
	name, rest, closed := strings.Cut(p.rest[1:], "`")
	if !closed || !fieldName.MatchString(name) {
		return fmt.Errorf("%q is no field; other words stand in parentheses", name)
	}
	if s.fields[name] != nil {
		return fmt.Errorf("field %q stands there twice", name)
	}
	f := &said{fields: map[string]*said{}}
	s.fields[name] = f
	p.rest = strings.TrimLeft(rest, " ")
	switch {
	case strings.HasPrefix(p.rest, "{"):
		p.rest = p.rest[1:]
		return p.fields(f, true)
	case strings.HasPrefix(p.rest, "[{"):
		p.rest, f.list = p.rest[2:], true
		if err := p.fields(f, true); err != nil {
			return err
		}
		if !strings.HasPrefix(p.rest, "]") {
			return fmt.Errorf("a bracket is not closed behind %q", name)
		}
		p.rest = p.rest[1:]
	case strings.HasPrefix(p.rest, "("):
		text, err := p.remark()
		f.elsewhere = strings.HasPrefix(text, "as of ") || strings.HasPrefix(text, "see ")
		return err
	}
	return nil
}

// remark reads what stands in parentheses.
func (p *answerParser) remark() (string, error) {
	deep := 0
	for i, r := range p.rest {
		switch r {
		case '(':
			deep++
		case ')':
			if deep--; deep == 0 {
				text := p.rest[1:i]
				p.rest = p.rest[i+1:]
				return text, nil
			}
		}
	}
	return "", fmt.Errorf("a parenthesis is not closed before %q", p.rest)
}

func TestAnAnswerOfTheTableIsRead(t *testing.T) {
	s, err := parseAnswer("list of {`a` (1 (one)), `b` {`c`, `d` [{`e`}]}, `f` (as of `tram x`)} and more")
	if err != nil || !s.list || s.fields["b"].fields["d"].fields["e"] == nil || !s.fields["b"].fields["d"].list || !s.fields["f"].elsewhere || s.fields["a"].elsewhere {
		t.Errorf("%+v, %v", s, err)
	}
	for _, bad := range []string{"`a` {`b`", "`a` [{`b`}", "`a` (", "`a`, `a`", "`--flag`", "`a`}"} {
		if _, err := parseAnswer(bad); err == nil {
			t.Errorf("%q was read", bad)
		}
	}
}
