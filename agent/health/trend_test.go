package health

import (
	"testing"
	"time"
)

func TestTheTrendOfADisk(t *testing.T) {
	const gb = int64(1_000_000_000)
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		hours int
		free  func(hour int) int64
		want  int // -1: not foreseeable
	}{
		{"too little known", 20, func(h int) int64 { return 100*gb - int64(h)*gb }, -1},
		{"a GB a day", 24 * 10, func(h int) int64 { return 100*gb - int64(h)*gb/24 }, 90},
		{"cleared out once", 24 * 10, func(h int) int64 { return 50*gb - int64(h)*gb/24 + int64(h/200)*20*gb }, 60},
		{"nothing changes", 24 * 10, func(int) int64 { return 50 * gb }, -1},
		{"it grows", 24 * 10, func(h int) int64 { return int64(h) * gb }, -1},
		{"decades", 24 * 10, func(h int) int64 { return 1000*gb - int64(h)*1000 }, -1},
		{"the last weeks count", 24 * 60, func(h int) int64 { return 500*gb - int64(min(h, 24*30))*gb/2 }, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var trend Trend
			for h := 0; h <= tt.hours; h++ {
				trend, _ = trend.Add(start.Add(time.Duration(h)*time.Hour), tt.free(h))
			}
			if len(trend) > trendSamples {
				t.Errorf("%d samples are kept", len(trend))
			}
			got := trend.Days(tt.free(tt.hours))
			if (got == nil) != (tt.want < 0) || got != nil && *got != tt.want {
				t.Errorf("it is full in %v days, want %d", got, tt.want)
			}
		})
	}
	ahead, _ := Trend(nil).Add(start.AddDate(5, 0, 0), gb)
	if back, changed := ahead.Add(start, gb); !changed || len(back) != 1 || !back[0].At.Equal(start) {
		t.Errorf("after a clock that was ahead the trend is %v", back)
	}
}
