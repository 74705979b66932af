package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// told is an error that was shown.
type told struct{ error }

func (t told) Unwrap() error { return t.error }

// Told is err for a command that has reported it already: it gives the exit
// code of err and no message. Of nil it is nil.
func Told(err error) error {
	if err == nil {
		return nil
	}
	return told{err}
}

// shownError is the JSON form of a problem.
type shownError struct {
	MessageType string `json:"message_type"`
	Code        string `json:"code"`
	Field       string `json:"field,omitempty"`
	Message     string `json:"message"`
	Next        string `json:"next,omitempty"`
	ExitCode    int    `json:"exit_code"`
}

// Report shows err to the caller on standard error: message, next step and
// code of each problem in it. With --json each is one line of JSON. A cause is
// shown with --verbose, and always for what nobody expected.
func (c *Console) Report(err error) {
	var shown told
	if err == nil || errors.Is(err, ErrPartial) || errors.As(err, &shown) {
		return
	}
	if ExitCode(err) == ExitCancelled {
		err = problem.New(problem.Failed, "cli.cancelled", "", nil).Because(context.Canceled)
	}
	for _, p := range problems(err) {
		if c.JSON {
			c.reportJSON(p, ExitCode(err))
			continue
		}
		c.report(p)
	}
}

func (c *Console) report(p *problem.Problem) {
	fmt.Fprintf(c.Err, "%s %s\n", c.paint(Failure), OneLine(p.Message(c.Lang)))
	if next := p.Next(c.Lang); next != "" {
		fmt.Fprintf(c.Err, "  %s\n", OneLine(i18n.T(c.Lang, "cli.next", i18n.Args{"step": next, "program": c.Program})))
	}
	if p.Err != nil && (c.Verbose || p.Code == "internal") {
		fmt.Fprintf(c.Err, "  %s\n", OneLine(c.T("cli.cause", i18n.Args{"cause": p.Err.Error()})))
	}
	fmt.Fprintf(c.Err, "  [%s]\n", p.Code)
}

func (c *Console) reportJSON(p *problem.Problem, code int) {
	shown := shownError{"error", p.Code, p.Field, p.Message(c.Lang), p.Next(c.Lang), code}
	if line, err := json.Marshal(shown); err == nil {
		fmt.Fprintln(unfolded(c.Err), string(line))
	}
}

// problems returns every problem of err, at least one.
func problems(err error) problem.List {
	var list problem.List
	if errors.As(err, &list) && len(list) > 0 {
		return list
	}
	return problem.List{problem.From(err)}
}
