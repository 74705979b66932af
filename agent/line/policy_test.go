package line

import (
	"testing"
	"time"

	"tram/agent/hours"
	"tram/sync/schedule"
)

var zone = time.FixedZone("+07", 7*60*60)

// monday is 23 November 2026 at this hour.
func monday(hour int) time.Time { return time.Date(2026, 11, 23, hour, 0, 0, 0, zone) }

func officeHours(t testing.TB) hours.Week {
	t.Helper()
	s, err := hours.Parse("Mon-Fri 07:30-17:00")
	if err != nil {
		t.Fatal(err)
	}
	return hours.Week{s}
}

func TestPolicy(t *testing.T) {
	resets := monday(0).AddDate(0, 0, 8)
	week := officeHours(t)
	for name, c := range map[string]struct {
		policy  Policy
		now     time.Time
		metered bool
		used    int64
		want    Verdict
	}{
		"a free line is open":                        {Policy{2, 5, 10, week}, monday(22), false, 99, Verdict{Code: Open}},
		"a metered one without rules is open":        {Policy{}, monday(22), true, 1 << 40, Verdict{Code: Open}},
		"within hours and budget it is open":         {Policy{0, 0, 10, week}, monday(9), true, 9, Verdict{Code: Open}},
		"standing rules":                             {Policy{1, 5, 0, nil}, monday(9), true, 0, Verdict{schedule.Rules{MinUrgency: 1, MaxSize: 5}, Metered, time.Time{}}},
		"thượng khẩn always may go":                  {Policy{3, 0, 0, nil}, monday(9), true, 0, Verdict{schedule.Rules{MinUrgency: 2}, Metered, time.Time{}}},
		"off hours only khẩn":                        {Policy{0, 5, 0, week}, monday(22), true, 0, Verdict{schedule.Rules{MinUrgency: 1, MaxSize: 5}, OffHours, monday(24).Add(7*time.Hour + 30*time.Minute)}},
		"off hours add nothing to a stricter rule":   {Policy{2, 0, 0, week}, monday(22), true, 0, Verdict{schedule.Rules{MinUrgency: 2}, Metered, time.Time{}}},
		"a budget used up leaves khẩn":               {Policy{0, 0, 10, week}, monday(9), true, 10, Verdict{schedule.Rules{MinUrgency: 1}, BudgetUsed, resets}},
		"and is told before the hours":               {Policy{0, 0, 10, week}, monday(22), true, 10, Verdict{schedule.Rules{MinUrgency: 1}, BudgetUsed, resets}},
		"a budget used up loosens no stricter rule":  {Policy{2, 0, 10, nil}, monday(9), true, 10, Verdict{schedule.Rules{MinUrgency: 2}, BudgetUsed, resets}},
		"the budget of the SIM is nothing elsewhere": {Policy{0, 0, 10, nil}, monday(9), false, 10, Verdict{Code: Open}},
	} {
		if got := c.policy.Decide(c.now, c.metered, c.used, resets); got.Rules != c.want.Rules || got.Code != c.want.Code || !got.Until.Equal(c.want.Until) {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func TestVerdictSaysWhyADocumentIsHeld(t *testing.T) {
	v := Verdict{Rules: schedule.Rules{MinUrgency: 1, MaxSize: 100}, Code: BudgetUsed}
	for _, c := range []struct {
		urgency uint8
		size    int64
		want    Code
	}{{0, 1, BudgetUsed}, {0, 1000, BudgetUsed}, {1, 100, ""}, {1, 101, TooLarge}, {3, 1000, ""}} {
		if got := v.Holds(c.urgency, c.size); got != c.want {
			t.Errorf("urgency %d, %d bytes: held by %q, want %q", c.urgency, c.size, got, c.want)
		}
	}
}

func TestMonth(t *testing.T) {
	date := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, zone) }
	for _, c := range []struct {
		now      time.Time
		day      int
		from, to time.Time
	}{
		{monday(9), 1, date(2026, 11, 1), date(2026, 12, 1)},
		{monday(9), 23, date(2026, 11, 23), date(2026, 12, 23)},
		{monday(9), 24, date(2026, 10, 24), date(2026, 11, 24)},
		{date(2026, 12, 31), 1, date(2026, 12, 1), date(2027, 1, 1)},
		{date(2027, 1, 1), 20, date(2026, 12, 20), date(2027, 1, 20)},
		{date(2027, 2, 27), 31, date(2027, 1, 31), date(2027, 2, 28)},
		{date(2027, 2, 28), 31, date(2027, 2, 28), date(2027, 3, 31)},
		{date(2028, 2, 29), 30, date(2028, 2, 29), date(2028, 3, 30)},
	} {
		from, to := Month(c.now, c.day)
		if !from.Equal(c.from) || !to.Equal(c.to) {
			t.Errorf("month of day %d at %v: %v to %v", c.day, c.now, from, to)
		}
	}
}
