package hub

import (
	"testing"
	"time"
)

// TestP11_AWrongClockMakesNoDocumentSlow, nor quicker than the hub saw it.
func TestP11_AWrongClockMakesNoDocumentSlow(t *testing.T) {
	taken := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ created, want time.Time }{
		"saved while the line was down": {taken.Add(-3 * 24 * time.Hour), taken.Add(-3 * 24 * time.Hour)},
		"in 1970":                       {time.Unix(600, 0), taken},
		"ahead":                         {taken.Add(time.Hour), taken},
	} {
		if got := began(c.created, taken); !got.Equal(c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := began(taken, time.Time{}); !got.Equal(taken) {
		t.Errorf("of the hub itself: %v", got)
	}
}
