//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// plugs follows what the kernel says of devices that come and go: modems, network
// cards, USB sticks.
type plugs struct {
	cards *cards
	sock  int
}

const (
	maxEvent = 16 << 10 // bytes of a message of the kernel
	// eventBuffer holds what the kernel says while a driver is being loaded.
	eventBuffer = 1 << 20
)

// mediaDir is where sticks are mounted, each under the name of its partition.
const mediaDir = "/run/media"

func (p *plugs) start() error {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return err
	}
	if err := unix.Bind(s, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return errors.Join(err, unix.Close(s))
	}
	if err := unix.SetsockoptInt(s, unix.SOL_SOCKET, unix.SO_RCVBUF, eventBuffer); err != nil {
		return errors.Join(err, unix.Close(s))
	}
	p.sock = s
	go p.listen()
	return nil
}

func (p *plugs) listen() {
	buf := make([]byte, maxEvent)
	for {
		n, from, err := unix.Recvfrom(p.sock, buf, 0)
		if errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EINTR) {
			loadAll() // something was missed
			continue
		}
		if err != nil {
			say("devices that are plugged in are no longer seen: %v", err)
			return
		}
		if k, ok := from.(*unix.SockaddrNetlink); !ok || k.Pid != 0 {
			continue // not the kernel
		}
		p.hear(parseEvent(buf[:n]))
	}
}

// parseEvent reads a message of the kernel: "action@path", then NAME=value, each
// ended by a zero.
func parseEvent(raw []byte) map[string]string {
	e := map[string]string{}
	for _, field := range bytes.Split(raw, []byte{0})[1:] {
		if name, value, ok := strings.Cut(string(field), "="); ok {
			e[name] = value
		}
	}
	return e
}

func (p *plugs) hear(e map[string]string) {
	if e["ACTION"] == "remove" && e["SUBSYSTEM"] == "block" {
		p.pulled(filepath.Base(e["DEVNAME"]))
		return
	}
	if e["ACTION"] != "add" {
		return
	}
	if e["MODALIAS"] != "" {
		load(e["MODALIAS"])
	}
	switch e["SUBSYSTEM"] {
	case "net":
		p.cards.add(e["INTERFACE"])
	case "block":
		if e["DEVTYPE"] == "partition" && strings.Contains(e["DEVPATH"], "/usb") {
			p.stick(filepath.Base(e["DEVNAME"]))
		}
	}
}

// stick mounts a USB stick for the office, and takes an invite that lies on it.
func (p *plugs) stick(name string) {
	if d, ok := lookForDisk("/sys/block", "/dev"); ok && strings.HasPrefix("/dev/"+name, d.path) {
		return // the appliance's own disk, on USB
	}
	load("vfat", "exfat")
	at := filepath.Join(mediaDir, name)
	options := fmt.Sprintf("uid=%d,gid=%d,umask=077,iocharset=utf8", officeUser, officeUser)
	var err error
	for _, kind := range []string{"vfat", "exfat"} {
		if err = mount("/dev/"+name, at, kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, options); err == nil {
			say("stick %s", name)
			enroll(context.Background(), at)
			return
		}
	}
	say("stick %s: %v", name, err)
}

func (p *plugs) pulled(name string) {
	at := filepath.Join(mediaDir, name)
	if _, err := os.Stat(at); err != nil {
		return
	}
	if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
		say("stick %s: %v", name, err)
	}
	_ = os.Remove(at) // mounted over again the next time
}

// trim tells the flash which blocks are free, once after each start and every
// trimEvery: in one go, which wears it less than with every deletion.
func trim(ctx context.Context) {
	wait := 10 * time.Minute // not while the office comes up
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = trimEvery
		dir, err := os.Open(dataMount)
		if err != nil {
			say("trim: %v", err)
			continue
		}
		const fitrim = 0xc0185879 // FITRIM
		all := struct{ start, length, least uint64 }{0, 1<<64 - 1, 1 << 20}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), fitrim, uintptr(unsafe.Pointer(&all))); errno != 0 && errno != unix.EOPNOTSUPP {
			say("trim: %v", errno)
		}
		dir.Close()
	}
}
