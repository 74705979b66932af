package health

import (
	"math"
	"slices"
	"time"
)

const (
	// trendStep is how far samples of a Trend lie apart, and trendSamples how many
	// are kept, the newest: some two weeks.
	trendStep    = 6 * time.Hour
	trendSamples = 56
	// trendSpan is the least time from which something is foretold.
	trendSpan = 24 * time.Hour
	// trendMost is how far ahead, in days; what is further away is not foreseeable.
	trendMost = 3650
)

// Sample is the free space of a disk at a time.
type Sample struct {
	At   time.Time `json:"at"`
	Free int64     `json:"free"` // bytes
}

// Trend is how the free space of a disk has gone lately, the oldest sample first.
type Trend []Sample

// Add takes in a sample; changed is false when the last one is too near. Samples
// from after now, of a clock that was wrong, are given up.
func (t Trend) Add(now time.Time, free int64) (_ Trend, changed bool) {
	kept := slices.DeleteFunc(slices.Clone(t), func(s Sample) bool { return s.At.After(now) })
	if n := len(kept); n > 0 && now.Sub(kept[n-1].At) < trendStep {
		return kept, n != len(t)
	}
	kept = append(kept, Sample{At: now, Free: free})
	return kept[max(0, len(kept)-trendSamples):], true
}

// Days is in how many days free is used up when it goes on like this; nil when it
// does not shrink, or too little is known. It goes by the median of the paces
// between all samples (Theil and Sen), which a single clearing out does not move.
func (t Trend) Days(free int64) *int {
	if len(t) < 3 || t[len(t)-1].At.Sub(t[0].At) < trendSpan {
		return nil
	}
	var paces []float64 // bytes a day
	for i, a := range t {
		for _, b := range t[i+1:] {
			if span := b.At.Sub(a.At); span > 0 {
				paces = append(paces, float64(b.Free-a.Free)/(span.Hours()/24))
			}
		}
	}
	slices.Sort(paces)
	pace := paces[len(paces)/2]
	if pace >= 0 {
		return nil
	}
	days := math.Floor(float64(free) / -pace)
	if days > trendMost {
		return nil
	}
	whole := int(days)
	return &whole
}
