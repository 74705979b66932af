package house

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unnamed are files whose steps on the disk have no point, each with its reason.
var unnamed = []struct{ path, reason string }{
	{"storage/fsx/fsx_unix.go", "what a point calls"},
	{"storage/fsx/fsx_windows.go", "what a point calls"},
	{"storage/fsx/rooted.go", "what a point calls"},
	{"storage/queue/parts.go", "a part of package blob, whose Sync passes its point"},
	{"storage/queue/incoming.go", "a part of package blob, whose Sync passes its point"},
	{"agent/api/v1/tus.go", "a part of package blob, whose Sync passes its point"},
	{"storage/storagetest/", "a disk in memory"},
	{"storage/sqlite/sqlitetest/", "for tests"},
	{"cmd/tram-init/", "the first process of a system cannot be killed; the laboratory of power cuts ends it with its machine"},
	{"cmd/tram-lab/", "for developers"},
	{"cmd/internal/", "for developers, but cli, which writes nothing"},
	{"agent/web/webtest/", "for tests"},
}

// statements are what SQL makes something durable with.
var statements = []string{"COMMIT", "VACUUM", "wal_checkpoint", "UPDATE store SET epoch", "INSERT INTO store"}

// isPoint says whether e names a point, by the way all are named.
func isPoint(e ast.Expr) bool {
	name := ""
	switch e := e.(type) {
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	return name == "p" || strings.HasPrefix(name, "Point") || strings.HasPrefix(name, "point")
}

// step says what a node does to the disk, "" for nothing.
func step(n ast.Node) string {
	switch n := n.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(n.Value)
		for _, s := range statements {
			if n.Kind == token.STRING && err == nil && strings.Contains(text, s) {
				return s
			}
		}
	case *ast.CallExpr:
		selector, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || isPoint(selector.X) {
			return ""
		}
		switch name := selector.Sel.Name; {
		case name == "Sync" && len(n.Args) == 0, name == "Rename" && len(n.Args) == 2, name == "SyncDir" && called(n) != "fsx.SyncDir",
			slices.Contains([]string{"Fsync", "Fdatasync", "Syncfs", "Renameat", "Renameat2", "Link", "MoveFileEx"}, name) && len(n.Args) > 0:
			return called(n) + " " + name
		}
	}
	return ""
}

// through says whether a call takes its step through a point.
func through(n ast.Node) bool {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	if s, ok := call.Fun.(*ast.SelectorExpr); ok && isPoint(s.X) {
		return true
	}
	return slices.ContainsFunc(call.Args, isPoint)
}

func TestEveryDurableStepHasAPoint(t *testing.T) {
	steps := 0
	for _, f := range code(t) {
		if slices.ContainsFunc(unnamed, func(u struct{ path, reason string }) bool { return strings.HasPrefix(f.name, u.path) }) {
			continue
		}
		var above []ast.Node
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if n == nil {
				above = above[:len(above)-1]
				return true
			}
			above = append(above, n)
			if through(n) {
				steps++
			}
			if what := step(n); what != "" && !slices.ContainsFunc(above, through) {
				t.Errorf("%s: %s makes something durable or names it without a point of package fsx, so no test is killed there", f.at(n), what)
			}
			return true
		})
	}
	if steps < 40 {
		t.Errorf("only %d steps through points are found: the rule does not see them", steps)
	}
}

// points are the constants of type fsx.Point: where each stands, by name and value.
func points(t *testing.T) (named, values map[string]string) {
	t.Helper()
	named, values = map[string]string{}, map[string]string{}
	for _, f := range code(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			of, _ := spec.Type.(*ast.Ident)
			from, _ := spec.Type.(*ast.SelectorExpr)
			if (of == nil || of.Name != "Point" || f.dir != "storage/fsx") && (from == nil || from.Sel.Name != "Point") {
				return true
			}
			value, ok := spec.Values[0].(*ast.BasicLit)
			if !ok {
				t.Errorf("%s: the name of a point is a text", f.at(n))
				return true
			}
			if other := values[value.Value]; other != "" {
				t.Errorf("%s: %s is the name of a point at %s already", f.at(n), value.Value, other)
			}
			values[value.Value] = f.at(n)
			named[f.dir+"."+spec.Names[0].Name] = f.at(n)
			return true
		})
	}
	return named, values
}

// TestEveryPointIsKilledAt: a constant that no story of package killtest names is a step
// at which no process was ever killed. That it is reached there, the story itself sees.
func TestEveryPointIsKilledAt(t *testing.T) {
	named, _ := points(t)
	if len(named) < 30 {
		t.Errorf("only %d points are found", len(named))
	}
	for _, f := range source(t) {
		if !f.test || !slices.Contains(f.imports, module+"/storage/killtest") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				for _, imported := range f.imports {
					if of, ok := n.X.(*ast.Ident); ok && strings.HasSuffix(imported, "/"+of.Name) {
						dir, _ := ours(imported)
						delete(named, dir+"."+n.Sel.Name)
					}
				}
			case *ast.Ident:
				delete(named, f.dir+"."+n.Name)
			}
			return true
		})
	}
	for name, at := range named {
		t.Errorf("%s: no story kills a process at %s", at, name)
	}
}

func TestNothingButTestsWatchesPoints(t *testing.T) {
	for _, f := range code(t) {
		if f.dir != "storage/killtest" && slices.Contains(f.imports, module+"/storage/killtest") {
			t.Errorf("%s imports killtest: a program that can be told to kill itself is no product", f.name)
		}
		calls(f, func(call *ast.CallExpr) {
			if called(call) == "fsx.Watch" && f.dir != "storage/killtest" {
				t.Errorf("%s watches the points of package fsx: only tests may", f.at(call))
			}
		})
	}
}
