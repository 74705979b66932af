package peers

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"tram/cmd/internal/line"
)

const (
	// psk is the pre-shared key of this lab's broker; nothing else uses it.
	psk = "6c61622d6f66"
	// publishers run side by side, as a careful script does.
	publishers = 4
	topic      = "lab/"
)

// mosquitto is the Mosquitto broker at the hub with its own clients: a
// document is one message with QoS 1, published again until that succeeds.
type mosquitto struct {
	box
	children
	host  line.Host
	log   io.Writer
	pub   []string // the command without topic and file
	queue chan string
}

// Start implements [Peer].
func (m *mosquitto) Start(ctx context.Context, at Site) error {
	m.host, m.log, m.queue = at.From, at.Log, make(chan string, 10_000)
	broker, err := program("mosquitto", "Debian package mosquitto")
	if err != nil {
		return err
	}
	pub, err := program("mosquitto_pub", "Debian package mosquitto-clients")
	if err != nil {
		return err
	}
	sub, err := program("mosquitto_sub", "Debian package mosquitto-clients")
	if err != nil {
		return err
	}
	if err := m.open(at.Dir); err != nil {
		return err
	}
	addr, err := m.broker(ctx, at, broker)
	if err != nil {
		return err
	}
	options := func(host line.Host) ([]string, error) {
		through := addr
		if host != at.Line.Hub() {
			if through, err = host.Through(addr); err != nil {
				return nil, err
			}
		}
		name, port, _ := net.SplitHostPort(through)
		return []string{"-h", name, "-p", port, "--psk", psk, "--psk-identity", "lab", "-q", "1", "-k", "15"}, nil
	}
	toSub, err := options(at.To)
	if err != nil {
		return err
	}
	toPub, err := options(at.From)
	if err != nil {
		return err
	}
	m.pub = append([]string{pub}, toPub...)
	m.background(func(ctx context.Context) error {
		return m.subscribe(ctx, at, append([]string{sub, "-c", "-i", "lab-receiver", "-t", topic + "#", "-F", "%t %x"}, toSub...))
	})
	for range publishers {
		m.background(m.publish)
	}
	return m.firstMessage(ctx)
}

func (m *mosquitto) broker(ctx context.Context, at Site, path string) (string, error) {
	addr, err := freeAt(at.Line.Hub())
	if err != nil {
		return "", err
	}
	me, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("find own user: %w", err)
	}
	host, port, _ := net.SplitHostPort(addr)
	conf, keys := filepath.Join(at.Dir, "mosquitto.conf"), filepath.Join(at.Dir, "keys")
	text := fmt.Sprintf("user %s\nlistener %s %s\nallow_anonymous true\npsk_hint lab\npsk_file %s\n", me.Username, port, host, keys)
	for file, content := range map[string]string{conf: text, keys: "lab:" + psk + "\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			return "", fmt.Errorf("write broker's settings: %w", err)
		}
	}
	if err := m.spawn(at.Line.Hub(), at.Log, path, "-c", conf); err != nil {
		return "", err
	}
	return addr, m.listening(ctx, at.Line.Hub(), addr)
}

// subscribe writes each message to a file of the receiver.
func (m *mosquitto) subscribe(ctx context.Context, at Site, command []string) error {
	cmd := line.Command(ctx, at.To, command[0], command[1:]...)
	cmd.Stderr = at.Log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("connect to mosquitto_sub: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start mosquitto_sub: %w", err)
	}
	defer cmd.Wait()
	for r := bufio.NewReader(out); ; {
		text, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read from mosquitto_sub: %w", err)
		}
		name, digits, _ := strings.Cut(strings.TrimSpace(text), " ")
		data, err := hex.DecodeString(digits)
		if err == nil {
			err = write(m.in, strings.TrimPrefix(name, topic), data)
		}
		if err != nil {
			return fmt.Errorf("take message: %w", err)
		}
	}
}

// publish takes names from the queue and publishes each until that succeeds.
func (m *mosquitto) publish(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case name := <-m.queue:
			for {
				args := append(m.pub[1:len(m.pub):len(m.pub)], "-t", topic+name, "-f", filepath.Join(m.out, name))
				cmd := line.Command(ctx, m.host, m.pub[0], args...)
				cmd.Stdout, cmd.Stderr = m.log, m.log
				if cmd.Run() == nil {
					break
				}
				if err := pause(ctx, retryAfter); err != nil {
					return nil
				}
			}
		}
	}
}

// firstMessage proves that the way is open: the subscriber is there.
func (m *mosquitto) firstMessage(ctx context.Context) error {
	first := Document{Name: "first", Data: []byte("first")}
	if err := pause(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	for {
		if err := m.Send(ctx, first); err != nil {
			return err
		}
		for range 20 {
			if names, err := m.Arrived(ctx); err != nil || len(names) > 0 {
				return err
			}
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return fmt.Errorf("wait for the first message: %w", err)
			}
		}
	}
}

// Send implements [Peer].
func (m *mosquitto) Send(_ context.Context, documents ...Document) error {
	if err := m.put(documents); err != nil {
		return err
	}
	for _, d := range documents {
		m.queue <- d.Name
	}
	return m.trouble()
}

// Close implements [Peer].
func (m *mosquitto) Close() error {
	m.close()
	return nil
}
