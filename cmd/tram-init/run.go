//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"tram/agent/clock"
)

const (
	// addressWait is how long the office's program waits for a first address: its
	// pages answer to the names that the machine has when it starts.
	addressWait = 4 * time.Second
	// lookEvery is how often the machine's addresses are looked at.
	lookEvery = 5 * time.Second
	// trimEvery is how often the flash is told which blocks are free.
	trimEvery = 7 * 24 * time.Hour
)

// run is the part in the slot: it returns when the machine is to restart.
func run() error {
	if err := mountSystem(); err != nil {
		return err
	}
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return err
	}
	slot, trial, err := slotOf(string(cmdline))
	if err != nil {
		return err
	}
	shut()
	if err := startSwap(); err != nil {
		say("no compressed swap: %v", err)
	}
	dog := openWatchdog()
	dog.feed()
	load("ext4", "quota_v2", "vfat", "nls_ascii", "nls_cp437", "nls_utf8")
	loadAll()
	d, err := findDisk(func() { time.Sleep(100 * time.Millisecond) })
	if err != nil {
		return err
	}
	if err := openData(d); err != nil {
		return err
	}
	say("data partition is there")
	setClock()
	takeOfficerFiles(d)
	c := startNetwork(networkOf(officerDir))
	h := &plugs{cards: c}
	if err := h.start(); err != nil {
		say("devices that are plugged in later are not seen: %v", err)
	}
	log, err := openLog(filepath.Join(logDir, "tram.log"))
	if err != nil {
		return err
	}
	o, err := newOffice(dog, log)
	if err != nil {
		return err
	}
	if trial {
		o.tryOut(d, slot)
	}
	say("system %s, trial %v", slot, trial)
	return serve(d, o)
}

// serve runs the office until the machine is told to go down.
func serve(d disk, o *office) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF); err != nil { // Ctrl-Alt-Del is SIGINT to us
		say("Ctrl-Alt-Del restarts at once: %v", err)
	}
	go reap(ctx)
	for deadline := time.Now().Add(addressWait); len(addresses()) == 0 && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
	}
	say("addresses: %v", addresses())
	enroll(ctx, officerDir)
	var screen sync.Once
	o.ready = func(after time.Duration) {
		say("ready after %.2f s", after.Seconds())
		say("memory: %s", memory())
		screen.Do(func() { go watchBanner(ctx) })
	}
	go watchAddresses(ctx, o)
	go trim(ctx)
	o.run(ctx)
	say("going down")
	unix.Sync()
	if err := unix.Mount("", dataMount, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		say("data partition: %v", err) // its journal holds
	}
	o.dog.end()
	return nil
}

func mountSystem() error {
	for _, m := range []struct{ kind, at, options string }{
		{"tmpfs", "/run", "mode=755,size=4m"}, {"tmpfs", "/tmp", "mode=1777,size=4m"}, {"devpts", "/dev/pts", "mode=620"},
	} {
		if err := mount(m.kind, m.at, m.kind, unix.MS_NOSUID, m.options); err != nil && m.kind != "devpts" {
			return err
		}
	}
	return os.WriteFile("/run/resolv.conf", nil, 0o644)
}

// shut takes from everything that is started from here on what no part of the
// appliance needs: new rights through a program's own ones, and low ports reserved
// to the superuser.
func shut() {
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); errno != 0 {
		say("programs may gain rights: %v", errno)
	}
	setKernel(map[string]string{
		"/proc/sys/net/ipv4/ip_unprivileged_port_start": "443",
		"/proc/sys/kernel/kptr_restrict":                "2",
		"/proc/sys/kernel/dmesg_restrict":               "1",
		"/proc/sys/kernel/printk":                       "3",
		"/proc/sys/vm/panic_on_oom":                     "0",
		"/proc/self/oom_score_adj":                      "-1000",
	})
	hostname := []byte("tram")
	if err := unix.Sethostname(hostname); err != nil {
		say("no name: %v", err)
	}
}

// setKernel writes settings of the kernel. One that it does not have is said, and does
// without.
func setKernel(values map[string]string) {
	for path, value := range values {
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			say("%s: %v", path, err)
		}
	}
}

func credential() *syscall.Credential {
	return &syscall.Credential{Uid: officeUser, Gid: officeUser}
}

// setClock moves a clock that is behind the last time known here to be past up to it
// (P11): a machine whose battery is dead would else find every certificate too young.
func setClock() {
	known, err := clock.ReadKnown(filepath.Join(officeDir, "clock"))
	if err != nil || known.Before(clock.Released) {
		known = clock.Released
	}
	if !time.Now().Before(known) {
		return
	}
	tv := unix.NsecToTimeval(known.UnixNano())
	if err := unix.Settimeofday(&tv); err != nil {
		say("clock not set: %v", err)
		return
	}
	say("clock was behind and stands at %s, the last known time", known.Format(time.RFC3339))
}

// takeOfficerFiles mounts the boot partition, read-only, for what the officer put
// there, and gives the office the settings among it.
func takeOfficerFiles(d disk) {
	if err := mount(d.part(bootPart), bootMount, "vfat", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "iocharset=ascii"); err != nil {
		say("boot partition: %v", err)
		return
	}
	raw, err := readFile(filepath.Join(officerDir, "tram.toml"))
	if err != nil {
		return // none
	}
	path := filepath.Join(officeDir, "tram.toml")
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, raw) {
		return
	}
	if err = os.WriteFile(path, raw, 0o600); err == nil {
		err = os.Chown(path, officeUser, officeUser)
	}
	if err != nil {
		say("settings: %v", err)
	}
}

// networkOf reads network.conf; a file that is wrong counts as none, and is named.
func networkOf(dir string) network {
	raw, err := readFile(filepath.Join(dir, "network.conf"))
	if err != nil {
		return network{}
	}
	n, err := parseNetwork(raw)
	if err != nil {
		say("network.conf is not used, addresses come by DHCP: %v", err)
	}
	return n
}

// noInvite is what the screen says of a box that belongs to no office: it has no pages
// yet. A screen in text mode has no letters of Vietnamese.
const noInvite = "Chua co the moi: cam USB co tep .moi\n  No invite yet: plug in a stick with the .moi file"

// banner is where the pages are, and the first sign-in until it was used.
func banner() string {
	var b strings.Builder
	b.WriteString("\n  Tram\n")
	if _, err := os.Stat(filepath.Join(officeDir, "keys")); err != nil {
		return b.String() + "  " + noInvite + "\n\n"
	}
	for _, a := range addresses() {
		fmt.Fprintf(&b, "  https://%s/\n", a)
	}
	if first := firstSignIn(); first != "" {
		fmt.Fprintf(&b, "  %s\n", first)
	}
	b.WriteString("\n")
	return b.String()
}

// watchBanner shows the banner whenever it has become another one, as after an
// officer plugged in the stick with the invite.
func watchBanner(ctx context.Context) {
	for shown := ""; ; {
		if now := banner(); now != shown {
			show(now)
			shown = now
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

// memory is how the kernel sees it, for the log: what a machine has to spare.
func memory() string {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return err.Error()
	}
	var parts []string
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if slices.Contains([]string{"MemTotal", "MemAvailable", "SwapTotal", "SwapFree"}, name) {
			parts = append(parts, name+" "+strings.TrimSpace(value))
		}
	}
	return strings.Join(parts, ", ")
}

// watchAddresses has the office's program start anew under the machine's new names.
func watchAddresses(ctx context.Context, o *office) {
	known := addresses()
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
		now := addresses()
		if len(now) == 0 || slices.Equal(now, known) {
			continue // a cable that is out changes no name
		}
		known = now
		say("addresses are now %v", now)
		o.again()
	}
}
