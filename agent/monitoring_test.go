package agent_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tram/agent/hub/incident"
	"tram/agent/metrics"
	"tram/agent/tooltest"
)

const monitoring = "../packaging/monitoring"

func TestP12_AlertRulesDoWhatTheySay(t *testing.T) {
	promtool := tooltest.Find(t, "promtool", "the test of the alert rules")
	for _, args := range [][]string{{"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = monitoring
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// alertRule is one of alerts.yml.
type alertRule struct{ name, expr, severity, scope, text string }

func alertRules(t *testing.T) (list []alertRule) {
	data, err := os.ReadFile(filepath.Join(monitoring, "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(data), "      - alert: ")[1:] {
		field := func(pattern string) string {
			m := regexp.MustCompile(pattern).FindStringSubmatch(block)
			if m == nil {
				t.Fatalf("%q has no %s", block, pattern)
			}
			return m[1]
		}
		list = append(list, alertRule{
			name: field(`^(.*)\n`), expr: field(`(?s)expr: (.*?)\n        (?:for|labels):`), severity: field(`severity: (.*)\n`), scope: field(`scope: (.*)\n`),
			text: field(`(?s)annotations:(.*)`),
		})
	}
	return list
}

// alive is the alert that is always on.
const alive = "alerting-alive"

// TestAlertRulesMirrorTheHubsOwn compares names, severities and limits.
func TestAlertRulesMirrorTheHubsOwn(t *testing.T) {
	tested, err := os.ReadFile(filepath.Join(monitoring, "alerts_test.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rules := incident.DefaultRules()
	severities := map[incident.Code][]incident.Severity{}
	for _, a := range alertRules(t) {
		code := incident.Code(a.name)
		if !slices.Contains(incident.Codes(), code) && a.name != alive {
			t.Errorf("a hub has no rule %s", a.name)
		}
		if !strings.Contains(a.text, `summary: "`) || !strings.Contains(a.text, `summary_en: "`) {
			t.Errorf("%s is not said in both languages", a.name)
		}
		if !regexp.MustCompile(`exp_labels: \{.*scope: ` + a.scope + `, severity: ` + a.severity).MatchString(afterName(string(tested), a.name)) {
			t.Errorf("nothing shows that %s, %s, fires for %s", a.name, a.severity, a.scope)
		}
		if a.scope != "hub" || a.name == alive {
			continue
		}
		severities[code] = append(severities[code], incident.Severity(a.severity))
		for _, l := range rules.For("", code).Levels {
			computed := !strings.Contains(a.expr, "tram_hub_findings") && !strings.Contains(a.expr, "_reason{") && !strings.Contains(a.expr, "_missing") && !strings.Contains(a.expr, "deriv(")
			limit := strconv.FormatFloat(l.Limit, 'f', -1, 64)
			if rules.For("", code).Unit == incident.Seconds && computed && string(l.Severity) == a.severity && !regexp.MustCompile(`(>=|<) `+limit+`\b`).MatchString(a.expr) {
				t.Errorf("%s, %s: %s is not at the limit %s", a.name, a.severity, a.expr, limit)
			}
		}
	}
	for _, code := range incident.Codes() {
		var want []incident.Severity
		for _, l := range rules.For("", code).Levels {
			want = append(want, l.Severity)
		}
		if !slices.Equal(severities[code], want) {
			t.Errorf("%s has alerts of %v, want %v", code, severities[code], want)
		}
	}
}

// afterName is what the tests expect of an alert.
func afterName(tests, alert string) string {
	var b strings.Builder
	for _, part := range strings.Split(tests, "alertname: ")[1:] {
		if name, rest, _ := strings.Cut(part, "\n"); name == alert {
			b.WriteString(rest)
		}
	}
	return b.String()
}

var metricName = regexp.MustCompile(`\b(?:tram|go|process)_[a-z0-9_]+`)

// knownMetrics fails the test for a metric that no program has.
func knownMetrics(t *testing.T, where, expr string) {
	t.Helper()
	for _, name := range metricName.FindAllString(expr, -1) {
		known := slices.ContainsFunc(programs, func(p struct {
			table string
			descs []*metrics.Desc
		}) bool {
			return slices.ContainsFunc(p.descs, func(d *metrics.Desc) bool {
				return d.Name == name || d.Type == metrics.HistogramType && slices.Contains([]string{d.Name + "_bucket", d.Name + "_sum", d.Name + "_count"}, name)
			})
		})
		if !known {
			t.Errorf("%s: there is no metric %s", where, name)
		}
	}
}

func TestAlertRulesAskForMetricsThatExist(t *testing.T) {
	list := alertRules(t)
	if len(list) == 0 {
		t.Fatal("no alert was found")
	}
	for _, a := range list {
		knownMetrics(t, a.name, a.expr)
		knownLabels(t, a.name, a.expr)
	}
}
