package cli

import (
	"context"
	"errors"
	"strconv"

	"tram/agent/problem"
)

// Exit codes of both programs. They are part of the stable interface; any other
// non-zero code means failure.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitPartial     = 3
	ExitNotEnrolled = 10
	ExitNotRunning  = 11
	ExitLinkDown    = 12
	ExitBadInvite   = 13
	ExitBadSeal     = 14
	ExitFull        = 15
	ExitBadClock    = 16
	ExitBusy        = 17
	ExitCancelled   = 130
)

// exitCodes is the order of the root help.
var exitCodes = []int{
	ExitOK, ExitFailed, ExitUsage, ExitPartial, ExitNotEnrolled, ExitNotRunning, ExitLinkDown,
	ExitBadInvite, ExitBadSeal, ExitFull, ExitBadClock, ExitBusy, ExitCancelled,
}

// ErrPartial is returned by a command that did a part of its work, or found
// warnings, and has already said so. It gives ExitPartial and no message.
var ErrPartial = errors.New("done in part")

// ExitCode maps the error of a command to the program's exit code.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, ErrPartial):
		return ExitPartial
	case errors.Is(err, context.Canceled) && !isProblem(err):
		return ExitCancelled
	}
	switch problem.From(err).Class {
	case problem.Usage:
		return ExitUsage
	case problem.NotEnrolled:
		return ExitNotEnrolled
	case problem.NotRunning:
		return ExitNotRunning
	case problem.LinkDown:
		return ExitLinkDown
	case problem.BadInvite:
		return ExitBadInvite
	case problem.BadSeal:
		return ExitBadSeal
	case problem.Full:
		return ExitFull
	case problem.BadClock:
		return ExitBadClock
	case problem.Busy:
		return ExitBusy
	default:
		return ExitFailed
	}
}

func isProblem(err error) bool {
	var p *problem.Problem
	return errors.As(err, &p)
}

// exitKey is the catalogue key that says what an exit code means.
func exitKey(code int) string { return "cli.exit." + strconv.Itoa(code) }
