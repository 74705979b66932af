package house

import (
	"bytes"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// rooms are the top-level folders, each with a README that is its map.
var rooms = []string{"agent", "cmd", "firmware-notes", "packaging", "storage", "sync"}

// atRoot are the files beside them; dot-files are free.
var atRoot = []string{"LICENSE", "Makefile", "README.md", "go.mod", "go.sum"}

func TestTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir(root())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		known := slices.Contains(rooms, name) && e.IsDir() || slices.Contains(atRoot, name) && !e.IsDir()
		if !known && !strings.HasPrefix(name, ".") && !slices.Contains(ignored(), name) {
			t.Errorf("%s stands at the top level: the house has fixed rooms, so that everybody finds the one they need", name)
		}
	}
}

func TestEveryRoomHasAMap(t *testing.T) {
	const least = 400 // characters; less is no map
	for _, room := range append([]string{""}, rooms...) {
		name := path.Join(room, "README.md")
		data, err := os.ReadFile(filepath.Join(root(), filepath.FromSlash(name)))
		if err != nil || len(data) < least {
			t.Errorf("%s is missing or says nothing: it is the map of its folder and states its promises", name)
		}
	}
}

func TestMapsNameEveryPackage(t *testing.T) {
	maps := map[string]string{}
	for _, f := range code(t) {
		room, rest, _ := strings.Cut(f.dir, "/")
		if rest == "" {
			continue
		}
		if maps[room] == "" {
			data, err := os.ReadFile(filepath.Join(root(), room, "README.md"))
			if err != nil {
				continue // TestEveryRoomHasAMap says it
			}
			maps[room] = string(data)
		}
		if !strings.Contains(maps[room], rest) {
			t.Errorf("%s/README.md does not name the package %s: a map without it misleads", room, rest)
			maps[room] += rest // once is enough
		}
	}
}

func TestSyncHoldsNoGoFileOfItsOwn(t *testing.T) {
	for _, f := range source(t) {
		if f.dir == "sync" || f.dir == "." {
			t.Errorf("%s: a package named sync would clash with the standard library's, and the root is not a package", f.name)
		}
	}
}

// foreignWords must not stand in a committed file. They are put together here,
// so that this file is not found.
var foreignWords = []struct {
	pattern *regexp.Regexp
	reason  string
}{
	{regexp.MustCompile(`/ro` + `ot/|/ho` + `me/[a-z]+/|/Us` + `ers/[a-z]+`), "a path of somebody's machine helps nobody else"},
	{regexp.MustCompile(`\.\./sha` + `red\b`), "what stands outside the repository is not there for its readers"},
	{regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME)\b`), "what is left to do is an issue, not a remark"},
	{regexp.MustCompile(`-----BEG` + `IN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=]`), "no private key belongs into the repository"},
	{regexp.MustCompile(`(?m)^(<<<<` + `<<<|>>>>` + `>>>) `), "a merge was left half done"},
}

func TestNoForeignWords(t *testing.T) {
	walk(t, func(name string) {
		data, err := os.ReadFile(filepath.Join(root(), filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) {
			return // not text
		}
		for _, word := range foreignWords {
			if at := word.pattern.FindIndex(data); at != nil {
				line := 1 + bytes.Count(data[:at[0]], []byte("\n"))
				t.Errorf("%s:%d holds %q: %s", name, line, data[at[0]:at[1]], word.reason)
			}
		}
	})
}
