package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
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

func TestACertificateOfThePagesIsShownBeforeItsEnd(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	const soon = 14 * 24 * time.Hour
	for left, want := range map[time.Duration]string{-time.Hour: PagesExpired, time.Hour: PagesEnding, soon - 1: PagesEnding, soon: "", 400 * 24 * time.Hour: ""} {
		c, holds := Pages(now, now.Add(left), soon)
		if c.Code != want || holds != (want != "") {
			t.Errorf("%v before its end: %+v, %v", left, c, holds)
		}
		if holds && !strings.Contains(c.Message(i18n.Vietnamese), now.Add(left).Local().Format("02/01/2006")) {
			t.Errorf("it says %q", c.Message(i18n.Vietnamese))
		}
	}
}

// refused has the hub give no new certificate, which the broker then refuses.
func refused(code string) func(*Vitals) {
	return func(v *Vitals) {
		v.BrokerRefuses, v.Refusal = true, problem.New(problem.Denied, code, "", i18n.Args{"code": "H40.12", "at": "2026-11-22", "to": "2026-01-01"})
	}
}

func TestCheck(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	well := Vitals{Now: now, DiskFree: 10 << 30, DiskReserve: 200 << 20, ClockTrusted: true, CertificateEnds: now.AddDate(0, 3, 0), CertificateLife: 181 * 24 * time.Hour}
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
		{"certificate ends, broker refuses", func(v *Vitals) { v.CertificateEnds, v.BrokerRefuses = now.AddDate(0, 0, 20), true }, []string{CertificateExpiring, BrokerRefuses}},
		{"certificate ends soon", func(v *Vitals) { v.CertificateEnds = now.AddDate(0, 0, 3) }, []string{CertificateEnding}},
		{"certificate has ended", func(v *Vitals) { v.CertificateEnds = now.Add(-time.Hour) }, []string{CertificateExpired}},
		{"the short life of a test certificate", func(v *Vitals) { v.CertificateEnds, v.CertificateLife = now.Add(time.Minute), 2*time.Minute }, nil},
		{"revoked", refused("cert.revoked"), []string{CertificateRevoked}},
		{"replaced", refused("cert.replaced"), []string{CertificateReplaced}},
		{"another key", refused("cert.other-key"), []string{CertificateReplaced}},
		{"ended too long ago", refused("cert.expired"), []string{CertificateTooOld}},
		{"refused for another reason", refused("cert.usage"), []string{CertificateRefused}},
		{"a proxy that opens TLS", func(v *Vitals) { v.Server = identity.ServerUnknownCA }, []string{"server-unknown-ca"}},
		{"a self-signed server", func(v *Vitals) { v.Server = identity.ServerSelfSigned }, []string{"server-self-signed"}},
		{"a forged server", func(v *Vitals) { v.Server = identity.ServerBrokenChain }, []string{"server-broken-chain"}},
		{"a server of another address", func(v *Vitals) { v.Server = identity.ServerName }, []string{"server-name"}},
		{"an office as the server", func(v *Vitals) { v.Server = identity.ServerUsage }, []string{"server-usage"}},
		{"an old server", func(v *Vitals) { v.Server = identity.ServerExpired }, []string{"server-expired"}},
		{"a server of the future", func(v *Vitals) { v.Server = identity.ServerNotYet }, []string{"server-not-yet"}},
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
					} else if strings.Contains(m, "{") {
						t.Errorf("%s is left with placeholders: %s", c.Code, m)
					}
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("conditions are %v, want %v", got, tt.want)
			}
		})
	}
}
