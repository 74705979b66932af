package hotfolder

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

// program is software on the other side of a tree.
type program struct {
	t   *testing.T
	dir string
	n   int
}

func (p *program) SetAway(away bool) {
	p.t.Helper()
	from, to := p.dir, p.dir+"-away"
	if !away {
		from, to = to, from
	}
	if err := os.Rename(from, to); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) files(dir, ext string) (list []string) {
	p.t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.dir, dir))
	if err != nil && !os.IsNotExist(err) {
		p.t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ext) && !strings.HasPrefix(e.Name(), ".") {
			list = append(list, e.Name())
		}
	}
	return list
}

func (p *program) Received() (ids []string) {
	p.t.Helper()
	for _, name := range p.files(inDir, messageExt) {
		file, err := os.Open(filepath.Join(p.dir, inDir, name))
		if err != nil {
			p.t.Fatal(err)
		}
		full, err := edxml.Read(file, edxml.ReadOptions{})
		if err != nil {
			p.t.Fatal(err)
		}
		ids = append(ids, full.Message.(*edxml.Document).ID)
		if err := file.Close(); err != nil {
			p.t.Fatal(err)
		}
	}
	return ids
}

func (p *program) Offer(message []byte) {
	p.t.Helper()
	p.n++
	dir := filepath.Join(p.dir, dropDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "vb"+strconv.Itoa(p.n)+messageExt), message, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) Left() int {
	claims := 0
	entries, err := os.ReadDir(filepath.Join(p.dir, claimDir))
	if err == nil {
		claims = len(entries)
	}
	return claims + len(p.files(dropDir, messageExt))
}

func (p *program) Refused() (texts []string) {
	p.t.Helper()
	for _, name := range p.files(rejectDir, reasonExt) {
		text, err := os.ReadFile(filepath.Join(p.dir, rejectDir, name))
		if err != nil {
			p.t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	return texts
}

func TestConformance(t *testing.T) {
	connectortest.Run(t, func(t *testing.T) connectortest.Fixture {
		p := &program{t: t, dir: filepath.Join(t.TempDir(), "chung")}
		if err := os.Mkdir(p.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		with := func(set map[string]any) json.RawMessage {
			data, err := json.Marshal(set)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}
		return connectortest.Fixture{
			Kind: Kind(), Settings: with(map[string]any{"dir": p.dir, "settle": "0s"}), System: p, Delivers: true, Collects: true,
			Bad: []json.RawMessage{
				with(map[string]any{"dir": "chung"}), with(map[string]any{}), with(map[string]any{"dir": p.dir, "settle": "soon"}),
				with(map[string]any{"dir": p.dir, "settle": "2h"}), with(map[string]any{"dir": p.dir, "wait": "-1s"}),
				with(map[string]any{"dir": p.dir, "keep": -1}),
			},
		}
	})
}
