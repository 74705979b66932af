// Package tokentest builds the token helper for the tests of packages that use
// it. It is in no product.
package tokentest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Program is the path of the helper while [Main] runs.
var Program string

// Main builds the helper, which needs cgo, runs the tests, removes it, and gives
// the exit code.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tram-token")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	Program = filepath.Join(dir, "tram-token")
	build := exec.Command("go", "build", "-o", Program, "tram/cmd/tram-token")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build tram-token: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}
