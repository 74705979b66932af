//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const oNoTTY = unix.O_NOCTTY

// slotMount is where the slot is put together before it becomes the root.
const slotMount = "/slot"

// early is the part in the initial memory disk: it ends by becoming the slot's own
// program.
func early() error {
	for _, m := range []struct{ kind, at string }{{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}} {
		if err := mount(m.kind, m.at, m.kind, unix.MS_NOSUID, ""); err != nil {
			return err
		}
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	slot, _, err := slotOf(string(cmdline))
	if err != nil {
		return err
	}
	load("squashfs")
	loadAll()
	d, err := findDisk(func() {
		time.Sleep(100 * time.Millisecond)
		loadAll() // what one driver found may need another
	})
	if err != nil {
		return err
	}
	n := slotA
	if slot == "b" {
		n = slotB
	}
	if err := mount(d.part(n), slotMount, "squashfs", unix.MS_RDONLY|unix.MS_NODEV, ""); err != nil {
		return err
	}
	for _, at := range []string{"/dev", "/proc", "/sys"} {
		if err := unix.Mount(at, slotMount+at, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", at, err)
		}
	}
	return enter()
}

// enter frees the memory of the initial memory disk and makes the slot the root.
func enter() error {
	for _, dir := range []string{"/lib", "/bin", "/sbin", earlyName} {
		_ = os.RemoveAll(dir) // what stays costs memory, nothing else
	}
	if err := os.Chdir(slotMount); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("make the slot the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("make the slot the root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	const self = "/sbin/tram-init"
	return unix.Exec(self, []string{self}, []string{"PATH=/sbin:/bin", "HOME=/"})
}

func mount(source, at, kind string, flags uintptr, options string) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		if _, missing := os.Stat(at); missing != nil {
			return err
		}
	}
	if err := unix.Mount(source, at, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, at, err)
	}
	return nil
}

// load brings kernel modules in. Machines differ: that one is not there, or finds
// nothing to drive, is no fault.
func load(modules ...string) {
	if len(modules) == 0 {
		return
	}
	cmd := exec.Command("/bin/busybox", append([]string{"modprobe", "-a", "-b", "-q"}, modules...)...)
	_ = cmd.Run()
}

// loadAll loads the drivers of everything that the kernel has found so far.
func loadAll() { load(aliases("/sys/devices")...) }

// aliases are the names under which found devices ask for their drivers.
func aliases(root string) []string {
	seen := map[string]bool{}
	var all []string
	walk(root, 0, func(path string) {
		if !strings.HasSuffix(path, "/modalias") {
			return
		}
		text, err := os.ReadFile(path)
		alias := strings.TrimSpace(string(text))
		if err == nil && alias != "" && !seen[alias] {
			seen[alias] = true
			all = append(all, alias)
		}
	})
	return all
}

// maxDepth bounds walk: buses behind buses.
const maxDepth = 24

// walk calls visit for every file below dir, without following links.
func walk(dir string, depth int, visit func(path string)) {
	entries, err := os.ReadDir(dir)
	if err != nil || depth > maxDepth {
		return
	}
	for _, e := range entries {
		path := dir + "/" + e.Name()
		if e.IsDir() {
			walk(path, depth+1, visit)
		} else {
			visit(path)
		}
	}
}
