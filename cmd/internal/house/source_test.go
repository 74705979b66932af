package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is the name in go.mod.
const module = "tram"

// file is one Go file of the repository.
type file struct {
	name    string // slash path from the root
	dir     string // folder of name, the package path without the module
	test    bool
	syntax  *ast.File
	set     *token.FileSet
	lines   int
	imports []string
}

// at names the place of a node.
func (f *file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.set.Position(n.Pos()).Line)
}

// span is the number of lines of a node.
func (f *file) span(n ast.Node) int {
	return f.set.Position(n.End()).Line - f.set.Position(n.Pos()).Line + 1
}

// ours returns the folder of an import of this module, or false.
func ours(imported string) (string, bool) { return strings.CutPrefix(imported, module+"/") }

// root is the folder of go.mod.
var root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			panic("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
})

// ignored are the top-level names that git ignores: build output.
var ignored = sync.OnceValue(func() []string {
	data, err := os.ReadFile(filepath.Join(root(), ".gitignore"))
	if err != nil {
		return nil
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
			names = append(names, strings.Trim(line, "/"))
		}
	}
	return names
})

// walk calls visit for each file that belongs to the repository.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root()), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (name == ".git" || slices.Contains(ignored(), name)) {
			return fs.SkipDir
		}
		if d.Type().IsRegular() {
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var parsed struct {
	once  sync.Once
	files []*file
}

// source returns every Go file, parsed once for all tests.
func source(t *testing.T) []*file {
	t.Helper()
	parsed.once.Do(func() {
		walk(t, func(name string) {
			if strings.HasSuffix(name, ".go") {
				parsed.files = append(parsed.files, parse(t, name))
			}
		})
	})
	if len(parsed.files) < 30 {
		t.Fatalf("only %d Go files were found: the rules would hold for nothing", len(parsed.files))
	}
	return parsed.files
}

func parse(t *testing.T, name string) *file {
	t.Helper()
	set := token.NewFileSet()
	syntax, err := parser.ParseFile(set, filepath.Join(root(), filepath.FromSlash(name)), nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	f := &file{name: name, dir: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), syntax: syntax, set: set}
	f.lines = set.File(syntax.FileStart).LineCount()
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		f.imports = append(f.imports, imported)
	}
	return f
}

// code returns the Go files that are no tests.
func code(t *testing.T) []*file {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(source(t)), func(f *file) bool { return f.test })
}

// within reports whether folder is dir or below it.
func within(folder, dir string) bool {
	return folder == dir || strings.HasPrefix(folder, dir+"/")
}

// called returns "pkg.Name" of a call of a package's function, or "". Local
// names of imports are taken as they stand.
func called(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	of, ok := selector.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return of.Name + "." + selector.Sel.Name
}

// calls calls visit for each call in f.
func calls(f *file, visit func(call *ast.CallExpr)) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			visit(call)
		}
		return true
	})
}
