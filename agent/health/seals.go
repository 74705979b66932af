package health

import (
	"math"
	"time"

	"tram/agent/i18n"
)

// Codes of conditions of seals.
const (
	SealExpiring     = "seal-expiring"
	SealExpired      = "seal-expired"
	SealCannotSign   = "seal-cannot-sign"
	SealWaitsForPIN  = "seal-waits-for-pin"
	SealTokenMissing = "seal-token-missing"
	SealPINLocked    = "seal-pin-locked"
	sealPINNeeded    = "seal.pin-needed"
	sealPINLocked    = "seal.pin-locked"
	sealTokenAbsent  = "seal.token-absent"
	sealCertExpired  = "seal.certificate-expired"
)

// SealNotReady is the condition of a seal in use that could not sign when it
// was last tried, for the problem of that code.
func SealNotReady(name, problem string) Condition {
	code := SealCannotSign
	switch problem {
	case sealPINNeeded:
		code = SealWaitsForPIN
	case sealPINLocked:
		code = SealPINLocked
	case sealTokenAbsent:
		code = SealTokenMissing
	case sealCertExpired:
		code = SealExpired
	}
	return Condition{Code: code, Args: i18n.Args{"name": name, "why": problem}}
}

// SealEnds is the condition of a seal whose certificate ends soon; false while
// there is time.
func SealEnds(name string, end, now time.Time) (Condition, bool) {
	left := end.Sub(now)
	days := int(math.Ceil(left.Hours() / 24))
	return Condition{Code: SealExpiring, Args: i18n.Args{"name": name, "date": end.Local().Format("02/01/2006"), "days": days}},
		left > 0 && left < certificateWarning
}
