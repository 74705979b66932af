package fleet

import (
	"testing"
	"time"

	"tram/agent/hours"
	"tram/agent/i18n"
)

// noon is a Thursday in Vietnam.
var noon = time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func week(t *testing.T, text string) hours.Week {
	t.Helper()
	w, err := parseHours(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestJudge(t *testing.T) {
	const m = time.Minute
	connected := Facts{Enrolled: true, Online: true, Since: ago(3 * time.Hour), Seen: ago(m), Beat: ago(m), Every: 5 * m, Watching: ago(24 * time.Hour)}
	lost := func(d time.Duration) func(*Facts) {
		return func(f *Facts) { f.Online, f.Since, f.Seen, f.Beat = false, ago(d), ago(d), ago(d+m) }
	}
	with := func(more ...func(*Facts)) func(*Facts) {
		return func(f *Facts) {
			for _, change := range more {
				change(f)
			}
		}
	}
	working := func(spans string) func(*Facts) { return func(f *Facts) { f.Hours = week(t, spans) } }
	was := func(s State, since, well time.Duration) Standing {
		st := Standing{State: s, Since: ago(since)}
		if well > 0 {
			st.Well = ago(well)
		}
		return st
	}
	tests := []struct {
		name   string
		last   Standing
		change func(*Facts)
		want   State
		reason string
	}{
		{"invited", Standing{}, func(f *Facts) { *f = Facts{Watching: ago(time.Hour)} }, NotEnrolled, ""},
		{"enrolled just now", was(NotEnrolled, time.Hour, 0), with(), Normal, ""},
		{"connected and heard", was(Normal, time.Hour, 0), with(), Normal, ""},
		{"connected, software that sends no heartbeat", Standing{}, func(f *Facts) { f.Beat, f.Every = time.Time{}, 0 }, Normal, ""},
		{"lost within its interval", was(Normal, time.Hour, 0), lost(4 * m), Normal, ""},
		{"late", was(Normal, time.Hour, 0), lost(6 * m), Late, ReasonWaiting},
		{"late up to the end of its grace", was(Late, m, 0), lost(20 * m), Late, ReasonWaiting},
		{"past its grace", was(Late, 15*m, 0), lost(21 * m), OutOfContact, ReasonSilent},
		{"past its grace, part of an incident", was(OutOfContact, m, 0), with(lost(30*m), func(f *Facts) { f.Incident = "17" }), OutOfContactGroup, ReasonIncident},
		{"late, part of an incident", was(Normal, time.Hour, 0), with(lost(6*m), func(f *Facts) { f.Incident = "17" }), OutOfContactGroup, ReasonIncident},
		{"the incident has ended, the silence not", was(OutOfContactGroup, time.Hour, 0), lost(3 * time.Hour), OutOfContact, ReasonSilent},
		{"connected, in an incident of others", was(Normal, time.Hour, 0), func(f *Facts) { f.Incident = "17" }, Normal, ""},
		{"enrolled by stick, never connected", was(Normal, 2*time.Hour, 0), func(f *Facts) {
			*f = Facts{Enrolled: true, Watching: ago(2 * time.Hour)}
		}, OutOfContact, ReasonNeverHeard},

		{"away by its own plan", was(Normal, time.Hour, 0), with(lost(11*time.Hour), func(f *Facts) { f.Away = 12 * time.Hour }), Normal, ""},
		{"away for longer than its plan", was(Normal, time.Hour, 0), with(lost(13*time.Hour), func(f *Facts) { f.Away = 12 * time.Hour }), OutOfContact, ReasonSilent},
		{"off outside of its usual hours", was(Normal, time.Hour, 0), with(lost(time.Hour), working("Mon-Fri 07:30-11:30")), Late, ReasonOffHours},
		{"silent since before its hours began", was(Late, 12*time.Hour, 0), with(lost(18*time.Hour), working("Mon-Fri 11:50-17:00")), Late, ReasonWaiting},
		{"its hours have just begun", was(Late, 12*time.Hour, 0), with(lost(18*time.Hour), working("Mon-Fri 11:57-17:00")), Late, ReasonOffHours},
		{"its hours began long ago", was(Late, 12*time.Hour, 0), with(lost(18*time.Hour), working("Mon-Fri 07:30-17:00")), OutOfContact, ReasonSilent},
		{"hours without an end", was(Normal, 12*time.Hour, 0), with(lost(18*time.Hour), working("00:00-24:00")), OutOfContact, ReasonSilent},
		{"out of contact, and its hours end", was(OutOfContact, time.Hour, 0), with(lost(5*time.Hour), working("Mon-Fri 07:30-11:30")), OutOfContact, ""},

		{"the hub itself was away", was(Normal, 10*time.Hour, 0), with(lost(9*time.Hour), func(f *Facts) { f.Watching = ago(4 * m) }), Normal, ""},
		{"the hub was away, and it was out of contact before", was(OutOfContact, 10*time.Hour, 0), with(lost(12*time.Hour), func(f *Facts) { f.Watching = ago(4 * m) }), OutOfContact, ""},
		{"the hub was away, the heartbeat is old", was(Normal, 10*time.Hour, 0), func(f *Facts) { f.Beat, f.Since, f.Watching = ago(9*time.Hour), ago(2*m), ago(4*m) }, Normal, ""},

		{"back", was(OutOfContact, time.Hour, 0), with(), Late, ReasonReturning},
		{"back for one interval", was(Late, 5*m, 5*m), with(), Late, ReasonReturning},
		{"back for two", was(Late, 10*m, 10*m), with(), Normal, ""},
		{"back, and gone at once", was(Late, m, m), lost(m), Late, ""},
		{"the last judgement of a silent box stays while it is silent", was(OutOfContact, time.Hour, 0), lost(2 * m), OutOfContact, ""},

		{"a fault", was(Normal, time.Hour, 0), func(f *Facts) { f.Trouble.Code = "disk-low" }, NeedsRepair, "disk-low"},
		{"a fault that has just gone", was(NeedsRepair, time.Hour, 0), with(), NeedsRepair, ""},
		{"a fault that has gone for two intervals", was(NeedsRepair, time.Hour, 10*m), with(), Normal, ""},
		{"a fault of a box that is silent", was(NeedsRepair, time.Hour, 0), with(lost(time.Hour), func(f *Facts) { f.Trouble.Code = "disk-low" }), OutOfContact, ReasonSilent},
		{"back with a fault", was(OutOfContact, time.Hour, 0), func(f *Facts) { f.Trouble.Code = "disk-low" }, NeedsRepair, "disk-low"},
		{"an urgent document is held up", was(Normal, time.Hour, 0), func(f *Facts) { f.QueueDue = ago(m) }, NeedsRepair, ReasonQueueOld},
		{"an urgent document still has time", was(Normal, time.Hour, 0), func(f *Facts) { f.QueueDue = ago(-m) }, Normal, ""},

		{"six flaps", was(Normal, time.Hour, 0), func(f *Facts) { f.Flaps = 6 }, Normal, ""},
		{"seven flaps", was(Normal, time.Hour, 0), func(f *Facts) { f.Flaps = 7 }, Late, ReasonFlapping},
		{"seven flaps and away for a moment", was(Normal, time.Hour, 0), with(lost(m), func(f *Facts) { f.Flaps = 7 }), Late, ReasonFlapping},
		{"one heartbeat is missing", was(Normal, time.Hour, 0), func(f *Facts) { f.Beat = ago(9 * m) }, Normal, ""},
		{"two are", was(Normal, time.Hour, 0), func(f *Facts) { f.Beat = ago(11 * m) }, Late, ReasonNoReport},
		{"on a metered line they come seldom", was(Normal, time.Hour, 0), func(f *Facts) { f.Beat, f.Every = ago(100*m), time.Hour }, Normal, ""},

		{"paused", was(OutOfContact, time.Hour, 0), with(lost(time.Hour), func(f *Facts) { f.Paused = true }), Stopped, ReasonPaused},
		{"resumed", was(Stopped, time.Hour, 0), with(), Normal, ""},
		{"revoked", was(Normal, time.Hour, 0), func(f *Facts) { f.Revoked, f.Enrolled, f.Online = true, false, false }, Stopped, ReasonRevoked},
		{"revoked while paused", was(Stopped, time.Hour, 0), func(f *Facts) { f.Revoked, f.Paused = true, true }, Stopped, ReasonRevoked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := connected
			tt.change(&f)
			got := Judge(noon, tt.last, f)
			if got.State != tt.want || got.Reason.Code != tt.reason {
				t.Errorf("it is %v (%q), want %v (%q)", got.State, got.Reason.Code, tt.want, tt.reason)
			}
			if kept := got.State == tt.last.State && !tt.last.Since.IsZero(); kept != got.Since.Equal(tt.last.Since) || !kept && !got.Since.Equal(noon) {
				t.Errorf("since %v, after %v since %v", got.Since, tt.last.State, tt.last.Since)
			}
			if again := Judge(noon, got, f); again.State != got.State || again.Reason.Code != got.Reason.Code || !again.Since.Equal(got.Since) || !again.Well.Equal(got.Well) {
				t.Errorf("judged at once again it is %+v, was %+v", again, got)
			}
		})
	}
}

// TestARecoveryTakesTwoIntervals looks every few seconds at a box that comes back,
// goes within that time and comes back.
func TestARecoveryTakesTwoIntervals(t *testing.T) {
	f := Facts{Enrolled: true, Watching: noon.Add(-time.Hour), Seen: noon.Add(-time.Hour), Since: noon.Add(-time.Hour)}
	s := Standing{State: OutOfContact, Since: noon.Add(-30 * time.Minute)}
	var normal time.Duration
	for at := time.Duration(0); at < 30*time.Minute; at += 5 * time.Second {
		now := noon.Add(at)
		online := at >= time.Minute && at < 8*time.Minute || at >= 9*time.Minute
		if online != f.Online {
			f.Online, f.Since, f.Seen = online, now, now
		}
		s = Judge(now, s, f)
		if s.State == Normal && normal == 0 {
			normal = at
		}
		if at > 8*time.Minute && at < 9*time.Minute && s.State != Late {
			t.Fatalf("after %v it is %v", at, s)
		}
	}
	if want := 19 * time.Minute; normal != want || s.State != Normal {
		t.Errorf("it is normal after %v (at last %v), want %v", normal, s.State, want)
	}
}

func TestEveryStateAndReasonHasItsWords(t *testing.T) {
	if n := len(States); [2]int{len(letters), len(stateNames)} != [2]int{n, n} {
		t.Errorf("%d states, %d names, %d letters", len(States), len(stateNames), len(letters))
	}
	for _, s := range States {
		if read, ok := ParseState(s.String()); !ok || read != s || !i18n.Has("fleet.state."+s.String()) {
			t.Errorf("state %v reads as %v, %v", s, read, ok)
		}
	}
	for _, r := range Reasons {
		if !i18n.Has("fleet.reason."+r) || !i18n.Has("fleet.short."+r) {
			t.Errorf("%q has no words", r)
		}
	}
	if got := (Reason{Code: "disk-low", Args: i18n.Args{"free": 12}}).Text(i18n.English); got != i18n.T(i18n.English, "health.disk-low", i18n.Args{"free": 12}) {
		t.Errorf("a box's own condition reads %q", got)
	}
	if got := (Reason{Code: "of-later"}).Text(i18n.English); got != i18n.T(i18n.English, "fleet.reason.unknown", i18n.Args{"code": "of-later"}) {
		t.Errorf("a condition of later software reads %q", got)
	}
	if _, ok := ParseState("red"); ok {
		t.Error("there is a state red")
	}
}
