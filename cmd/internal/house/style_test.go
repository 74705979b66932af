package house

import (
	"go/ast"
	"go/token"
	"path"
	"slices"
	"strings"
	"testing"
)

// The size budget. Lines of tables and of raw text (SQL, templates) inside a
// function do not count.
const (
	maxFileLines     = 500
	maxFuncLines     = 60  // of code that runs in the product
	maxTestFuncLines = 120 // of tests, whose stories are long but flat
	maxMainLines     = 150
	maxMethods       = 7 // of an interface of ours
)

func TestFilesAreShort(t *testing.T) {
	for _, f := range source(t) {
		if f.lines > maxFileLines {
			t.Errorf("%s has %d lines, more than %d: split it by what its parts are about", f.name, f.lines, maxFileLines)
		}
		if path.Base(f.name) == "main.go" && f.lines > maxMainLines {
			t.Errorf("%s has %d lines, more than %d: main only wires", f.name, f.lines, maxMainLines)
		}
	}
}

// longFunctions may be longer than the budget, for the reason given.
var longFunctions = map[string]string{}

func TestFunctionsAreShort(t *testing.T) {
	for _, f := range source(t) {
		most := maxFuncLines
		if f.test {
			most = maxTestFuncLines
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || longFunctions[f.dir+"."+fn.Name.Name] != "" {
				continue
			}
			if n := f.span(fn) - f.tableLines(fn); n > most {
				t.Errorf("%s: %s has %d lines, more than %d: a reader keeps no more in mind", f.at(fn), fn.Name.Name, n, most)
			}
		}
	}
}

// tableLines counts the lines of n that are tables of values or raw text.
func (f *file) tableLines(n ast.Node) int {
	lines := 0
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return true
		case *ast.CompositeLit:
			if hasFunction(n) {
				return true
			}
			lines += f.span(n) - 1
			return false
		case *ast.BasicLit:
			if n.Kind == token.STRING && strings.HasPrefix(n.Value, "`") {
				lines += f.span(n) - 1
			}
		}
		return true
	})
	return lines
}

// hasFunction reports whether a literal holds code and is thus no plain table.
func hasFunction(n ast.Node) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			found = true
		}
		return !found
	})
	return found
}

func TestInterfacesAreSmall(t *testing.T) {
	for _, f := range code(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if it, ok := spec.Type.(*ast.InterfaceType); ok && it.Methods.NumFields() > maxMethods {
				t.Errorf("%s: interface %s has %d methods, more than %d: its fakes and implementations become a burden; make extras optional interfaces",
					f.at(spec), spec.Name.Name, it.Methods.NumFields(), maxMethods)
			}
			return true
		})
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	about := map[string]string{}
	for _, f := range code(t) {
		if _, seen := about[f.dir]; !seen || f.syntax.Doc != nil {
			about[f.dir] = f.syntax.Doc.Text()
		}
		start := "Package " + f.syntax.Name.Name + " "
		if f.syntax.Name.Name == "main" {
			start = "Command " + path.Base(f.dir) + " "
		}
		if f.syntax.Doc != nil && !strings.HasPrefix(f.syntax.Doc.Text(), start) {
			t.Errorf("%s: the package comment does not start with %q, as go doc expects", f.name, start)
		}
	}
	const least = 60 // characters; less says nothing
	for dir, text := range about {
		if len(text) < least {
			t.Errorf("package %s has no comment that says what it is for and what it promises", dir)
		}
	}
}

func TestExportedNamesAreDocumented(t *testing.T) {
	for _, f := range code(t) {
		if f.syntax.Name.Name == "main" {
			continue
		}
		for _, decl := range f.syntax.Decls {
			for _, name := range undocumented(decl) {
				t.Errorf("%s: exported %s has no comment: say units, errors and what may be relied on", f.at(decl), name)
			}
		}
	}
}

// undocumented lists the exported names of decl that have no comment of their
// own or of their group.
func undocumented(decl ast.Decl) []string {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || ast.IsExported(receiver(d)) && !obvious(d)) {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				if d.Doc == nil && s.Doc == nil && s.Comment == nil && slices.ContainsFunc(s.Names, (*ast.Ident).IsExported) {
					names = append(names, s.Names[0].Name)
				}
			}
		}
		return names
	}
	return nil
}

// obvious are methods whose contract is that of the standard interface they
// fill.
func obvious(d *ast.FuncDecl) bool {
	return slices.Contains([]string{"Error", "Unwrap", "Is", "String", "Len", "Less", "Swap", "Write", "Read", "Close", "Seek"}, d.Name.Name)
}

func receiver(d *ast.FuncDecl) string {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if generic, ok := typ.(*ast.IndexExpr); ok {
		typ = generic.X
	}
	if ident, ok := typ.(*ast.Ident); ok {
		return ident.Name
	}
	return ""
}

func TestOnlyMainEndsTheProcess(t *testing.T) {
	forbidden := []string{"os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln", "log.Panic", "log.Panicf", "log.Panicln"}
	for _, f := range code(t) {
		calls(f, func(call *ast.CallExpr) {
			name := called(call)
			if slices.Contains(forbidden, name) && (f.syntax.Name.Name != "main" || name != "os.Exit") {
				t.Errorf("%s: %s: only main ends the process, after everything below it has closed", f.at(call), name)
			}
		})
	}
}

func TestNothingHappensBeforeMain(t *testing.T) {
	for _, f := range code(t) {
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init: registries and side effects of imports make programs that nobody can follow", f.at(fn))
			}
		}
	}
}

// contextHolders are types that keep a context, for the reason given.
var contextHolders = map[string]string{
	"storage/sqlite.Tx":         "a transaction lives no longer than the call that it was made for",
	"agent/web/webtest.Browser": "a window of a test is one context of the driver",
	"agent/office.interrupted":  "an io.Reader takes no context; this one ends a copy when its caller wants",
}

func TestContextsAreNotKept(t *testing.T) {
	for _, f := range code(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			fields, ok := spec.Type.(*ast.StructType)
			if !ok || contextHolders[f.dir+"."+spec.Name.Name] != "" {
				return true
			}
			for _, field := range fields.Fields.List {
				if s, ok := field.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Context" {
					t.Errorf("%s: %s keeps a context: a context is passed as the first argument, so that each call ends when its caller wants", f.at(field), spec.Name.Name)
				}
			}
			return true
		})
	}
}
