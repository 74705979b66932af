package cli

import (
	"testing"

	"tram/agent/problem"
)

// TestWhatWasToldIsNotSaidAgain, and keeps its exit code.
func TestWhatWasToldIsNotSaidAgain(t *testing.T) {
	var w world
	err := Told(problem.List{problem.New(problem.Full, "office.full", "", nil)})
	w.app().Console.Report(err)
	if code := ExitCode(err); code != ExitFull || w.err.Len() > 0 {
		t.Errorf("exit %d, %q", code, w.err.String())
	}
	if Told(nil) != nil {
		t.Error("nothing was told as something")
	}
}
