// Package health names what is not as it should be, in one vocabulary for
// page, command line and heartbeat.
//
// It promises that every Condition has a sentence in the catalogue
// ("health.<Code>") in both languages, and that being offline is not one:
// without a link an office works normally (P8).
package health

import (
	"slices"
	"time"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/problem"
)

// Condition is one thing that is not as it should be.
type Condition struct {
	Code string    `json:"code"`
	Args i18n.Args `json:"args,omitempty"`
}

// Message says it in lang.
func (c Condition) Message(lang i18n.Lang) string { return i18n.T(lang, "health."+c.Code, c.Args) }

// notices are the conditions with which everything still works as it should, and
// nobody has to come.
var notices = []string{
	CertificateExpiring, BudgetUsedUp, BudgetForecast, PagesEnding, ConnectorDead, MessagesAside, SealExpiring, SealWaitsForPIN, HeldByHub, SupportAsked,
	UpdateTakenBack, UpdateRefused, BackupOld, BackupNone, BackupFailed,
}

// Repair tells whether somebody has to set it right. A condition that this
// software does not know counts as such.
func (c Condition) Repair() bool { return !slices.Contains(notices, c.Code) }

// Codes of conditions. Never rename one: operators' tools know them.
const (
	DiskLow             = "disk-low"
	ClockUntrusted      = "clock-untrusted"
	ClockDiffers        = "clock-differs"
	CertificateExpiring = "certificate-expiring" // soon
	CertificateEnding   = "certificate-ending"   // very soon
	CertificateExpired  = "certificate-expired"
	CertificateRevoked  = "certificate-revoked"
	CertificateReplaced = "certificate-replaced" // another box has enrolled
	CertificateTooOld   = "certificate-too-old"  // it ran out too long ago to renew itself
	CertificateRefused  = "certificate-refused"  // for another reason
	BrokerRefuses       = "broker-refuses"
	// ServerUntrusted begins the codes of what is wrong with a server that
	// answers in the hub's place; an identity.ServerFault ends them.
	ServerUntrusted   = "server-"
	OlderCopy         = "older-copy"
	BudgetUsedUp      = "budget-used-up"
	BudgetForecast    = "budget-forecast"
	BundlesParked     = "bundles-parked"
	RegistryRegressed = "registry-regressed"
	LogChanged        = "log-changed"
	PagesEnding       = "pages-certificate-ending" // soon
	PagesExpired      = "pages-certificate-expired"
	ConnectorFailing  = "connector-failing"
	ConnectorDead     = "connector-dead-letters"
	ConnectorFull     = "connector-full"
	MessagesAside     = "messages-aside" // from outside of Trạm, refused
	CatalogueRefused  = "catalogue-refused"
	HeldByHub         = "held-by-hub"   // it has ordered that urgent documents alone go
	SupportAsked      = "support-asked" // it waits for the support archive to be allowed
	UpdateTakenBack   = "update-taken-back"
	UpdateRefused     = "update-refused"
	UpdateStuck       = "update-stuck" // not well, and cannot be taken back
	BackupOld         = "backup-old"   // the last one that was verified
	BackupNone        = "backup-none"
	BackupFailed      = "backup-failed" // the last attempt, after one that held
)

const (
	// clockTolerance is how far the hub's clock may differ before it is shown.
	clockTolerance = 2 * time.Minute
	// certificateWarning and certificateAlarm are how long before its end a
	// certificate is shown; of one with a short life a sixth and a 24th.
	certificateWarning = 30 * 24 * time.Hour
	certificateAlarm   = 7 * 24 * time.Hour
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
	CertificateLife time.Duration
	Refusal         *problem.Problem     // why the hub gives no new certificate, "cert.…"; nil: it has not said so
	Server          identity.ServerFault // of who answers in the hub's place; "" for none
	ServerAddress   string               // its host:port
	BrokerRefuses   bool                 // the broker answers and does not let us in
	BudgetLimit     int64                // bytes a month over metered lines; 0: no bound
	BudgetUsed      int64                // bytes this month
	BudgetForecast  int64                // bytes at the month's end; 0: not known
	BudgetResets    time.Time
	Parked          int // bundles whose frames end the connection each time
}

// Older is the condition of a box of an office that is an older copy: the hub
// knows another one, which began at that time by its own clock.
func Older(code, name string, began time.Time) Condition {
	return Condition{Code: OlderCopy, Args: i18n.Args{"code": code, "name": name, "at": began.Local().Format("15:04 02/01/2006")}}
}

// Log is the condition of an office whose audit log does not hold from an entry
// on.
func Log(entry int64) Condition {
	return Condition{Code: LogChanged, Args: i18n.Args{"entry": entry}}
}

// Pages is the condition of a certificate of the pages that is over at until or
// within soon; false when it is neither.
func Pages(now, until time.Time, soon time.Duration) (Condition, bool) {
	args := i18n.Args{"date": until.Local().Format("02/01/2006")}
	switch left := until.Sub(now); {
	case left < 0:
		return Condition{Code: PagesExpired, Args: args}, true
	case left < soon:
		return Condition{Code: PagesEnding, Args: args}, true
	}
	return Condition{}, false
}

// certificate is what is not as it should be about the device certificate, ""
// for nothing: the hub's word first, then how near its end is.
func certificate(v Vitals) (code string, args i18n.Args) {
	left := v.CertificateEnds.Sub(v.Now)
	args = i18n.Args{"date": v.CertificateEnds.Format("02/01/2006"), "days": int(left.Abs() / (24 * time.Hour))}
	if v.Refusal != nil {
		codes := map[string]string{"cert.revoked": CertificateRevoked, "cert.other-key": CertificateReplaced, "cert.replaced": CertificateReplaced, "cert.expired": CertificateTooOld}
		if code = codes[v.Refusal.Code]; code == "" {
			code = CertificateRefused
		}
		for k, value := range v.Refusal.Args {
			args[k] = value
		}
		args["problem"] = v.Refusal.Code
		return code, args
	}
	switch {
	case left < 0:
		return CertificateExpired, args
	case left < min(certificateAlarm, v.CertificateLife/24):
		return CertificateEnding, args
	case left < min(certificateWarning, v.CertificateLife/6):
		return CertificateExpiring, args
	}
	return "", nil
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
	if code, args := certificate(v); code != "" {
		add(true, code, args)
	}
	add(v.BrokerRefuses && v.Refusal == nil, BrokerRefuses, nil)
	add(v.Server != "", ServerUntrusted+string(v.Server), i18n.Args{"server": v.ServerAddress})
	budget := i18n.Args{"limit": v.BudgetLimit / megabyte, "used": v.BudgetUsed / megabyte,
		"forecast": v.BudgetForecast / megabyte, "date": v.BudgetResets.Format("02/01/2006")}
	usedUp := v.BudgetLimit > 0 && v.BudgetUsed >= v.BudgetLimit
	add(usedUp, BudgetUsedUp, budget)
	add(v.BudgetLimit > 0 && !usedUp && v.BudgetForecast > v.BudgetLimit, BudgetForecast, budget)
	add(v.Parked > 0, BundlesParked, i18n.Args{"count": v.Parked})
	return conditions
}
