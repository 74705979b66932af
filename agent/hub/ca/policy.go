package ca

import "time"

// Policy is how long certificates live and how far an office that comes late
// is helped without a person. Zero values are the defaults.
type Policy struct {
	DeviceLife time.Duration // of an office's device certificate; zero is DeviceLife
	SealLife   time.Duration // of its seal certificate; zero is SealLife
	// Grace is how long after its end a device certificate that was not revoked
	// may still prove, at the enrolment service alone, that its office holds the
	// key, and so be renewed. Zero is DefaultGrace, negative is none.
	Grace time.Duration
}

const (
	// DefaultGrace covers a box that lay in a drawer, or without a line, for a
	// year. What it risks is bounded by revocation: a stolen box is revoked, not
	// waited out.
	DefaultGrace = 365 * 24 * time.Hour
	// MaxWaiting bounds the waiting room, hard. When it is full further boxes are
	// told that the hub is busy.
	MaxWaiting = 1000
)

func (p Policy) deviceLife() time.Duration { return or(p.DeviceLife, DeviceLife) }
func (p Policy) sealLife() time.Duration   { return or(p.SealLife, SealLife) }
func (p Policy) grace() time.Duration      { return max(or(p.Grace, DefaultGrace), 0) }

func or(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}
