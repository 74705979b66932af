// Package health names what is not as it should be, in one vocabulary for
// page, command line and heartbeat.
//
// It promises that every Condition has a sentence in the catalogue
// ("health.<Code>") in both languages, and that being offline is not one:
// without a link an office works normally (P8).
package health

import (
	"time"

	"tram/agent/i18n"
)

// Condition is one thing that is not as it should be.
type Condition struct {
	Code string    `json:"code"`
	Args i18n.Args `json:"args,omitempty"`
}

// Message says it in lang.
func (c Condition) Message(lang i18n.Lang) string { return i18n.T(lang, "health."+c.Code, c.Args) }

// Codes of conditions. Never rename one: operators' tools know them.
const (
	DiskLow             = "disk-low"
	ClockUntrusted      = "clock-untrusted"
	ClockDiffers        = "clock-differs"
	CertificateExpiring = "certificate-expiring"
	BrokerRefuses       = "broker-refuses"
	OlderCopy           = "older-copy"
	BudgetUsedUp        = "budget-used-up"
	BudgetForecast      = "budget-forecast"
	BundlesParked       = "bundles-parked"
	RegistryRegressed   = "registry-regressed"
)

const (
	// clockTolerance is how far the hub's clock may differ before it is shown.
	clockTolerance = 2 * time.Minute
	// certificateWarning is how long before its end a certificate is shown.
	certificateWarning = 30 * 24 * time.Hour
	// diskWarning is how many times the reserve is still free when it is shown.
	diskWarning = 2
	// megabyte is that of providers and of the settings.
	megabyte = 1_000_000
)

// Vitals are the measurements that Check judges.
type Vitals struct {
	Now             time.Time
	DiskFree        int64 // bytes
	DiskReserve     int64 // bytes that are never used
	ClockTrusted    bool
	ClockOffset     time.Duration // of the hub's clock ahead of ours
	CertificateEnds time.Time
	BrokerRefuses   bool  // the broker answers and does not let us in
	BudgetLimit     int64 // bytes a month over metered lines; 0: no bound
	BudgetUsed      int64 // bytes this month
	BudgetForecast  int64 // bytes at the month's end; 0: not known
	BudgetResets    time.Time
	Parked          int // bundles whose frames end the connection each time
}

// Older is the condition of a box of an office that is an older copy: the hub
// knows another one, which began at that time by its own clock.
func Older(code, name string, began time.Time) Condition {
	return Condition{Code: OlderCopy, Args: i18n.Args{"code": code, "name": name, "at": began.Local().Format("15:04 02/01/2006")}}
}

// Check returns the conditions that hold, in a fixed order.
func Check(v Vitals) []Condition {
	conditions := []Condition{}
	add := func(holds bool, code string, args i18n.Args) {
		if holds {
			conditions = append(conditions, Condition{Code: code, Args: args})
		}
	}
	add(v.DiskFree < diskWarning*v.DiskReserve, DiskLow, i18n.Args{"free": v.DiskFree >> 20})
	add(!v.ClockTrusted, ClockUntrusted, i18n.Args{"now": v.Now.Format(time.DateTime)})
	add(v.ClockTrusted && v.ClockOffset.Abs() > clockTolerance, ClockDiffers, i18n.Args{"minutes": int(v.ClockOffset.Abs() / time.Minute)})
	add(v.CertificateEnds.Sub(v.Now) < certificateWarning, CertificateExpiring, i18n.Args{"date": v.CertificateEnds.Format("02/01/2006")})
	add(v.BrokerRefuses, BrokerRefuses, nil)
	budget := i18n.Args{"limit": v.BudgetLimit / megabyte, "used": v.BudgetUsed / megabyte,
		"forecast": v.BudgetForecast / megabyte, "date": v.BudgetResets.Format("02/01/2006")}
	usedUp := v.BudgetLimit > 0 && v.BudgetUsed >= v.BudgetLimit
	add(usedUp, BudgetUsedUp, budget)
	add(v.BudgetLimit > 0 && !usedUp && v.BudgetForecast > v.BudgetLimit, BudgetForecast, budget)
	add(v.Parked > 0, BundlesParked, i18n.Args{"count": v.Parked})
	return conditions
}
