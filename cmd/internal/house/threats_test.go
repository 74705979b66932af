package house

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// threats are the lines that the table of sync/README.md must have at least.
var threats = []string{
	"stolen box", "stolen stick", "broker operator", "neighbour office", "replay", "downgrade",
	"rolled-back registry", "hostile PDF", "hostile edXML", "hostile clerk", "LAN attacker",
}

var testName = regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// TestEveryThreatHasItsTests reads the threat model: what is said to stop an
// attack must be held by tests that exist.
func TestEveryThreatHasItsTests(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(root(), "sync", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(data), "\n# Threats\n")
	if !found {
		t.Fatal("sync/README.md has no section Threats")
	}
	section, _, _ = strings.Cut(section, "\n# ")
	tests := testFunctions(t)
	lines := map[string]bool{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || strings.HasPrefix(cells[1], " ---") || strings.TrimSpace(cells[1]) == "who" {
			continue
		}
		who := strings.TrimSpace(cells[1])
		lines[who] = true
		named := testName.FindAllStringSubmatch(cells[5], -1)
		if len(named) == 0 {
			t.Errorf("%s: no test holds this line", who)
		}
		for _, name := range named {
			if !tests[name[1]] {
				t.Errorf("%s: there is no test %s", who, name[1])
			}
		}
	}
	for _, who := range threats {
		if !lines[who] {
			t.Errorf("the threat model says nothing of: %s", who)
		}
	}
}

// testFunctions returns the names of all tests and fuzz targets.
func testFunctions(t *testing.T) map[string]bool {
	names := map[string]bool{}
	for _, f := range source(t) {
		if !f.test {
			continue
		}
		for _, d := range f.syntax.Decls {
			if function, ok := d.(*ast.FuncDecl); ok && function.Recv == nil {
				names[function.Name.Name] = true
			}
		}
	}
	return names
}
