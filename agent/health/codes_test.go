package health

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tram/agent/i18n"
)

// TestEveryCodeIsListed reads the constants with texts in this package, and those of
// the faults of a server.
func TestEveryCodeIsListed(t *testing.T) {
	var want []string
	for _, c := range constants(t, ".") {
		switch {
		case c.value == ServerUntrusted:
			for _, fault := range constants(t, "../identity") {
				if fault.kind == "ServerFault" {
					want = append(want, ServerUntrusted+fault.value)
				}
			}
		case ast.IsExported(c.name):
			want = append(want, c.value)
		}
	}
	got := slices.Sorted(slices.Values(Codes))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the list has\n%q, the constants are\n%q", got, want)
	}
	for _, code := range Codes {
		if !i18n.Has("health." + code) {
			t.Errorf("%s has no words", code)
		}
	}
}

type constant struct{ name, kind, value string }

func constants(t *testing.T, dir string) (list []constant) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), dir+"/"+e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				for _, s := range g.Specs {
					v := s.(*ast.ValueSpec)
					kind, _ := v.Type.(*ast.Ident)
					for i, x := range v.Values {
						if lit, ok := x.(*ast.BasicLit); ok && lit.Kind == token.STRING {
							text, err := strconv.Unquote(lit.Value)
							if err != nil {
								t.Fatal(err)
							}
							c := constant{name: v.Names[i].Name, value: text}
							if kind != nil {
								c.kind = kind.Name
							}
							list = append(list, c)
						}
					}
				}
			}
		}
	}
	return list
}
