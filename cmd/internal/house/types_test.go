package house

import (
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// checked is a package of ours with the types of its expressions.
type checked struct {
	dir   string
	set   *token.FileSet
	files []*ast.File
	info  *types.Info
}

// check reads packages with their types. What they import is taken as the
// compiler has written it, which is in the build cache when the tests run.
func check(t *testing.T, dirs ...string) []checked {
	t.Helper()
	type listed struct {
		Dir, ImportPath, Export string
		GoFiles                 []string
	}
	args := []string{"list", "-export", "-deps", "-json=Dir,ImportPath,Export,GoFiles"}
	for _, dir := range dirs {
		args = append(args, "./"+dir)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir, cmd.Env = root(), append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]listed{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		err := d.Decode(&p)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
	set := token.NewFileSet()
	compiled := importer.ForCompiler(set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(all[path].Export) })
	var list []checked
	for _, dir := range dirs {
		c := checked{dir: dir, set: set, info: &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}}
		p := all[module+"/"+dir]
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			c.files = append(c.files, file)
		}
		conf := types.Config{Importer: compiled}
		if _, err := conf.Check(p.ImportPath, set, c.files, c.info); err != nil {
			t.Fatalf("types of %s: %v", dir, err)
		}
		list = append(list, c)
	}
	return list
}

// shape is what a value looks like in JSON: its fields, none when it is a text,
// a number, or a map whose keys are not known.
type shape struct {
	list   bool
	fields map[string]*shape
}

// shapeOf reads a shape from a type, by its json tags.
func shapeOf(t types.Type, within ...types.Type) *shape {
	for _, outer := range within {
		if types.Identical(outer, t) {
			return &shape{} // it holds itself
		}
	}
	within = append(within, t)
	if writesItself(t) {
		return &shape{}
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return shapeOf(u.Elem(), within...)
	case *types.Slice:
		return elements(u.Elem(), within)
	case *types.Array:
		return elements(u.Elem(), within)
	case *types.Struct:
		s := &shape{fields: map[string]*shape{}}
		for i := range u.NumFields() {
			s.add(u.Field(i), reflect.StructTag(u.Tag(i)).Get("json"), within)
		}
		return s
	}
	return &shape{}
}

func elements(of types.Type, within []types.Type) *shape {
	if b, ok := of.Underlying().(*types.Basic); ok && b.Kind() == types.Byte {
		return &shape{}
	}
	s := shapeOf(of, within...)
	return &shape{list: true, fields: s.fields}
}

func (s *shape) add(field *types.Var, tag string, within []types.Type) {
	name, _, _ := strings.Cut(tag, ",")
	switch {
	case tag == "-" || !field.Exported() && !field.Embedded():
		return
	case name == "" && field.Embedded() && !writesItself(field.Type()):
		for inner, of := range shapeOf(field.Type(), within...).fields {
			if s.fields[inner] == nil {
				s.fields[inner] = of
			}
		}
		return
	case name == "":
		name = field.Name()
	}
	s.fields[name] = shapeOf(field.Type(), within...)
}

// writesItself tells types with a JSON or text form of their own.
func writesItself(t types.Type) bool {
	for _, method := range []string{"MarshalJSON", "MarshalText"} {
		if m, _, _ := types.LookupFieldOrMethod(t, true, nil, method); m != nil {
			if _, ok := m.(*types.Func); ok {
				return true
			}
		}
	}
	return false
}

// shapeIn reads the shape of an expression: a map that is written out has the
// keys that stand there.
func (c checked) shapeIn(e ast.Expr) *shape {
	literal, ok := ast.Unparen(e).(*ast.CompositeLit)
	if !ok {
		return shapeOf(c.info.TypeOf(e))
	}
	if _, isMap := c.info.TypeOf(e).Underlying().(*types.Map); !isMap {
		return shapeOf(c.info.TypeOf(e))
	}
	s := &shape{fields: map[string]*shape{}}
	for _, element := range literal.Elts {
		pair := element.(*ast.KeyValueExpr)
		if key, ok := pair.Key.(*ast.BasicLit); ok {
			name, err := strconv.Unquote(key.Value)
			if err == nil {
				s.fields[name] = c.shapeIn(pair.Value)
			}
		}
	}
	return s
}
