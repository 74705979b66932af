package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSettingsOfTheLine(t *testing.T) {
	dir := writeFile(t, OfficeFile, `
[metered]
interfaces = ["ppp*", "wwan0"]
urgency = "khan"
size = "5MB"
budget = "3GB"
month = 20
hours = ["Mon-Fri 07:30-11:30", "Mon-Fri 13:30-17:00"]
[line]
up = ["/usr/bin/nmcli", "connection", "up", "3g"]
down = ["/usr/bin/nmcli", "connection", "down", "3g"]
times = ["07:45-08:00"]
`)
	o, err := LoadOffice(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, l := o.Metered, o.Line
	if !slices.Equal(m.Interfaces, []string{"ppp*", "wwan0"}) || m.Urgency != "khan" || m.Size != 5*MB || m.Budget != 3*GB || m.Month != 20 || len(m.Hours) != 2 {
		t.Errorf("metered lines: %+v", m)
	}
	if len(l.Times) != 1 || !slices.Equal(l.Up, []string{"/usr/bin/nmcli", "connection", "up", "3g"}) || l.Idle != 5*time.Minute || l.Urgency != "khan" {
		t.Errorf("line: %+v", l)
	}
	again := t.TempDir()
	if err := o.Save(again); err != nil {
		t.Fatal(err)
	}
	saved, err := LoadOffice(again, nil)
	if err != nil || !slices.Equal(saved.Metered.Hours, m.Hours) || !slices.Equal(saved.Line.Down, l.Down) || !slices.Equal(saved.Line.Times, l.Times) {
		t.Errorf("saved and loaded: %+v, %v", saved, err)
	}
}

func TestFaultsOfTheLine(t *testing.T) {
	for _, c := range []struct{ text, key string }{
		{`metered.interfaces = ["["]`, "metered.interfaces"},
		{`metered.urgency = "hoa-toc"`, "metered.urgency"},
		{`metered.size = "3GB"`, "metered.size"},
		{`metered.budget = "3"`, "metered.budget"},
		{`metered.month = 32`, "metered.month"},
		{`metered.hours = ["7h-11h"]`, "metered.hours"},
		{`metered.hours = "` + strings.Repeat("08:00-09:00,", 33) + `"`, "metered.hours"},
		{`line.up = ["nmcli", "up"]`, "line.up"},
		{`line.up = ["/bin/up", "a,b"]`, "line.up"},
		{`line.up = ["/bin/up"]`, "line.down"},
		{`line.down = ["/bin/down"]`, "line.up"},
		{`line.times = ["Mon 08:00-09:00"]`, "line.up"},
		{`line.urgency = "always"`, "line.urgency"},
		{`line.idle = "1s"`, "line.idle"},
		{`line.timeout = "1h"`, "line.timeout"},
	} {
		_, err := LoadOffice(writeFile(t, OfficeFile, c.text+"\n"), nil)
		if list := faults(t, err); len(list) != 1 || list[0].Field != c.key {
			t.Errorf("%s: faults %v, want one of %s", c.text, list, c.key)
		}
	}
}
