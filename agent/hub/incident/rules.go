package incident

import (
	"maps"
	"slices"
	"time"
)

// Code names a rule. Never rename one: operators' tools know them.
type Code string

// Codes of rules.
const (
	HoaTocLate        Code = "undelivered-hoa-toc"
	ThuongKhanLate    Code = "undelivered-thuong-khan"
	KhanLate          Code = "undelivered-khan"
	ThuongLate        Code = "undelivered-thuong"
	OldestUnsent      Code = "oldest-unsent"
	Silent            Code = "silent"
	GroupSilent       Code = "group-silent"
	Flapping          Code = "flapping"
	QueueSlow         Code = "queue-slow"
	QueueGrowing      Code = "queue-growing"
	ClockOff          Code = "clock-off"
	ClockBack         Code = "clock-back"
	DiskFilling       Code = "disk-filling"
	CertificateEnding Code = "certificate-ending"
	RevocationOld     Code = "revocation-list-old"
	VersionBehind     Code = "version-behind"
	VersionOld        Code = "version-old"
	SIMForecast       Code = "sim-forecast"
	SIMJump           Code = "sim-jump"
	SignatureBad      Code = "signature-bad"
	BackupOld         Code = "backup-old"
	HubDegraded       Code = "hub-degraded"
)

// Severity says how something is told, see [Settings].
type Severity string

// Severities, from the one that people are called for at any hour to the one that
// can wait a week.
const (
	Page     Severity = "page"     // at once, at any hour
	Critical Severity = "critical" // at once in on-call hours, else at their beginning
	Warning  Severity = "warning"  // at once in office hours, else at the next opening
	Daily    Severity = "daily"    // in the digest of each working day
	Weekly   Severity = "weekly"   // in the digest of each week
)

// Severities are all of them, the most severe first.
var Severities = []Severity{Page, Critical, Warning, Daily, Weekly}

// rank orders severities; 0 is none.
func (s Severity) rank() int {
	if i := slices.Index(Severities, s); i >= 0 {
		return len(Severities) - i
	}
	return 0
}

// Digest says that it is told in a digest alone.
func (s Severity) Digest() bool { return s == Daily || s == Weekly }

// Unit is what the limits of a rule are measured in.
type Unit string

// Units.
const (
	Seconds     Unit = "time"         // as in "15m", "2h", "14d"
	Times       Unit = "ratio"        // of what is allowed
	Count       Unit = "count"        // of things
	WorkingDays Unit = "working-days" // until the end of the last one
)

// Level is a limit, and how severe it is to be beyond it.
type Level struct {
	Limit    float64 // in the rule's unit
	Severity Severity
}

// Per says which findings of a rule make one incident.
type Per string

// Ways to join findings.
const (
	PerCluster Per = "cluster" // those of a cluster that come within Settings.Window
	PerSubject Per = "subject" // those of one document, sender, or condition of the hub
	PerWeek    Per = "week"    // those whose time ends in the same week
	PerRule    Per = "rule"    // all: they are told in digests
)

// Rule says when something is a finding, and what is told of it.
type Rule struct {
	Code   Code
	Unit   Unit
	Below  bool    // it fires below its limits, not above
	Levels []Level // the most severe first; none: the rule is switched off
	// Margin is the hysteresis: the share of the limit by which a finding must be
	// better before it is over.
	Margin float64
	Alive  bool          // it needs figures of an agent that is in contact
	Folds  bool          // a group incident of its office takes it in
	Urgent bool          // nothing suppresses it
	Per    Per           //
	Wait   time.Duration // from opening until it is told
	Quiet  time.Duration // least time between two tellings about one office; 0: none
}

const (
	hour = 3600.0
	day  = 24 * hour
	week = 7 * 24 * time.Hour
	// settleFirst is how long an incident may turn out to be a short one, or one of
	// many, before anybody is told.
	settleFirst = 2 * time.Minute
)

// defaults is the table of rules, before anybody changes it.
var defaults = []Rule{
	{Code: HoaTocLate, Unit: Seconds, Levels: []Level{{hour / 4, Page}}, Urgent: true, Per: PerSubject},
	{Code: ThuongKhanLate, Unit: Seconds, Levels: []Level{{hour, Page}}, Urgent: true, Per: PerSubject},
	{Code: KhanLate, Unit: Seconds, Levels: []Level{{2 * hour, Page}}, Urgent: true, Per: PerSubject},
	{Code: ThuongLate, Unit: WorkingDays, Levels: []Level{{1, Daily}}, Per: PerRule},
	{Code: OldestUnsent, Unit: Times, Levels: []Level{{1, Warning}}, Margin: 0.2, Alive: true, Folds: true, Per: PerCluster, Wait: settleFirst},
	{Code: Silent, Unit: Seconds, Levels: []Level{{day, Warning}}, Folds: true, Per: PerCluster, Wait: settleFirst},
	{Code: GroupSilent, Unit: Times, Levels: []Level{{0.3, Page}}, Per: PerSubject, Wait: settleFirst},
	{Code: Flapping, Unit: Count, Levels: []Level{{7, Warning}}, Margin: 0.5, Folds: true, Per: PerCluster, Wait: settleFirst},
	{Code: QueueSlow, Unit: Seconds, Levels: []Level{{8 * hour, Warning}}, Margin: 0.2, Alive: true, Folds: true, Per: PerCluster, Wait: settleFirst},
	{Code: QueueGrowing, Unit: Seconds, Levels: []Level{{3 * hour, Warning}}, Alive: true, Folds: true, Per: PerCluster, Wait: settleFirst},
	{Code: ClockOff, Unit: Seconds, Levels: []Level{{600, Critical}, {120, Warning}}, Margin: 0.2, Alive: true, Per: PerCluster, Wait: settleFirst, Quiet: 24 * time.Hour},
	{Code: ClockBack, Unit: Count, Levels: []Level{{1, Critical}}, Alive: true, Per: PerCluster, Wait: settleFirst, Quiet: 24 * time.Hour},
	{Code: DiskFilling, Unit: Seconds, Below: true, Levels: []Level{{3 * day, Critical}, {14 * day, Warning}}, Margin: 0.2, Alive: true, Per: PerCluster, Wait: settleFirst, Quiet: 24 * time.Hour},
	{Code: CertificateEnding, Unit: Seconds, Below: true, Levels: []Level{{7 * day, Critical}, {30 * day, Daily}}, Per: PerWeek, Wait: settleFirst},
	{Code: RevocationOld, Unit: Seconds, Levels: []Level{{1, Critical}}, Per: PerSubject, Wait: settleFirst},
	{Code: VersionBehind, Unit: Count, Levels: []Level{{3, Weekly}}, Alive: true, Per: PerRule},
	{Code: VersionOld, Unit: Seconds, Levels: []Level{{60 * day, Weekly}}, Alive: true, Per: PerRule},
	{Code: SIMForecast, Unit: Times, Levels: []Level{{1, Warning}}, Margin: 0.1, Alive: true, Per: PerCluster, Wait: settleFirst, Quiet: week},
	{Code: SIMJump, Unit: Times, Levels: []Level{{5, Warning}}, Margin: 0.2, Alive: true, Per: PerCluster, Wait: settleFirst, Quiet: week},
	{Code: SignatureBad, Unit: Count, Levels: []Level{{1, Page}}, Per: PerSubject, Wait: settleFirst},
	{Code: BackupOld, Unit: Seconds, Levels: []Level{{14 * day, Weekly}}, Alive: true, Per: PerRule},
	{Code: HubDegraded, Unit: Count, Levels: []Level{{1, Critical}}, Per: PerSubject, Wait: settleFirst},
}

// Rules are the rules in force, for all and for clusters that have others.
type Rules struct {
	all      map[Code]Rule
	clusters map[string]map[Code]Rule
}

// DefaultRules are those that stand before anybody changes one.
func DefaultRules() Rules {
	r := Rules{all: map[Code]Rule{}, clusters: map[string]map[Code]Rule{}}
	for _, rule := range defaults {
		r.all[rule.Code] = rule
	}
	return r
}

// Codes are the codes of all rules in the order of their table.
func Codes() []Code {
	codes := make([]Code, 0, len(defaults))
	for _, r := range defaults {
		codes = append(codes, r.Code)
	}
	return codes
}

// For is the rule of an office in cluster.
func (r Rules) For(cluster string, code Code) Rule {
	if rule, ok := r.clusters[cluster][code]; ok {
		return rule
	}
	return r.all[code]
}

// Clusters are those that have rules of their own.
func (r Rules) Clusters() []string { return slices.Sorted(maps.Keys(r.clusters)) }

// Own is the rule that a cluster has of its own, or that of all for "".
func (r Rules) Own(cluster string, code Code) (Rule, bool) {
	if cluster == "" {
		rule, ok := r.all[code]
		return rule, ok
	}
	rule, ok := r.clusters[cluster][code]
	return rule, ok
}

func (r *Rules) set(cluster string, rule Rule) {
	rule.Levels = slices.Clone(rule.Levels)
	if cluster == "" {
		r.all[rule.Code] = rule
		return
	}
	if r.clusters[cluster] == nil {
		r.clusters[cluster] = map[Code]Rule{}
	}
	r.clusters[cluster][rule.Code] = rule
}

func (r Rules) clone() Rules {
	c := Rules{all: maps.Clone(r.all), clusters: map[string]map[Code]Rule{}}
	for name, rules := range r.clusters {
		c.clusters[name] = maps.Clone(rules)
	}
	return c
}

// level is how severe a value is, "" when it is no finding. A finding that was of
// severity was stays so until the value is better than its limit by the margin.
func (r Rule) level(value float64, was Severity) Severity {
	for _, l := range r.Levels {
		limit := l.Limit
		held := was.rank() >= l.Severity.rank()
		switch {
		case r.Below && held:
			limit *= 1 + r.Margin
		case held:
			limit *= 1 - r.Margin
		}
		if r.Below && value < limit || !r.Below && value >= limit {
			return l.Severity
		}
	}
	return ""
}
