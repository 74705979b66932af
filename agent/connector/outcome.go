package connector

import (
	"errors"
	"time"
)

// Permanent marks an error that trying again does not mend.
func Permanent(err error) error { return &permanent{err} }

type permanent struct{ err error }

func (p *permanent) Error() string { return p.err.Error() }
func (p *permanent) Unwrap() error { return p.err }

// IsPermanent reports whether an error was made by [Permanent] or [Stop].
func IsPermanent(err error) bool {
	var p *permanent
	return errors.As(err, &p)
}

// Stop marks a permanent error after which the other system wants nothing more:
// the connector is paused until a person resumes it.
func Stop(err error) error { return Permanent(&stop{err}) }

type stop struct{ err error }

func (s *stop) Error() string { return s.err.Error() }
func (s *stop) Unwrap() error { return s.err }

// IsStop reports whether an error was made by [Stop].
func IsStop(err error) bool {
	var s *stop
	return errors.As(err, &s)
}

// MaxRest is the longest that another system can have a connector rest.
const MaxRest = 24 * time.Hour

// After marks an error with the time before which the other system wants no
// delivery at all. The host keeps to it, up to [MaxRest].
func After(t time.Time, err error) error { return &after{t, err} }

type after struct {
	t   time.Time
	err error
}

func (a *after) Error() string { return a.err.Error() }
func (a *after) Unwrap() error { return a.err }

// NotBefore is the time that [After] has put on an error, zero for none.
func NotBefore(err error) time.Time {
	var a *after
	if errors.As(err, &a) {
		return a.t
	}
	return time.Time{}
}
