package probe_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"tram/agent/identity/identitytest"
	"tram/agent/probe"
)

// alone is set in the process that runs in a network namespace of its own.
const alone = "TRAM_TEST_ALONE"

// TestAMachineWithoutANetworkSaysSo runs itself in a namespace of the kernel that has
// no line, then one whose line leads nowhere.
func TestAMachineWithoutANetworkSaysSo(t *testing.T) {
	if os.Getenv(alone) == "" {
		if os.Geteuid() != 0 {
			t.Skip("not root: a machine without a network was not tried")
		}
		cmd := exec.Command(os.Args[0], "-test.run", "^TestAMachineWithoutANetworkSaysSo$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestAMachineWithoutANetworkSaysSo") {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	id, _ := identitytest.Office(t, "H40.01")
	look := func(want string) {
		t.Helper()
		for late := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) { // the kernel takes a moment to see a cable
			r := probe.Run(t.Context(), probe.Options{Server: "192.0.2.1:8883", Identity: id, Timeout: 300 * time.Millisecond})
			if broken := r.Broken(); broken != nil && broken.Code == want {
				says(t, broken)
				return
			} else if time.Now().After(late) {
				t.Fatalf("it says %+v, want %s", broken, want)
			}
		}
	}
	look(probe.NoNetwork)
	for _, line := range []string{"link add tram0 type veth peer name tram1", "addr add 198.51.100.2/24 dev tram0", "link set tram0 up", "link set tram1 up"} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", line, err, out)
		}
	}
	look(probe.NoRoute)
	if out, err := exec.Command("ip", "route", "add", "default", "dev", "tram0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	look(probe.PortSilent)
}
