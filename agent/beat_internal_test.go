package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/connector"
	"tram/agent/health"
	"tram/agent/health/beat"
	"tram/agent/hours"
	"tram/agent/i18n"
)

func TestHowLongAnOfficeIsAway(t *testing.T) {
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, clock.Vietnam) // a Thursday
	for spans, want := range map[string]time.Duration{
		"":                                    beat.MaxAway,
		"07:30-08:00,16:30-17:00":             14*time.Hour + 30*time.Minute,
		"Mon-Fri 08:00-09:00":                 71 * time.Hour,
		"Sun 08:00-09:00":                     beat.MaxAway - time.Hour,
		"00:00-12:00,12:00-24:00":             0,
		"Mon-Sat 00:00-24:00,Sun 00:00-20:00": 4 * time.Hour,
	} {
		var week hours.Week
		for _, text := range strings.FieldsFunc(spans, func(r rune) bool { return r == ',' }) {
			span, err := hours.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			week = append(week, span)
		}
		if got := away(week, now); got != want {
			t.Errorf("with %q it is away for %v, want %v", spans, got, want)
		}
	}
}

// TestP6_WhatAnotherSoftwareAnsweredStaysAtTheOffice: the broker reads heartbeats.
func TestP6_WhatAnotherSoftwareAnsweredStaysAtTheOffice(t *testing.T) {
	secret := "http://10.0.0.5/van-ban/Nguyen-Van-A"
	for _, f := range []*connector.Failure{nil, {Technical: secret}, {Technical: secret, Said: i18n.Say("health.disk-low", i18n.Args{"free": 1})}} {
		c := health.Condition{Code: health.ConnectorFailing, Args: i18n.Args{"name": "lgsp", "why": f}}
		data, err := beat.Encode(beat.Beat{Every: 300, Conditions: []health.Condition{forHub(c)}})
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "10.0.0.5") {
			t.Errorf("it leaves the house in %s", data)
		}
		b, err := beat.Parse(data)
		if err != nil || len(b.Conditions) != 1 {
			t.Fatalf("%+v (error %v)", b, err)
		}
		if got := b.Conditions[0].Message(i18n.English); !strings.Contains(got, "lgsp") || strings.Contains(got, "{") || strings.Contains(got, "map[") {
			t.Errorf("the hub says %q", got)
		}
	}
}

func TestATrendThatCannotBeReadBeginsAnew(t *testing.T) {
	for name, data := range map[string]string{"none": "", "torn": `[{"at":"2026-`, "another": `{"a":1}`, "large": strings.Repeat(" ", maxTrend+1)} {
		dir := t.TempDir()
		if name != "none" {
			if err := os.WriteFile(filepath.Join(dir, trendFile), []byte(data), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := readTrend(dir); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
