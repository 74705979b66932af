package linklab

import (
	"context"
	"time"

	"tram/cmd/internal/line"
)

// scenario is one row of what the link must show.
type scenario struct {
	name    string
	about   string // the figure
	unit    string
	aim     string
	crowd   bool // peers run it too
	both    bool // shown with each congestion control, else with the first
	slow    bool // not part of the quick form
	alone   bool // needs the machine for itself
	minutes int  // that the full form takes with the slower peers; the longest begin first
	measure func(ctx context.Context, j *job) error
	against func(j *job, all []*job) // prints a figure made of this run and another
}

const (
	kbit = 1000
	mbit = 1000 * kbit
)

// Lines of the scenarios. Rates are of IP packets with their headers: TCP alone
// takes 3.5 % of them.
var (
	// village is an ADSL or 3G line of a commune.
	village = line.Shape{
		Up:   line.Direction{Rate: 512 * kbit, Delay: 100 * time.Millisecond, Loss: 0.005},
		Down: line.Direction{Rate: 2 * mbit, Delay: 100 * time.Millisecond, Loss: 0.005},
	}
	// comesAndGoes is the same with cuts.
	comesAndGoes = line.Shape{Up: village.Up, Down: village.Down, UpFor: 20 * time.Second, DownFor: 10 * time.Second}
	// satellite is far away and loses much.
	satellite = line.Shape{
		Up:   line.Direction{Rate: 512 * kbit, Delay: 300 * time.Millisecond, Loss: 0.03},
		Down: line.Direction{Rate: 2 * mbit, Delay: 300 * time.Millisecond, Loss: 0.03},
	}
	narrow = line.Shape{
		Up:   line.Direction{Rate: 128 * kbit, Delay: 100 * time.Millisecond},
		Down: line.Direction{Rate: 512 * kbit, Delay: 100 * time.Millisecond},
	}
	// shortLived is never up for long.
	shortLived = line.Shape{Up: narrow.Up, Down: narrow.Down, UpFor: 30 * time.Second, DownFor: 10 * time.Second}
	// clean has no loss, so that bytes can be counted.
	clean = line.Shape{
		Up:   line.Direction{Rate: 10 * mbit, Delay: 10 * time.Millisecond},
		Down: line.Direction{Rate: 10 * mbit, Delay: 10 * time.Millisecond},
	}
	fast = line.Shape{
		Up:   line.Direction{Rate: 50 * mbit, Delay: 10 * time.Millisecond},
		Down: line.Direction{Rate: 50 * mbit, Delay: 10 * time.Millisecond},
	}
)

var scenarios = []scenario{
	{
		name: "mix-up", about: "office mix, 512 kbit/s up, 200 ms, 0.5 % loss: time ÷ (zstd content ÷ rate)", aim: "≤ 1.06",
		minutes: 5,
		crowd:   true, both: true, measure: mixUp(village),
	},
	{
		name: "mix-down", about: "office mix, 2 Mbit/s down, 200 ms, 0.5 % loss: time ÷ (zstd content ÷ rate)", aim: "≤ 1.06",
		minutes: 2,
		crowd:   true, both: true, slow: true, measure: mixDown(village),
	},
	{
		name: "mix-up-cuts", about: "office mix, 512 kbit/s up, cuts (20 s up, 10 s down): up time ÷ (zstd content ÷ rate)", aim: "≤ 1.10",
		minutes: 10,
		crowd:   true, both: true, slow: true, measure: mixUp(comesAndGoes), against: sentAgain("mix-up"),
	},
	{
		name: "mix-down-cuts", about: "office mix, 2 Mbit/s down, cuts (20 s up, 10 s down): up time ÷ (zstd content ÷ rate)", aim: "≤ 1.10",
		minutes: 4,
		crowd:   true, both: true, slow: true, measure: mixDown(comesAndGoes), against: sentAgain("mix-down"),
	},
	{
		name: "satellite", about: "office mix, 512 kbit/s up, 600 ms, 3 % loss: time ÷ (zstd content ÷ rate)",
		minutes: 15,
		crowd:   true, both: true, slow: true, measure: mixUp(satellite), against: goodputOver("rsync"),
	},
	{
		name: "overhead", about: "bytes through the sockets, both directions, ÷ zstd content, documents of 1 MB", aim: "≤ 1.02",
		minutes: 1,
		crowd:   true, measure: overhead,
	},
	{
		name: "urgent", about: "50 kB hỏa tốc behind 50 MB on 128 kbit/s, slowest ÷ its own time on the idle line", aim: "≤ 1.5",
		minutes: 12,
		crowd:   true, both: true, measure: urgent,
	},
	{
		name: "short-up", about: "20 MB over 128 kbit/s that is never up for more than 30 s: up time ÷ (zstd content ÷ rate)", aim: "≤ 1.10",
		minutes: 30,
		both:    true, measure: shortUp,
	},
	{
		name: "silent-drop", about: "moving again after a silent drop with content pending", unit: "s", aim: "≤ 15",
		minutes: 8,
		crowd:   true, measure: silentDrop,
	},
	{
		name: "reconnect", about: "first byte of content after link up, 200 ms round trip", unit: "s", aim: "≤ 1.6",
		minutes: 3,
		measure: reconnect,
	},
	{
		name: "idle", about: "idle cost of a connected agent a day, TCP/IP headers included", unit: "kB", aim: "≤ 100",
		minutes: 63,
		slow:    true, measure: idle,
	},
	{
		name: "eta", about: "time left shown against real, after 20 %: median error", unit: "%", aim: "≤ 20",
		minutes: 4,
		both:    true, measure: estimate,
	},
	{
		name: "utilisation", about: "content ÷ capacity on 50 Mbit/s, 20 ms", unit: "%", aim: "≥ 90",
		minutes: 1,
		both:    true, alone: true, crowd: true, measure: utilisation,
	},
	{
		name: "memory", about: "memory of an agent at its peak while 2 GiB are sent, or received", unit: "MiB", aim: "≤ 48",
		minutes: 5,
		alone:   true, measure: memory,
	},
}
