package agent_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/config"
	"tram/agent/health/beat"
	"tram/agent/hub"
	"tram/agent/hub/fleet"
	"tram/agent/metrics"
	"tram/agent/office"
	"tram/agent/tooltest"
	"tram/sync/linktest"
)

// programs are whose metrics agent/README.md has a table of.
var programs = []struct {
	table string
	descs []*metrics.Desc
}{{"Of every program", metrics.Own}, {"Of an office", agent.Metrics}, {"Of a hub", hub.Metrics}}

func TestTheTablesOfMetricsAreRight(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, p := range programs {
		var want strings.Builder
		for _, d := range p.descs {
			if names[d.Name] {
				t.Errorf("%s is there twice", d.Name)
			}
			names[d.Name] = true
			wellNamed(t, d)
			labels := ""
			if len(d.Labels) > 0 {
				labels = "`" + strings.Join(d.Labels, "`, `") + "`"
			}
			for _, cell := range []string{"`" + d.Name + "`", string(d.Type), d.Unit, labels, d.Help} {
				want.WriteString(strings.TrimSuffix("| "+cell, " ") + " ")
			}
			want.WriteString("|\n")
		}
		head := p.table + ":\n\n| metric | type | unit | labels | meaning |\n| --- | --- | --- | --- | --- |\n"
		_, table, _ := strings.Cut(string(readme), head)
		table, _, _ = strings.Cut(table, "\n\n")
		if table+"\n" != want.String() {
			t.Errorf("agent/README.md should have:\n%s%s", head, want.String())
		}
	}
}

// wellNamed holds a metric to the rules of OpenMetrics for names.
func wellNamed(t *testing.T, d *metrics.Desc) {
	t.Helper()
	stem := strings.TrimSuffix(d.Name, "_total")
	switch {
	case !regexp.MustCompile(`^(tram|tram_hub|go|process)(_[a-z0-9]+)+$`).MatchString(d.Name),
		(stem != d.Name) != (d.Type == metrics.Counter), strings.HasSuffix(d.Name, "_info") != (d.Type == metrics.Info),
		d.Unit != "" && !strings.HasSuffix(stem, "_"+d.Unit), !strings.HasSuffix(d.Help, "."), strings.Contains(d.Help, "|"):
		t.Errorf("%+v is not well formed", *d)
	}
}

const openMetrics = "application/openmetrics-text; version=1.0.0"

// scrape gets the metrics of a program and holds them to the readers of both formats.
func scrape(t *testing.T, address string) (text string) {
	t.Helper()
	get := func(accept string) []byte {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+metrics.Path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v", address, res.Status, err)
		}
		return body
	}
	check := func(in []byte, name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Stdin = bytes.NewReader(in)
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s of %s: %v\n%s\n%s", name, address, err, out, in)
		}
	}
	plain := get("text/plain;version=0.0.4")
	check(plain, tooltest.Find(t, "promtool", "the check of the metrics of running programs"), "check", "metrics")
	check(get(openMetrics), tooltest.Find(t, "/usr/bin/python3", "the check of OpenMetrics"), "-c", `import sys
from prometheus_client.openmetrics.parser import text_fd_to_metric_families as read
assert len(list(read(sys.stdin))) > 30`)
	return string(plain)
}

var sampleLine = regexp.MustCompile(`^([a-z_]+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)

// holds compares what a program gives with its metrics.
func holds(t *testing.T, text string, descs []*metrics.Desc) {
	t.Helper()
	labels := map[string][]string{}
	for _, d := range slices.Concat(metrics.Own, descs) {
		labels[d.Name] = d.Labels
		if !strings.Contains(text, "# HELP "+d.Name+" ") {
			t.Errorf("%s is missing", d.Name)
		}
	}
	for line := range strings.Lines(text) {
		m := sampleLine.FindStringSubmatch(strings.TrimSpace(line))
		if strings.HasPrefix(line, "#") {
			continue
		}
		if m == nil {
			t.Errorf("%q is no sample", line)
			continue
		}
		var got []string
		for _, pair := range regexp.MustCompile(`([a-z]+)="`).FindAllStringSubmatch(m[2], -1) {
			if pair[1] != "le" {
				got = append(got, pair[1])
			}
		}
		if want, known := labels[m[1]]; !known || !slices.Equal(got, want) {
			t.Errorf("%q has the labels %q, want %q (known: %v)", line, got, want, known)
		}
	}
}

// TestMonitoringSoftwareSeesOfficeAndHub sends an urgent document and reads what both
// programs say of it.
func TestMonitoringSoftwareSeesOfficeAndHub(t *testing.T) {
	p := found(t)
	p.config.Metrics.Listen = linktest.FreeAddr(t)
	listens := map[string]string{codeA: linktest.FreeAddr(t), codeB: linktest.FreeAddr(t)}
	p.settings = func(code string, c *config.Office) {
		c.Metrics.Listen, c.Heartbeat.Every = listens[code], time.Second
	}
	early := p.start(codeB)
	if text := scrapeBare(t, listens[codeB]); !strings.Contains(text, "\ntram_enrolled 0\n") {
		t.Errorf("before it has joined:\n%s", text)
	}
	early.end(t)
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	sent := a.hand(codeB, office.HoaToc, []byte("Công điện"))
	b.reaches(sent.ID, office.Arrived)
	a.reaches(sent.ID, office.Delivered)
	b.end(t)
	held := a.hand(codeB, office.Khan, []byte("Họp gấp"))
	a.reaches(held.ID, office.AtHub)
	p.eventually("heartbeat and judgement", func() bool {
		list, err := p.theHub.ListAgents(t.Context(), hub.AgentQuery{States: []fleet.State{fleet.Normal}})
		return err == nil && len(list.Agents) == 2 && !list.Agents[0].Beat.IsZero() &&
			!list.Agents[0].StateSince.IsZero() && !list.Agents[1].StateSince.IsZero()
	})

	text := scrape(t, listens[codeA])
	holds(t, text, agent.Metrics)
	contains(t, text, `tram_build_info{program="tram",version="test"} 1`, `tram_enrolled 1`, `tram_link_up 1`, `tram_documents{box="out",state="delivered"} 1`,
		`tram_delivery_seconds_count{urgency="hoa-toc"} 1`, `tram_queue_bundles{direction="out",urgency="hoa-toc"} 0`, `tram_queue_oldest_seconds{direction="in",urgency="hoa-toc"} 0`,
		`tram_condition{code="disk-low"} 0`, `tram_clock_trusted 1`, `tram_link_sent_bytes_total{line="metered"} 0`, `tram_metrics_failures_total{collector="queue"} 0`)
	text = scrape(t, p.config.Metrics.Listen)
	holds(t, text, hub.Metrics)
	contains(t, text, `tram_hub_agents{cluster="H40",state="normal"} 2`, `tram_hub_agents_online{cluster="H40"} 1`, `tram_hub_agents_software{software="tram test"} 2`,
		`tram_hub_delivery_seconds_count{cluster="H40",urgency="hoa-toc"} 1`, `tram_hub_undelivered_documents{cluster="H40",urgency="khan"} 1`,
		`tram_hub_custody_bundles{urgency="khan"} 1`, `tram_hub_broker_up 1`, `tram_hub_broker_sessions 2`, `tram_hub_condition{code="disk"} 0`,
		`tram_hub_findings{rule="undelivered-hoa-toc",severity="page"} 0`, `tram_hub_incidents_open{rule="silent",severity="warning"} 0`,
		`tram_metrics_failures_total{collector="agents"} 0`, `tram_metrics_dropped_series 0`)
	for _, name := range []string{"tram_hub_beats_total", `tram_hub_delivered_bytes_total{urgency="hoa-toc"}`, "tram_hub_database_size_bytes", `tram_hub_undelivered_oldest_seconds{cluster="H40",urgency="khan"}`} {
		if regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+` (0|-.*)$`).MatchString(text) || !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("%s is not above 0; there is\n%s", name, strings.Join(regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(name)+`.*$`).FindAllString(text, -1), "\n"))
		}
	}
	a.end(t)
}

func contains(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("%s is missing; there is\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(text, -1), "\n"))
		}
	}
}

// scrapeBare gets the metrics without the checks of others.
func scrapeBare(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get("http://" + address + metrics.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return string(body)
}

// TestP12_PlainToolsReadPresenceAndHeartbeats has mosquitto_sub watch a running hub, with
// the command of sync/README.md.
func TestP12_PlainToolsReadPresenceAndHeartbeats(t *testing.T) {
	program := tooltest.Find(t, "mosquitto_sub", "the test that plain tools can watch")
	p := found(t)
	p.settings = func(_ string, c *config.Office) { c.Heartbeat.Every = time.Second }
	p.startHub()
	a, b := p.join(codeA), p.join(codeB)
	host, port, err := net.SplitHostPort(p.config.MQTT.Address)
	if err != nil {
		t.Fatal(err)
	}
	watch := func(lines int, topic string) (list []string) {
		cmd := exec.Command(program, "-V", "mqttv311", "-i", "h40:watch", "--cafile", "ca.crt", "--cert", "device.crt", "--key", "device.key",
			"-h", host, "-p", port, "-t", topic, "-v", "-C", strconv.Itoa(lines), "-W", "60")
		cmd.Dir = filepath.Join(p.hubDir(), "keys")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	p.eventually("both offices", func() bool {
		list, err := p.theHub.ListAgents(t.Context(), hub.AgentQuery{})
		return err == nil && len(list.Agents) == 2 && list.Agents[0].Online && list.Agents[1].Online
	})
	present := map[string]string{}
	for _, line := range watch(3, "tram/1/h40/presence/+") {
		topic, report, _ := strings.Cut(line, " ")
		var said struct{ Office, State string }
		if err := json.Unmarshal([]byte(report), &said); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		present[strings.TrimPrefix(topic, "tram/1/h40/presence/")] = said.Office + " " + said.State
	}
	if want := map[string]string{"h40": "H40 online", "h40_12": codeA + " online", "h40_15": codeB + " online"}; !maps.Equal(present, want) {
		t.Errorf("present are %v", present)
	}
	for _, line := range watch(3, "tram/1/h40/health/+") {
		topic, report, _ := strings.Cut(line, " ")
		said, err := beat.Parse([]byte(report))
		if err != nil || said.Software != "tram test" || !slices.Contains([]string{"tram/1/h40/health/h40_12", "tram/1/h40/health/h40_15"}, topic) {
			t.Errorf("%q: %v", line, err)
		}
	}
	doc := a.send(codeB, []byte("the hub goes on"))
	b.reaches(doc.ID, office.Arrived)
}
