// Package tooltest finds other people's programs for tests that hold our work
// against theirs. It is in no product.
package tooltest

import (
	"os"
	"os/exec"
	"testing"
)

// Find gives the path of a program. Where CI is set it must be there; elsewhere
// the test is skipped, and says what did not run.
func Find(t testing.TB, name, what string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is missing", name)
	default:
		t.Skipf("%s is not installed: %s did not run", name, what)
	}
	return path
}
