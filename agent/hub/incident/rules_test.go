package incident

import (
	"reflect"
	"testing"
	"time"
)

func TestRulesAreChangedByLines(t *testing.T) {
	for line, want := range map[string]bool{
		"disk-filling warning 21d": true, "clock-off off": true, "Cụm Kỳ Sơn: silent warning 48h": true, "sim-jump warning 3.5": true,
		"group-silent page 0.5": true, "undelivered-hoa-toc page 10m": true, "undelivered-thuong daily 2": true, "certificate-ending daily 45d": true,
		"": false, "disk-filling": false, "disk-filling warning": false, "nothing warning 1d": false, "disk-filling loud 1d": false,
		"disk-filling warning 2d": false /* critical is at 3d */, "disk-filling warning -1d": false, "disk-filling warning 1001d": false,
		"undelivered-hoa-toc warning 10m": false, "silent daily 1d": false, ": silent off": false, "silent warning 1d more": false,
		"undelivered-thuong daily 1.5": false, "undelivered-thuong page 1": false, "version-behind weekly NaN": false, "sim-jump warning +Inf": false,
	} {
		rules, err := DefaultRules().Override([]string{line})
		if (err == nil) != want {
			t.Errorf("%q: %v", line, err)
		}
		if err == nil && reflect.DeepEqual(rules, DefaultRules()) {
			t.Errorf("%q changes nothing", line)
		}
	}
	rules, err := DefaultRules().Override([]string{"Cụm A: silent warning 48h"})
	if err != nil {
		t.Fatal(err)
	}
	if a, b := rules.For("Cụm A", Silent).Levels[0].Limit, rules.For("Cụm B", Silent).Levels[0].Limit; a != 48*hour || b != 24*hour {
		t.Errorf("limits %v and %v", a, b)
	}
}

func TestHysteresis(t *testing.T) {
	disk, clockOff := DefaultRules().For("", DiskFilling), DefaultRules().For("", ClockOff)
	for _, c := range []struct {
		rule  Rule
		value float64
		was   Severity
		want  Severity
	}{
		{disk, 15 * day, "", ""}, {disk, 13 * day, "", Warning}, {disk, 15 * day, Warning, Warning}, {disk, 17 * day, Warning, ""},
		{disk, 2 * day, Warning, Critical}, {disk, 3.5 * day, Critical, Critical}, {disk, 4 * day, Critical, Warning},
		{clockOff, 119, "", ""}, {clockOff, 120, "", Warning}, {clockOff, 100, Warning, Warning}, {clockOff, 90, Warning, ""}, {clockOff, 600, "", Critical},
		{Rule{}, 1, "", ""},
	} {
		if got := c.rule.level(c.value, c.was); got != c.want {
			t.Errorf("%s at %v, was %q: %q, want %q", c.rule.Code, c.value, c.was, got, c.want)
		}
	}
}

func TestFasterLeavesTheOriginalAlone(t *testing.T) {
	s := newFleet(t, monday).e.s
	fast := s.Faster(60)
	if fast.Interval != 5*time.Second || fast.Rules.For("", GroupSilent).Wait != 2*time.Second || fast.Rules.For("", HoaTocLate).Levels[0].Limit != 15 || fast.Rules.For("", GroupSilent).Levels[0].Limit != 0.3 {
		t.Errorf("%+v", fast)
	}
	if s.Interval != 5*time.Minute || !reflect.DeepEqual(s.Rules, DefaultRules()) {
		t.Error("the original has changed")
	}
}
