package incident

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

const (
	// maxOverrides bounds how many rules may be changed.
	maxOverrides = 500
	// off switches a rule off.
	off = "off"
	// maxLimit bounds a limit that is a time, and one that is a number.
	maxLimit = 1000 * 24 * time.Hour
	maxCount = 1e6
)

// Override changes rules by lines such as "disk-filling warning 21d", "clock-off off"
// and, for one cluster, "Cụm Kỳ Sơn: silent warning 48h". A line sets the limit of one
// severity; the others of that rule stay. The problem incident.rule names a line that
// cannot be.
func (r Rules) Override(lines []string) (Rules, error) {
	changed := r.clone()
	if len(lines) > maxOverrides {
		return r, problem.New(problem.Usage, "incident.rules", "alerts.rules", i18n.Args{"most": maxOverrides})
	}
	var faults problem.List
	for _, line := range lines {
		if !changed.override(line) {
			faults = append(faults, problem.New(problem.Usage, "incident.rule", "alerts.rules", i18n.Args{"line": line, "rules": codesText(), "severities": severitiesText()}))
		}
	}
	if err := faults.Err(); err != nil {
		return r, err
	}
	return changed, nil
}

func codesText() string {
	var words []string
	for _, c := range Codes() {
		words = append(words, string(c))
	}
	return strings.Join(words, ", ")
}

func severitiesText() string {
	words := make([]string, 0, len(Severities))
	for _, s := range Severities {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

func (r *Rules) override(line string) bool {
	cluster, rest, named := strings.Cut(line, ":")
	if !named {
		cluster, rest = "", line
	}
	cluster = strings.TrimSpace(cluster)
	words := strings.Fields(rest)
	if named && cluster == "" || len(words) < 2 || len(words) > 3 {
		return false
	}
	rule := r.For(cluster, Code(words[0]))
	if rule.Code == "" {
		return false
	}
	if len(words) == 2 {
		rule.Levels = nil
		r.set(cluster, rule)
		return words[1] == off
	}
	severity := Severity(words[1])
	limit, ok := readLimit(rule.Unit, words[2])
	// What is urgent is told at once, or not at all; what is told in digests has no
	// incident for each cluster.
	if !ok || severity.rank() == 0 || rule.Urgent && severity != Page || rule.Per != PerRule && rule.Per != PerWeek && severity.Digest() || rule.Per == PerRule && !severity.Digest() {
		return false
	}
	levels := slices.DeleteFunc(slices.Clone(rule.Levels), func(l Level) bool { return l.Severity == severity })
	levels = append(levels, Level{limit, severity})
	slices.SortFunc(levels, func(a, b Level) int { return b.Severity.rank() - a.Severity.rank() })
	for i := 1; i < len(levels); i++ { // the more severe, the further beyond
		if rule.Below && levels[i].Limit <= levels[i-1].Limit || !rule.Below && levels[i].Limit >= levels[i-1].Limit {
			return false
		}
	}
	rule.Levels = levels
	r.set(cluster, rule)
	return true
}

// readLimit reads a limit in its unit: "15m", "2h" or "14d", or a number.
func readLimit(u Unit, text string) (float64, bool) {
	if u == Seconds {
		d, ok := readSpan(text)
		return d.Seconds(), ok && d > 0 && d <= maxLimit
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= maxCount) || u != Times && n != float64(int(n)) || u == WorkingDays && n > maxIdle/2 {
		return 0, false
	}
	return n, true
}

func readSpan(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}
