package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"tram/agent/tooltest"
)

var (
	sends   = &Desc{"tram_test_sent_bytes_total", Counter, "bytes", []string{"line"}, `What "goes" over C:\line,` + "\nby line."}
	waits   = &Desc{"tram_test_waiting", Gauge, "", []string{"cluster", "urgency"}, "What waits."}
	empty   = &Desc{"tram_test_nothing", Gauge, "", nil, "There is none of it."}
	latency = &Desc{"tram_test_latency_seconds", HistogramType, "seconds", []string{"urgency"}, "How long it took."}
)

// sample is a set with everything that is awkward.
func sampleSet() *Set {
	s := NewSet([]*Desc{build, sends, waits, empty, latency})
	s.Add(build, 1, "tram", "v1")
	s.Add(sends, 12, "free")
	s.Add(sends, 1e15, "metered")
	s.Add(waits, 2, "Cụm \"Kỳ Sơn\"\\\n", "hoa-toc")
	s.Add(waits, 1, "Cụm \"Kỳ Sơn\"\\\n", "hoa-toc")
	s.Add(waits, math.Inf(1), "broken \xff", "thuong")
	h := NewHistogram(latency, []float64{0.5, 1, 60, 604800})
	for _, v := range []float64{0.5, 0.6, 61, 1e9} {
		h.Observe(v, "khan")
	}
	h.Into(s)
	return s
}

const wantText = `# HELP tram_build_info The program and its version.
# TYPE tram_build_info gauge
tram_build_info{program="tram",version="v1"} 1
# HELP tram_test_sent_bytes_total What "goes" over C:\\line,\nby line.
# TYPE tram_test_sent_bytes_total counter
tram_test_sent_bytes_total{line="free"} 12
tram_test_sent_bytes_total{line="metered"} 1e+15
# HELP tram_test_waiting What waits.
# TYPE tram_test_waiting gauge
tram_test_waiting{cluster="Cụm \"Kỳ Sơn\"\\\n",urgency="hoa-toc"} 3
tram_test_waiting{cluster="broken �",urgency="thuong"} +Inf
# HELP tram_test_nothing There is none of it.
# TYPE tram_test_nothing gauge
# HELP tram_test_latency_seconds How long it took.
# TYPE tram_test_latency_seconds histogram
tram_test_latency_seconds_bucket{urgency="khan",le="0.5"} 1
tram_test_latency_seconds_bucket{urgency="khan",le="1.0"} 2
tram_test_latency_seconds_bucket{urgency="khan",le="60.0"} 2
tram_test_latency_seconds_bucket{urgency="khan",le="604800.0"} 3
tram_test_latency_seconds_bucket{urgency="khan",le="+Inf"} 4
tram_test_latency_seconds_sum{urgency="khan"} 1.0000000621e+09
tram_test_latency_seconds_count{urgency="khan"} 4
`

func TestBothFormatsToTheByte(t *testing.T) {
	if got := string(text.write(sampleSet())); got != wantText {
		t.Errorf("text format:\n%s", got)
	}
	want := strings.NewReplacer(
		"tram_build_info The", "tram_build The", "tram_build_info gauge", "tram_build info",
		`_total What "goes"`, ` What \"goes\"`, "_total counter", " counter\n# UNIT tram_test_sent_bytes bytes",
		"_seconds histogram", "_seconds histogram\n# UNIT tram_test_latency_seconds seconds",
	).Replace(wantText) + "# EOF\n"
	if got := string(open.write(sampleSet())); got != want {
		t.Errorf("OpenMetrics:\n%s\nwant\n%s", got, want)
	}
}

func TestP12_StrictReadersOfBothFormatsTakeThem(t *testing.T) {
	promtool := tooltest.Find(t, "promtool", "the check of the text format")
	run := func(in []byte, name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Stdin = bytes.NewReader(in)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	run(text.write(sampleSet()), promtool, "check", "metrics")
	python := tooltest.Find(t, "/usr/bin/python3", "the check of OpenMetrics")
	run(open.write(sampleSet()), python, "-c", `import sys
from prometheus_client.openmetrics.parser import text_fd_to_metric_families as read
assert len(list(read(sys.stdin))) == 5`)
}

func TestTheReaderGetsTheFormatItLikesBest(t *testing.T) {
	for _, c := range []struct {
		accept string
		want   format
	}{
		{"", text},
		{"*/*", text},
		{"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", text},
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", open},
		{`application/openmetrics-text; version="1.0.0"; escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3`, open},
		{"application/openmetrics-text;version=2.0.0,text/plain;version=0.0.4;q=0.5", text},
		{"application/openmetrics-text;version=1.0.0;q=0.2,text/plain;version=0.0.4;q=0.5", text},
		{"application/openmetrics-text;q=0", text},
		{"application/openmetrics-text;q=none", open},
		{";;,q=,", text},
	} {
		if got := negotiate(c.accept); got != c.want {
			t.Errorf("%q: %s", c.accept, got.contentType)
		}
	}
}

func TestP9_AMetricHasOnlySoManySeries(t *testing.T) {
	s := NewSet([]*Desc{waits, latency, sends})
	h, c := NewHistogram(latency, []float64{1}), NewCounts(sends)
	for i := range 2 * MaxSeries {
		s.Add(waits, 1, fmt.Sprint(i), "khan")
		h.Observe(1, fmt.Sprint(i))
		c.Add(1, fmt.Sprint(i))
	}
	h.Into(s)
	c.Into(s)
	for _, f := range s.families {
		if len(f.series) != MaxSeries {
			t.Errorf("%s has %d series", f.Name, len(f.series))
		}
	}
	if s.Dropped() != 3*MaxSeries {
		t.Errorf("%d are said to be left out", s.Dropped())
	}
}

func serve(t *testing.T, o Options) *Server {
	t.Helper()
	o.Address, o.Descs = "127.0.0.1:0", []*Desc{waits}
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return s
}

func get(t *testing.T, s *Server) (int, string) {
	t.Helper()
	res, err := http.Get("http://" + s.Addr() + Path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestAPartThatFailsKeepsNothingElseBack(t *testing.T) {
	calls := 0
	s := serve(t, Options{Program: "tram", Version: "v2", Collectors: []Collector{
		{"bad", func(context.Context, *Set) error { return errors.New("database is busy") }},
		{"good", func(_ context.Context, s *Set) error {
			calls++
			s.Add(waits, 7, "a", "khan")
			return nil
		}},
	}})
	for range 3 {
		code, body := get(t, s)
		for _, want := range []string{
			`tram_test_waiting{cluster="a",urgency="khan"} 7`, `tram_metrics_failures_total{collector="bad"} 1`,
			`tram_metrics_failures_total{collector="good"} 0`, `tram_build_info{program="tram",version="v2"} 1`,
			"\ngo_goroutines ", "\nprocess_start_time_seconds ", "\ntram_metrics_gather_seconds ",
		} {
			if code != http.StatusOK || !strings.Contains(body, want) {
				t.Errorf("%d without %s:\n%s", code, want, body)
			}
		}
	}
	if calls != 1 {
		t.Errorf("figures were gathered %d times in a moment", calls)
	}
	s.mu.Lock()
	s.until = time.Now()
	s.mu.Unlock()
	get(t, s)
	if calls != 2 {
		t.Error("old figures are given out")
	}
}

func TestOtherRequestsAreRefused(t *testing.T) {
	s := &Server{descs: Own, failures: NewCounts(failures)}
	for _, c := range []struct {
		method, target, host string
		want                 int
	}{
		{"GET", "/metrics", "127.0.0.1:9710", 200},
		{"HEAD", "/metrics", "localhost", 200},
		{"GET", "/metrics?x=1", "[::1]:9710", 200},
		{"GET", "/metrics", "evil.example:9710", 421},
		{"GET", "/metrics", "", 421},
		{"POST", "/metrics", "localhost", 405},
		{"GET", "/", "localhost", 404},
		{"GET", "/debug/pprof/", "localhost", 404},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s %s of %q: %d", c.method, c.target, c.host, w.Code)
		}
	}
	s.o.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	if !s.expects("hub.tinh.gov.vn:9710") {
		t.Error("its own name is refused beyond loopback")
	}
}

func TestOnlyThoseOnTheListAreAnswered(t *testing.T) {
	s := &Server{o: Options{Allow: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")}}}
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "192.0.2.9": true, "::ffff:192.0.2.9": true, "192.0.3.9": false, "2001:db8::1": true, "2001:db8::2": false, "fe80::1%eth0": false,
	} {
		a := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 1))
		if s.allowed(a) != want {
			t.Errorf("%s: %v", addr, !want)
		}
	}
	if s.allowed(&net.UnixAddr{Name: "x"}) {
		t.Error("an address that is none is allowed")
	}
}

func TestP9_IdleConnectionsDoNotFillTheServer(t *testing.T) {
	s := serve(t, Options{})
	var idle []net.Conn
	for range maxConnections {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	for begin := time.Now(); s.open.Load() < maxConnections; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("only %d connections", s.open.Load())
		}
	}
	more, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	more.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := more.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one more is kept: %v", err)
	}
	for _, c := range append(idle, more) {
		c.Close()
	}
	for begin := time.Now(); s.open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("%d connections stay", s.open.Load())
		}
	}
	if code, _ := get(t, s); code != http.StatusOK {
		t.Error("no answer afterwards")
	}
}

func TestWhatLinuxSaysOfAProcess(t *testing.T) {
	const stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 9 0 100 1000 3 18446744073709551615 1\n"
	proc := fstest.MapFS{
		"stat": {Data: []byte(stat)}, "fd/0": {}, "fd/1": {}, "limits": {Data: []byte("Limit  Soft  Hard  Units\nMax open files            1024                 4096                 files\n")},
	}
	p, ok := readProcess(proc)
	if !ok || p.cpu != 3 || p.rss == 0 || p.files != 2 || p.maxFiles != 1024 {
		t.Errorf("%+v, %v", p, ok)
	}
	for _, broken := range []string{"", "7 (a", "7 (a) S 1", strings.Replace(stat, "250", "x", 1)} {
		proc["stat"].Data = []byte(broken)
		if _, ok := readProcess(proc); ok {
			t.Errorf("%q is read", broken)
		}
	}
	if _, ok := readProcess(fstest.MapFS{}); ok {
		t.Error("where there is no /proc, something is read")
	}
}

// FuzzLabels: whatever stands in a label or help text, each line of the output is a
// comment or a sample.
func FuzzLabels(f *testing.F) {
	f.Add("Cụm \"A\"\\\n", "khan")
	f.Add("\xff{}", "\r\n#")
	f.Fuzz(func(t *testing.T, cluster, help string) {
		s := NewSet([]*Desc{{"tram_fuzz", Gauge, "", []string{"cluster"}, help}})
		s.Add(s.families[0].Desc, 1, cluster)
		for _, form := range []format{text, open} {
			lines := strings.Split(strings.TrimSuffix(string(form.write(s)), "\n"), "\n")
			want := 3
			if form.open {
				want++
			}
			if len(lines) != want || !strings.HasPrefix(lines[2], `tram_fuzz{cluster="`) || !strings.HasSuffix(lines[2], `"} 1`) {
				t.Errorf("%q", lines)
			}
		}
	})
}
