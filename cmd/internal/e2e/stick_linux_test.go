package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"tram/agent/tooltest"
)

// TestAStickMakesAMachineAnOffice types two commands and one answer over an overlay of
// this machine's root, with a stick that is read-only and noexec; then a document comes
// and one goes. In a bare Debian with systemd the same is make stick-test.
func TestAStickMakesAMachineAnOffice(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes the namespaces and the overlay of the machine to be installed")
	}
	for _, tool := range []string{"unshare", "nsenter", "script", "ip"} {
		tooltest.Find(t, tool, "installing from a stick")
	}
	programs := t.TempDir()
	for _, name := range []string{"tram", "tram-hub"} {
		if err := os.Symlink(filepath.Join(bin, name), filepath.Join(programs, name+"-linux-"+runtime.GOARCH)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "packaging", "stick", "try"), programs)
	cmd.Env = append(os.Environ(), "SHORT=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
