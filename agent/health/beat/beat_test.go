package beat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"tram/agent/health"
	"tram/agent/health/beat"
	"tram/agent/i18n"
)

var at = time.Date(2026, 11, 26, 1, 20, 5, 0, time.UTC)

// full is a heartbeat with every field; testdata/full.json is the same as bytes.
func full() beat.Beat {
	days, forecast := 40, int64(310_000_000)
	return beat.Beat{
		At: at, Software: "tram 1.4.0", Started: at.AddDate(0, 0, -3), Every: 3600, Away: 43_200,
		Conditions: []health.Condition{
			{Code: health.ClockDiffers, Args: i18n.Args{"minutes": json.Number("3")}},
			{Code: health.SealTokenMissing, Args: i18n.Args{"name": "ubnd", "why": "seal.token-absent"}},
		},
		More: 1,
		Queue: beat.Queue{Count: 3, Bytes: 734_003, Since: at.Add(-3 * time.Hour), Levels: []beat.Level{
			{Urgency: 3, Count: 1, Since: at.Add(-4 * time.Minute)}, {Urgency: 0, Count: 2, Since: at.Add(-3 * time.Hour)},
		}},
		Fetch: beat.Fetch{Count: 1, Bytes: 52_000}, Rate: 14_800,
		Disk:  beat.Disk{Free: 6_120_000_000, Reserve: 200_000_000, Days: &days},
		Clock: beat.Clock{Trusted: true, Offset: -182_400}, Certificate: at.AddDate(0, 3, 0),
		Line:   beat.Line{Interface: "wwan0", Metered: true, Carrier: "Viettel v-internet"},
		Budget: &beat.Budget{Limit: 1_000_000_000, Used: 210_000_000, Forecast: &forecast, Today: 42_000_000, Usual: 7_000_000},
		Backup: at.AddDate(0, 0, -6),
		Failed: []beat.Failed{{Sender: "H40.15", Count: 2, Last: at.Add(-time.Hour)}},
	}
}

// typical is one of an office with a cable where all is well.
func typical() beat.Beat {
	return beat.Beat{
		At: at, Software: "tram 1.4.0", Started: at.AddDate(0, 0, -3), Every: 300,
		Queue: beat.Queue{Count: 1, Bytes: 234_003, Since: at.Add(-time.Minute), Levels: []beat.Level{{Count: 1, Since: at.Add(-time.Minute)}}},
		Rate:  64_800, Disk: beat.Disk{Free: 6_120_000_000, Reserve: 200_000_000},
		Clock: beat.Clock{Trusted: true, Offset: 120}, Certificate: at.AddDate(0, 3, 0), Line: beat.Line{Interface: "eth0"},
	}
}

func TestP12_TheVectorIsWhatIsWritten(t *testing.T) {
	want, err := os.ReadFile("testdata/full.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := beat.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, got, "", "  "); err != nil {
		t.Fatal(err)
	}
	pretty.WriteByte('\n')
	if !bytes.Equal(pretty.Bytes(), want) {
		t.Errorf("it is written as\n%s", pretty.Bytes())
	}
	b, err := beat.Parse(want)
	expect := full()
	expect.Version = beat.Version
	if err != nil || !reflect.DeepEqual(b, expect) {
		t.Errorf("the vector reads as %+v (error %v)", b, err)
	}
}

// TestAHeartbeatIsCheap prints what one costs and what a day of them does.
func TestAHeartbeatIsCheap(t *testing.T) {
	data, err := beat.Encode(typical())
	if err != nil || len(data) > 500 {
		t.Errorf("%d bytes (error %v): %s", len(data), err, data)
	}
	// Topic and MQTT header, TLS record, TCP and IP headers of it and of its
	// acknowledgement.
	packet := len(data) + len("tram/1/h40/health/h40_12_345") + 5 + 22 + 2*52
	hourly, quick := 24*packet, 288*packet
	t.Logf("%d bytes, %d on the line; a day of them every hour %.1f kB, every 5 minutes %.1f kB", len(data), packet, float64(hourly)/1000, float64(quick)/1000)
	const pings = 73_440 // measured, see the lab's table
	if pings+hourly > 100_000 {
		t.Errorf("with its pings an idle office on a metered line costs %d bytes a day", pings+hourly)
	}
}

func TestWhatDoesNotFitIsLeftOutAndCounted(t *testing.T) {
	b := full()
	b.More = 0
	b.Conditions = nil
	for range 40 {
		b.Conditions = append(b.Conditions, health.Condition{Code: "seal-expiring", Args: i18n.Args{"name": strings.Repeat("ấ", 200)}})
	}
	data, err := beat.Encode(b)
	if err != nil || len(data) > beat.MaxSize {
		t.Fatalf("%d bytes (error %v)", len(data), err)
	}
	got, err := beat.Parse(data)
	if err != nil || len(got.Conditions) != beat.MaxConditions || got.More != 40-beat.MaxConditions {
		t.Errorf("%d conditions and %d more (error %v)", len(got.Conditions), got.More, err)
	}
	if got.Conditions[0].Args == nil || got.Conditions[len(got.Conditions)-1].Args != nil {
		t.Error("not the last arguments were left out")
	}
}

func TestParseRefuses(t *testing.T) {
	good, err := beat.Encode(full())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, old, new string
		want           error
	}{
		{"another version", `"v":1`, `"v":2`, beat.ErrVersion},
		{"no version", `"v":1`, `"w":1`, beat.ErrVersion},
		{"no object", string(good), `[]`, beat.ErrFormat},
		{"more than one", string(good), string(good) + string(good), beat.ErrFormat},
		{"too large", `"v":1`, `"v":1,"x":"` + strings.Repeat("x", beat.MaxSize) + `"`, beat.ErrFormat},
		{"never again", `"every":3600`, `"every":0`, beat.ErrFormat},
		{"an interval that overflows", `"every":3600`, `"every":9223372036854775807`, beat.ErrFormat},
		{"away for ever", `"away":43200`, `"away":604801`, beat.ErrFormat},
		{"a long name", `"wwan0"`, `"` + strings.Repeat("w", beat.MaxText+1) + `"`, beat.ErrFormat},
		{"a terminal's escape", `tram 1.4.0`, `tram \u001b[2J`, beat.ErrFormat},
		{"an escape in arguments", `"ubnd"`, `"\u001b[2J"`, beat.ErrFormat},
		{"an escape in the arguments of a message", `"ubnd"`, `{"code":"x","args":{"y":"\u0007"}}`, beat.ErrFormat},
		{"a tree in arguments", `"ubnd"`, `[["x"]]`, beat.ErrFormat},
		{"a code that is none", `"clock-differs"`, `"Đồng hồ"`, beat.ErrFormat},
		{"an urgency that is none", `"urgency":3`, `"urgency":4`, beat.ErrFormat},
		{"levels in disorder", `{"urgency":3`, `{"urgency":0,"count":1},{"urgency":3`, beat.ErrFormat},
		{"a level twice", `"urgency":0`, `"urgency":3`, beat.ErrFormat},
		{"less than nothing", `"free":6120000000`, `"free":-1`, beat.ErrFormat},
		{"a time of the year 9999", `"started":"2026`, `"started":"9999`, beat.ErrFormat},
		{"not UTF-8", `tram 1.4.0`, "tram \xff", beat.ErrFormat},
		{"a field of later", `"v":1`, `"v":1,"mood":"good"`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			changed := strings.Replace(string(good), tt.old, tt.new, 1)
			if changed == string(good) {
				t.Fatalf("%q is not in it", tt.old)
			}
			if _, err := beat.Parse([]byte(changed)); !errors.Is(err, tt.want) {
				t.Errorf("the error is %v, want %v", err, tt.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	seeds := 0
	for _, b := range []beat.Beat{full(), typical(), {Every: 300}} {
		data, err := beat.Encode(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		seeds++
	}
	if seeds == 0 {
		f.Fatal("no seeds")
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := beat.Parse(data)
		if err != nil {
			return
		}
		again, err := beat.Encode(b)
		if err != nil {
			return // written with other escapes it may be larger than it was
		}
		c, err := beat.Parse(again)
		if err != nil {
			t.Fatalf("what was written is refused: %v\n%s", err, again)
		}
		third, err := beat.Encode(c)
		if err != nil || !bytes.Equal(again, third) {
			t.Errorf("written twice it is\n%s\n%s (error %v)", again, third, err)
		}
	})
}
