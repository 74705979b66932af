//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	program      = "/usr/bin/tram"
	pages        = "0.0.0.0:443"
	notifySocket = "/run/notify"
	restartPause = 5 * time.Second
	stopTime     = 30 * time.Second
	beat         = 5 * time.Second // how often health is judged
	maxMessage   = 4 << 10         // bytes of a message to the service manager
)

// office runs the office's program.
type office struct {
	program string // that runs: this system's own, but for a trial
	log     io.Writer
	dog     *watchdog
	prove   func() // the system is confirmed; nil once it is, and where it is not on trial
	ready   func(after time.Duration)
	notify  *net.UnixConn
	heard   chan string
	restart chan struct{}
}

func newOffice(dog *watchdog, log io.Writer) (*office, error) {
	_ = os.Remove(notifySocket)
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: notifySocket, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	if err := os.Chown(notifySocket, officeUser, 0); err != nil {
		return nil, err
	}
	o := &office{program: program, log: log, dog: dog, notify: c, heard: make(chan string, 16), restart: make(chan struct{}, 1)}
	go o.listen()
	return o, nil
}

// again has the program start anew.
func (o *office) again() {
	select {
	case o.restart <- struct{}{}:
	default: // it is about to
	}
}

func (o *office) listen() {
	buf := make([]byte, maxMessage)
	for {
		n, err := o.notify.Read(buf)
		if err != nil {
			say("no more signs of life can be heard: %v", err)
			return // the watchdogs do the rest
		}
		o.heard <- string(buf[:n])
	}
}

// uptime is the time since the kernel began.
func uptime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// asOffice prepares a command that runs as the office.
func asOffice(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=/sbin:/bin:/usr/bin", "HOME=" + officeDir, "TMPDIR=/var/tmp", "TRAM_UI_ADDRESS=" + pages,
		"GODEBUG=memprofilerate=0"} // samples that nobody reads cost 1.4 MB
	cmd.Dir = officeDir
	cmd.SysProcAttr = &unix.SysProcAttr{Credential: credential(), Setsid: true}
	return cmd
}

// enroll hands an invite to the program when the office has no identity yet. Without
// a link the program keeps the invite and joins later.
func enroll(ctx context.Context, folders ...string) {
	if _, err := os.Stat(filepath.Join(officeDir, "keys")); err == nil {
		return
	}
	for _, dir := range folders {
		found, err := filepath.Glob(filepath.Join(dir, "*.moi"))
		if err != nil || len(found) == 0 {
			continue
		}
		raw, err := readFile(found[0])
		if err != nil {
			say("invite %s: %v", found[0], err)
			continue
		}
		copied := filepath.Join(officeDir, "invite.moi")
		if err := os.WriteFile(copied, raw, 0o600); err != nil {
			say("invite: %v", err)
			return
		}
		if err := os.Chown(copied, officeUser, officeUser); err != nil {
			say("invite: %v", err)
			return
		}
		out, err := asOffice(ctx, program, "enroll", "--data", officeDir, "--yes", "--no-input", "--lang", "en", copied).CombinedOutput()
		say("invite %s: %s", filepath.Base(found[0]), strings.TrimSpace(string(out)))
		if err != nil {
			say("invite %s: %v", filepath.Base(found[0]), err)
		}
		_ = os.Remove(copied) // the service keeps its own
		return
	}
}

// run keeps the program running until ctx ends.
func (o *office) run(ctx context.Context) {
	p := &patient{well: uptime()}
	for ctx.Err() == nil {
		pause := o.once(ctx, p)
		for end := time.Now().Add(pause); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
			if p.judge(uptime()).feed {
				o.dog.feed()
			}
		}
	}
}

// once is one run of the program. It returns how long to wait before the next.
func (o *office) once(ctx context.Context, p *patient) time.Duration {
	cmd := asOffice(context.WithoutCancel(ctx), o.program, "run", "--data", officeDir)
	cmd.Env = append(cmd.Env, "NOTIFY_SOCKET="+notifySocket, fmt.Sprintf("WATCHDOG_USEC=%d", aliveTime.Microseconds()))
	cmd.Stdout, cmd.Stderr = o.log, o.log
	p.start(uptime())
	if err := cmd.Start(); err != nil {
		say("the office's program does not start: %v", err)
		return restartPause
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	err := o.attend(ctx, p, cmd, done)
	if ctx.Err() != nil || err == nil {
		return 0
	}
	say("the office's program ended: %v", err)
	return restartPause
}

// attend feeds the watchdog and judges the program until it has ended.
func (o *office) attend(ctx context.Context, p *patient, cmd *exec.Cmd, done <-chan error) error {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return o.stop(cmd, done)
		case <-o.restart:
			return errors.Join(o.stop(cmd, done), nil)
		case message := <-o.heard:
			was := p.ready
			p.hear(message, uptime())
			if p.ready && !was && o.ready != nil {
				o.ready(uptime())
			}
		case <-tick.C:
		}
		v := p.judge(uptime())
		if v.feed {
			o.dog.feed()
		}
		if v.proven && o.prove != nil {
			o.prove()
			o.prove = nil
		}
		if v.restart {
			say("the office's program does not answer for itself")
			_ = cmd.Process.Kill() // done tells
			p.start(uptime())
		}
	}
}

// stop ends the program politely, and by force after a while.
func (o *office) stop(cmd *exec.Cmd, done <-chan error) error {
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		return err
	}
	for end := time.After(stopTime); ; {
		select {
		case <-done:
			return nil
		case <-o.heard:
		case <-end:
			if err := cmd.Process.Kill(); err != nil {
				return err
			}
			<-done
			return nil
		}
	}
}
