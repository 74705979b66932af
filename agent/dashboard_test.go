package agent_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tram/agent/metrics"
	"tram/agent/tooltest"
)

// dashboard is what matters of dashboard.json.
type dashboard struct {
	ID            *int
	UID, Title    string
	SchemaVersion int
	Inputs        []any `json:"__inputs"`
	Templating    struct{ List []variable }
	Panels        []panel
}

type variable struct {
	Name, Type string
	Query      any
	Datasource source
}

type source struct{ Type, UID string }

type panel struct {
	ID          int
	Type, Title string
	Description string
	Datasource  *source
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		RefID, Expr, LegendFormat string
		Datasource                source
	}
	Panels []panel
}

const datasource = "${datasource}"

func readDashboard(t *testing.T) dashboard {
	data, err := os.ReadFile(filepath.Join(monitoring, "dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTheDashboardImportsAnywhere holds it to what Grafana needs of a dashboard from
// elsewhere: no number of its own, a variable for the data source that everything
// uses, panels that are told apart and do not overlap.
func TestTheDashboardImportsAnywhere(t *testing.T) {
	d := readDashboard(t)
	if d.ID != nil || d.UID == "" || len(d.UID) > 40 || d.Title == "" || d.SchemaVersion < 36 || len(d.Inputs) > 0 || len(d.Panels) < 10 {
		t.Errorf("%+v", d)
	}
	var names []string
	for i, v := range d.Templating.List {
		names = append(names, v.Name)
		if i == 0 && (v.Name != "datasource" || v.Type != "datasource" || v.Query != "prometheus") || i > 0 && v.Datasource.UID != datasource {
			t.Errorf("variable %+v", v)
		}
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.ID == 0 || p.Title == "" || len(p.Panels) > 0 || !slices.Contains([]string{"row", "stat", "timeseries", "table"}, p.Type) {
			t.Errorf("panel %d %q of type %s", p.ID, p.Title, p.Type)
		}
		ids[p.ID] = true
		if g := p.GridPos; g.X < 0 || g.W < 1 || g.H < 1 || g.X+g.W > 24 {
			t.Errorf("%q lies at %+v", p.Title, g)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" {
					t.Fatalf("%q lies on %q", p.Title, taken[at])
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Description == "" || p.Datasource == nil || *p.Datasource != (source{"prometheus", datasource}) || len(p.Targets) == 0 {
			t.Errorf("%q is %+v", p.Title, p)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if refs[q.RefID] || q.RefID == "" || q.Expr == "" || q.LegendFormat == "" || q.Datasource.UID != datasource {
				t.Errorf("%q asks %+v", p.Title, q)
			}
			refs[q.RefID] = true
			for _, m := range regexp.MustCompile(`\$\{?([a-z]+)`).FindAllStringSubmatch(q.Expr, -1) {
				if !slices.Contains(names, m[1]) {
					t.Errorf("%q has no variable %s", p.Title, m[1])
				}
			}
		}
	}
}

// TestTheDashboardAsksForWhatThereIs has each query parsed by Prometheus' own parser,
// and compares metrics and labels with those of the programs.
func TestTheDashboardAsksForWhatThereIs(t *testing.T) {
	d := readDashboard(t)
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	values := strings.NewReplacer("$__rate_interval", "5m", "$hub", ".*", "$cluster", ".*", "$office", ".*")
	check := func(where, expr string) {
		knownMetrics(t, where, expr)
		knownLabels(t, where, expr)
		fmt.Fprintf(&rules, "  - record: q%d\n    expr: %q\n", strings.Count(rules.String(), "record:"), values.Replace(expr))
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			check(p.Title, q.Expr)
			for _, m := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(q.LegendFormat, -1) {
				if !regexp.MustCompile(`\b`+m[1]+`\b`).MatchString(q.Expr) && m[1] != "instance" && !labelOf(q.Expr, m[1]) {
					t.Errorf("%q shows the label %s, which %s does not give", p.Title, m[1], q.Expr)
				}
			}
		}
	}
	for _, v := range d.Templating.List[1:] {
		q, _ := v.Query.(map[string]any)
		m := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(fmt.Sprint(q["query"]))
		if m == nil {
			t.Errorf("variable %s asks for %v", v.Name, v.Query)
			continue
		}
		check(v.Name, m[1])
		if m[2] != "instance" && !labelOf(m[1], m[2]) {
			t.Errorf("variable %s: there is no label %s", v.Name, m[2])
		}
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool := tooltest.Find(t, "promtool", "the parsing of the dashboard's queries")
	if out, err := exec.Command(promtool, "check", "rules", "--lint=none", file).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// descOf is the metric that an expression begins to ask for, nil for none.
func descOf(name string) *metrics.Desc {
	for _, p := range programs {
		for _, d := range p.descs {
			if d.Name == name || d.Type == metrics.HistogramType && strings.HasPrefix(name, d.Name+"_") {
				return d
			}
		}
	}
	return nil
}

// labelOf tells whether a metric of an expression has a label.
func labelOf(expr, label string) bool {
	return slices.ContainsFunc(metricName.FindAllString(expr, -1), func(name string) bool {
		d := descOf(name)
		return d != nil && slices.Contains(d.Labels, label)
	})
}

var selector = regexp.MustCompile(`\b((?:tram|go|process)_[a-z0-9_]+)\{([^}]*)\}`)

// knownLabels fails the test for a selector by a label that its metric has not, and for
// a grouping by one that none has.
func knownLabels(t *testing.T, where, expr string) {
	t.Helper()
	for _, m := range selector.FindAllStringSubmatch(expr, -1) {
		for _, l := range regexp.MustCompile(`(\w+)(?:=|!=|=~|!~)"`).FindAllStringSubmatch(m[2], -1) {
			if d := descOf(m[1]); l[1] != "instance" && d != nil && !slices.Contains(d.Labels, l[1]) {
				t.Errorf("%s: %s has no label %s", where, m[1], l[1])
			}
		}
	}
	for _, m := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(expr, -1) {
		for _, l := range strings.Split(m[1], ",") {
			if l = strings.TrimSpace(l); !slices.Contains([]string{"instance", "job", "le"}, l) && !labelOf(expr, l) {
				t.Errorf("%s: nothing in %s has the label %s", where, expr, l)
			}
		}
	}
}
