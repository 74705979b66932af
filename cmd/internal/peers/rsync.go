package peers

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"tram/cmd/internal/line"
)

// retryAfter is how long a script around a peer's own commands waits before it
// tries again.
const retryAfter = time.Second

// runDir is where sshd wants an empty folder when it runs as root; the service
// makes it at boot.
const runDir = "/run/sshd"

// rsync is rsync over ssh in a loop: its own sshd, compression, partial files
// kept and continued.
type rsync struct {
	box
	children
	command []string
	host    line.Host
	log     io.Writer
	kick    chan struct{}
}

// Start implements [Peer].
func (r *rsync) Start(ctx context.Context, at Site) error {
	r.kick, r.host, r.log = make(chan struct{}, 1), at.From, at.Log
	sshd, err := program("sshd", "Debian package openssh-server")
	if err != nil {
		return err
	}
	for name, from := range map[string]string{"rsync": "Debian package rsync", "ssh": "Debian package openssh-client"} {
		if _, err := program(name, from); err != nil {
			return err
		}
	}
	if err := r.open(at.Dir); err != nil {
		return err
	}
	for _, key := range []string{"host", "own"} {
		if out, err := exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(at.Dir, key)).CombinedOutput(); err != nil {
			return fmt.Errorf("make ssh key: %w: %s", err, out)
		}
	}
	addr, err := freeAt(at.To)
	if err != nil {
		return err
	}
	if err := r.serve(ctx, at, sshd, addr); err != nil {
		return err
	}
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("find own user: %w", err)
	}
	through, err := at.From.Through(addr)
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(through)
	ssh := strings.Join([]string{
		"ssh", "-F", "/dev/null", "-p", port, "-i", filepath.Join(at.Dir, "own"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=" + filepath.Join(at.Dir, "known"), "-o", "LogLevel=ERROR",
		"-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3",
	}, " ")
	r.command = []string{
		"rsync", "-rt", "-z", "--partial", "--append-verify", "--timeout=20", "-e", ssh, r.out + "/", me.Username + "@" + host + ":" + r.in + "/",
	}
	r.background(r.loop)
	return nil
}

// serve runs an sshd of our own.
func (r *rsync) serve(ctx context.Context, at Site, sshd, addr string) error {
	if err := os.MkdirAll(runDir, 0o755); err != nil && os.Geteuid() == 0 {
		return fmt.Errorf("make folder for sshd: %w", err)
	}
	host, port, _ := net.SplitHostPort(addr)
	conf := filepath.Join(at.Dir, "sshd_config")
	text := fmt.Sprintf(`ListenAddress %s
Port %s
HostKey %s
AuthorizedKeysFile %s
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 50
ClientAliveInterval 5
ClientAliveCountMax 3
`, host, port, filepath.Join(at.Dir, "host"), filepath.Join(at.Dir, "own.pub"))
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write sshd's settings: %w", err)
	}
	if err := r.spawn(at.To, at.Log, sshd, "-D", "-e", "-f", conf); err != nil {
		return err
	}
	return r.listening(ctx, at.To, addr)
}

// loop runs rsync whenever something was handed over, until it says that all is
// there.
func (r *rsync) loop(ctx context.Context) error {
	for {
		select {
		case <-r.kick:
		case <-ctx.Done():
			return nil
		}
		for {
			cmd := line.Command(ctx, r.host, r.command[0], r.command[1:]...)
			cmd.Stdout, cmd.Stderr = r.log, r.log
			if cmd.Run() == nil {
				break
			}
			if err := pause(ctx, retryAfter); err != nil {
				return nil
			}
		}
	}
}

// Send implements [Peer].
func (r *rsync) Send(_ context.Context, documents ...Document) error {
	if err := r.put(documents); err != nil {
		return err
	}
	select {
	case r.kick <- struct{}{}:
	default:
	}
	return r.trouble()
}

// Close implements [Peer].
func (r *rsync) Close() error {
	r.close()
	return nil
}
