package linklab

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tram/cmd/internal/peers"
)

func TestTableHasARowAFigureAndAColumnAPeer(t *testing.T) {
	in := strings.Join([]string{
		`{"figure":"mix-up: seconds, cubic","value":9,"unit":"s","aim":"","peer":"rsync","command":"tram-lab link","at":"2026-11-25T10:00:00Z"}`,
		`{"figure":"mix-up: seconds, cubic","value":7.5,"unit":"s","aim":"≤ 8","peer":"tram","command":"tram-lab link","at":"2026-11-25T10:00:00Z"}`,
		`{"figure":"mix-up: seconds, cubic","value":null,"unit":"s","aim":"","peer":"nncp","command":"tram-lab link","at":"2026-11-25T10:00:00Z","reason":"not installed"}`,
	}, "\n")
	figures, err := Read(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	want := `| figure | aim | tram | rsync | nncp |
| --- | --- | --- | --- | --- |
| mix-up: seconds, cubic | ≤ 8 | 7.5 s | 9 s | – (1) |

(1) nncp: not installed

Measured with ` + "`tram-lab link`" + `, 2026-11-25.
`
	if got := Table(figures); got != want {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
	file := filepath.Join(t.TempDir(), "README.md")
	os.WriteFile(file, []byte("above\n"+tableBegin+"\nold\n"+tableEnd+"\nbelow\n"), 0o600)
	if err := Into(file, want); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "above\n"+tableBegin+"\n"+want+tableEnd+"\nbelow\n" {
		t.Errorf("file:\n%s", got)
	}
	os.WriteFile(file, []byte("no place"), 0o600)
	if err := Into(file, want); err == nil {
		t.Error("a file without a place for the table was accepted")
	}
}

func TestOutputOfOtherProgramsIsRefused(t *testing.T) {
	if _, err := Read(strings.NewReader("{\"figure\":\"a\"}\nnot JSON\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("error %v does not name the line", err)
	}
}

func TestPlanTakesTramAloneWhereThereIsNoCrowd(t *testing.T) {
	jobs, err := plan(Options{Only: []string{"mix-up", "idle"}, Congestion: []string{"cubic", "bbr"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := 2*len(peers.Names()) + 1; len(jobs) != want {
		t.Errorf("%d jobs, want each peer with each congestion control and one idle agent: %d", len(jobs), want)
	}
	for _, o := range []Options{{Only: []string{"mix-left"}}, {Peers: []string{"fax"}}, {Only: []string{"idle"}, Peers: []string{"rsync"}}} {
		o.Congestion = []string{"cubic"}
		if jobs, err := plan(o); err == nil {
			t.Errorf("%+v gives %d jobs", o, len(jobs))
		}
	}
}

func TestLimitIsContentAtItsSmallest(t *testing.T) {
	text := bytes.Repeat([]byte("Cộng hòa xã hội chủ nghĩa Việt Nam\n"), 1000)
	small, err := packed([]peers.Document{{Data: text}})
	if err != nil || small > int64(len(text)/50) {
		t.Errorf("%d bytes of text take %d, %v", len(text), small, err)
	}
	scan, err := letters(1, 100_000, 1, "x")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := packed(scan); err != nil || n > int64(len(scan[0].Data)) || n < int64(len(scan[0].Data)*95/100) {
		t.Errorf("a scan of %d bytes takes %d, %v", len(scan[0].Data), n, err)
	}
}

func TestRoundKeepsFourDigits(t *testing.T) {
	for in, want := range map[float64]float64{0: 0, 1.04567: 1.046, 123456: 123500, 0.00012345: 0.0001235} {
		if got := round(in); got < want*0.99999 || got > want*1.00001 {
			t.Errorf("%v became %v, want %v", in, got, want)
		}
	}
	if median([]float64{3, 1, 2}) != 2 || median([]float64{4, 1, 2, 3}) != 2.5 {
		t.Error("median is wrong")
	}
}
