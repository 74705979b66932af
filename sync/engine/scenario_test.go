package engine

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tram/sync/schedule"
	"tram/sync/wire"

	"github.com/google/uuid"
)

var rewrite = flag.Bool("rewrite", false, "write what the scenarios say now into their files")

// TestScenarios plays the text files in testdata/scenarios. Each is a story of
// a few nodes in a row: a line that is a command, and after it, indented, the
// frames that it made the nodes exchange. A file's first lines say what to see.
// The commands are the methods of scenario; go test -rewrite writes the frames.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txt")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := playScenario(t, want)
			if bytes.Equal(got, want) {
				return
			}
			if !*rewrite {
				t.Fatalf("%s differs; if that is wanted: go test ./sync/engine -run Scenarios -rewrite\ngot:\n%s", file, got)
			}
			if err := os.WriteFile(file, got, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// playScenario carries out the commands of a file and returns it with the frames
// that they caused.
func playScenario(t *testing.T, file []byte) []byte {
	t.Helper()
	sc := &scenario{t: t, cfg: Config{Chunk: 4 << 10, Window: 8 << 10, Credit: 32 << 10, SyncEvery: 16 << 10}, names: map[string]uuid.UUID{}}
	lines := bufio.NewScanner(bytes.NewReader(file))
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, " ") {
			continue // what it said before
		}
		fmt.Fprintln(&sc.out, line)
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		sc.command(words[0], words[1:])
		sc.flush()
		for _, e := range sc.errors() {
			t.Fatalf("%s: %s", line, e)
		}
	}
	return sc.out.Bytes()
}

type scenario struct {
	t     *testing.T
	cfg   Config
	s     *sim
	out   bytes.Buffer
	names map[string]uuid.UUID
	last  *run // CHUNKs in a row, not printed yet
}

// run is a row of CHUNKs of one object.
type run struct {
	head       string
	begin, end int64
	n          int
}

func (sc *scenario) errors() []string {
	if sc.s == nil {
		return nil
	}
	return sc.s.errs
}

func (sc *scenario) command(verb string, args []string) {
	switch verb {
	case "nodes": // NAME …: offices at the ends, hubs between
		sc.s = newSim(1, sc.cfg, args...)
		sc.s.steady, sc.s.told = true, sc.told
	case "document": // NAME FROM TO URGENCY SIZE …: saved at FROM
		var sizes []int
		for _, a := range args[4:] {
			sizes = append(sizes, sc.number(a))
		}
		d := sc.s.document(args[1], args[2], uint8(sc.number(args[3])), sizes)
		sc.names[args[0]] = d.id
	case "run": // DURATION: lets time pass
		d, err := time.ParseDuration(args[0])
		if err != nil {
			sc.t.Fatal(err)
		}
		sc.s.run(sc.s.now.Add(d))
	case "cut": // A B SECONDS: the line between them breaks, and comes back
		l := sc.link(args[0], args[1])
		l.end()
		l.connect(time.Duration(sc.number(args[2])) * time.Second)
	case "crash": // NODE SECONDS: loses what is not durable, and boots
		sc.s.nodes[args[0]].kill(time.Duration(sc.number(args[1])) * time.Second)
	case "restrict": // NODE URGENCY SIZE: rules of a metered line
		sc.s.nodes[args[0]].restrict(schedule.Rules{MinUrgency: uint8(sc.number(args[1])), MaxSize: int64(sc.number(args[2]))})
	case "first": // NODE NAME: somebody there asks for it
		n := sc.s.nodes[args[0]]
		for _, l := range n.links {
			n.tell(l.other(n).name, First{sc.names[args[1]]})
		}
	case "refuse": // NAME: nobody takes it
		sc.s.docs[sc.names[args[0]]].refused = true
	case "lose": // PER-MILLE: frames that the lines lose from now on
		sc.s.fault.drop = sc.number(args[0])
	case "arrived": // NAME …: each was handed over exactly once
		for _, name := range args {
			d := sc.s.docs[sc.names[name]]
			if got := sc.s.nodes[d.to].store.handed[d.id]; got != 1 {
				sc.t.Errorf("%s was handed over %d times at %s", name, got, d.to)
			}
		}
	default:
		sc.t.Fatalf("unknown command %q", verb)
	}
}

func (sc *scenario) number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		sc.t.Fatal(err)
	}
	return n
}

func (sc *scenario) link(a, b string) *simLink {
	for _, l := range sc.s.links {
		if l.ends[0].name == a && l.ends[1].name == b {
			return l
		}
	}
	sc.t.Fatalf("no line between %s and %s", a, b)
	return nil
}

// told writes a frame down; CHUNKs in a row become one line.
func (sc *scenario) told(from, to string, f wire.Frame) {
	route := from + "→" + to
	c, isChunk := f.(wire.Chunk)
	if !isChunk {
		sc.flush()
		fmt.Fprintf(&sc.out, "  %-22s %s\n", route, sc.words(f))
		return
	}
	head := fmt.Sprintf("%-22s CHUNK %s/%d", route, sc.name(c.ID), c.Object)
	if sc.last == nil || sc.last.head != head || sc.last.end != c.Offset {
		sc.flush()
		sc.last = &run{head: head, begin: c.Offset}
	}
	sc.last.end = c.Offset + int64(len(c.Data))
	sc.last.n++
}

func (sc *scenario) flush() {
	if r := sc.last; r != nil {
		fmt.Fprintf(&sc.out, "  %s %d…%d in %d\n", r.head, r.begin, r.end, r.n)
	}
	sc.last = nil
}

func (sc *scenario) words(f wire.Frame) string {
	switch f := f.(type) {
	case wire.Offer:
		return "OFFER " + sc.name(f.ID)
	case wire.Want:
		return fmt.Sprintf("WANT %s/%d from %d credit %d round %d", sc.name(f.ID), f.Object, f.Offset, f.Credit, f.Round)
	case wire.Custody:
		return "CUSTODY " + sc.name(f.ID)
	case wire.Refuse:
		return fmt.Sprintf("REFUSE %s code %d", sc.name(f.ID), f.Code)
	case wire.Defer:
		return fmt.Sprintf("DEFER %s code %d for %v", sc.name(f.ID), f.Code, f.After)
	case wire.Cancel:
		return fmt.Sprintf("CANCEL %s code %d", sc.name(f.ID), f.Code)
	case wire.Ask:
		return fmt.Sprintf("ASK %s first %v", sc.name(f.ID), f.First)
	default:
		return wire.Name(f)
	}
}

// name is what the file calls a document, or of which one it is the receipt.
func (sc *scenario) name(id uuid.UUID) string {
	var names []string
	for name, known := range sc.names {
		if known == id {
			return name
		}
		if d := sc.s.docs[id]; d != nil && d.inReplyTo == known {
			names = append(names, "receipt("+name+")")
		}
	}
	if len(names) == 0 {
		return "new" // the document that is just being saved
	}
	return slices.Min(names)
}
