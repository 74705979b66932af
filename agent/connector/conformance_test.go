package connector_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tram/agent/connector/connectortest"
	"tram/agent/edxml"
)

// spoolSystem is the document system beside a spool.
type spoolSystem struct {
	t   *testing.T
	dir string
	n   int
}

func (s *spoolSystem) SetAway(away bool) {
	from, to := s.dir, s.dir+".away"
	if !away {
		from, to = to, from
	}
	if err := os.Rename(from, to); err != nil {
		s.t.Fatal(err)
	}
}

func (s *spoolSystem) Received() (ids []string) {
	for _, name := range s.glob("out/*.edxml") {
		f, err := os.Open(name)
		if err != nil {
			s.t.Fatal(err)
		}
		m, _, err := edxml.Decode(f)
		if err != nil {
			s.t.Fatal(err)
		}
		_ = f.Close()
		ids = append(ids, m.(*edxml.Document).ID)
	}
	return ids
}

func (s *spoolSystem) Offer(message []byte) {
	s.n++
	name := filepath.Join(s.dir, "in", strconv.Itoa(s.n))
	if err := os.WriteFile(name+".tmp", message, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(name+".tmp", name+".edxml"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *spoolSystem) Left() int { return len(s.glob("in/*.edxml")) }

func (s *spoolSystem) Refused() (reasons []string) {
	for _, name := range s.glob("in/*.txt") {
		raw, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		reasons = append(reasons, string(raw))
	}
	return reasons
}

func (s *spoolSystem) glob(pattern string) []string {
	list, err := filepath.Glob(filepath.Join(s.dir, pattern))
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

func TestSpoolConforms(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Fixture {
		dir := filepath.Join(t.TempDir(), "spool")
		for _, sub := range []string{"in", "out"} {
			if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		return connectortest.Fixture{
			Kind: spoolKind, Settings: settings(dir), System: &spoolSystem{t: t, dir: dir},
			Bad:      []json.RawMessage{settings(""), settings("here"), json.RawMessage(`{"dir": 1}`)},
			Delivers: true, Collects: true,
		}
	})
}

// TestTheREADMEShowsTheExampleAsItIs keeps the code in README.md compiled.
func TestTheREADMEShowsTheExampleAsItIs(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(code), "\n)\n\n")
	body, _, _ = strings.Cut(body, "\n// settings are")
	if len(body) < 1000 || !strings.Contains(string(page), "```go\n"+strings.TrimRight(body, "\n")+"\n```") {
		t.Error("README.md does not hold the code of example_test.go")
	}
}
