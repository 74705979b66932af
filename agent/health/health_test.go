package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
)

func TestOlderCopySaysWhatHappenedAndWhatToDo(t *testing.T) {
	c := Older("H40.12", "UBND xã An Bình", time.Date(2026, 11, 22, 8, 0, 0, 0, time.Local))
	for lang, want := range map[i18n.Lang]string{
		i18n.Vietnamese: "Thiết bị này là bản sao cũ của H40.12 UBND xã An Bình: một thiết bị khác đã dùng danh tính này sau nó (khởi động lúc 08:00 22/11/2026 theo đồng hồ của thiết bị đó). Văn bản ở đây vẫn được giữ nguyên",
		i18n.English:    "This box is an older copy of H40.12 UBND xã An Bình: another box has used this identity since (started at 08:00 22/11/2026 by its own clock). Documents here stay saved",
	} {
		if got := c.Message(lang); !strings.HasPrefix(got, want) || !strings.Contains(got, "tram-hub release H40.12") {
			t.Errorf("it says %q", got)
		}
	}
}

func TestCheck(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	well := Vitals{Now: now, DiskFree: 10 << 30, DiskReserve: 200 << 20, ClockTrusted: true, CertificateEnds: now.AddDate(1, 0, 0)}
	tests := []struct {
		name   string
		change func(*Vitals)
		want   []string
	}{
		{"all well", func(*Vitals) {}, nil},
		{"little space", func(v *Vitals) { v.DiskFree = 300 << 20 }, []string{DiskLow}},
		{"dead battery hides the difference", func(v *Vitals) { v.ClockTrusted, v.ClockOffset = false, time.Hour }, []string{ClockUntrusted}},
		{"clock ahead of the hub's", func(v *Vitals) { v.ClockOffset = -time.Hour }, []string{ClockDiffers}},
		{"clock a little off", func(v *Vitals) { v.ClockOffset = time.Minute }, nil},
		{"certificate ends, broker refuses", func(v *Vitals) { v.CertificateEnds, v.BrokerRefuses = now.AddDate(0, 0, 3), true }, []string{CertificateExpiring, BrokerRefuses}},
		{"budget will not last", func(v *Vitals) { v.BudgetLimit, v.BudgetUsed, v.BudgetForecast = 10, 4, 11 }, []string{BudgetForecast}},
		{"budget will last", func(v *Vitals) { v.BudgetLimit, v.BudgetUsed, v.BudgetForecast = 10, 4, 10 }, nil},
		{"budget used up", func(v *Vitals) { v.BudgetLimit, v.BudgetUsed, v.BudgetForecast = 10, 10, 11 }, []string{BudgetUsedUp}},
		{"no budget", func(v *Vitals) { v.BudgetUsed, v.BudgetForecast = 10, 11 }, nil},
		{"a bundle that never passes", func(v *Vitals) { v.Parked = 1 }, []string{BundlesParked}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := well
			tt.change(&v)
			var got []string
			for _, c := range Check(v) {
				got = append(got, c.Code)
				for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
					if m := c.Message(lang); m == "health."+c.Code {
						t.Errorf("%s has no message", c.Code)
					}
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("conditions are %v, want %v", got, tt.want)
			}
		})
	}
}
