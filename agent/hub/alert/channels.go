package alert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tram/agent/connector/mail"
	"tram/agent/connector/webhook"
	"tram/agent/hub/incident"
	"tram/agent/office"
	"tram/agent/problem"
)

// Names of channels.
const (
	Webhook  = "webhook"
	Mail     = "mail"
	Security = "mail-security" // for verdicts on signatures
	Command  = "command"
)

// post is the channel over HTTP.
type post struct{ p *webhook.Poster }

// NewWebhook sends messages as Standard Webhooks.
func NewWebhook(p *webhook.Poster) Channel { return post{p} }

func (post) Name() string { return Webhook }

// Send implements [Channel].
func (c post) Send(ctx context.Context, m Message) error {
	return c.p.Post(ctx, m.ID, webhook.Message{Type: "incident." + string(m.Kind), Timestamp: m.At.UTC(), Data: m})
}

// letters is the channel by mail.
type letters struct {
	name string
	s    *mail.Sender
}

// NewMail sends messages by mail, under the name [Mail] or [Security].
func NewMail(name string, s *mail.Sender) Channel { return letters{name, s} }

func (c letters) Name() string { return c.name }

// urgencies are how mails are marked.
var urgencies = map[incident.Severity]office.Urgency{incident.Page: office.HoaToc, incident.Critical: office.ThuongKhan, incident.Warning: office.Khan}

// Send implements [Channel].
func (c letters) Send(ctx context.Context, m Message) error {
	sum := sha256.Sum256([]byte(m.ID + "\x00" + c.name))
	urgency := urgencies[m.Severity]
	if m.Kind == incident.Recovery {
		urgency = office.Thuong
	}
	return c.s.Send(ctx, mail.Message{
		Key: hex.EncodeToString(sum[:16]), Subject: m.Hub.Name + ": " + m.Subject.Vi, Urgency: urgency,
		Text: m.Text.Vi + "\n-- ENGLISH --\n\n" + m.Text.En,
	})
}

// Bounds of a command.
const (
	commandIn = 30 * time.Second // how long it may run
	pipesIn   = 5 * time.Second  // how long after its end its children may hold its pipes
	// maxSaid bounds what of its words on standard error is kept, in bytes.
	maxSaid = 300
)

// command is the channel of a program of the operator's own.
type command struct{ argv []string }

// NewCommand runs a program with a message as JSON on its standard input, without a
// shell. The problem alerts.command says that the first word is not the full path of a
// file.
func NewCommand(argv []string) (Channel, error) {
	if len(argv) == 0 || !filepath.IsAbs(argv[0]) {
		return nil, problem.New(problem.Usage, "alerts.command", "alerts.command", nil)
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return nil, problem.New(problem.Usage, "alerts.command", "alerts.command", nil).Because(err)
	}
	return command{argv}, nil
}

func (command) Name() string { return Command }

// Send implements [Channel]. What ends with 0 has taken the message.
func (c command) Send(ctx context.Context, m Message) error {
	body, err := encode(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, commandIn)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Dir = filepath.Dir(c.argv[0])
	// Nothing of the hub's own environment: it may hold what is not the command's.
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TRAM_ALERT_ID=" + m.ID}
	cmd.Stdin = bytes.NewReader(append(body, '\n'))
	cmd.WaitDelay = pipesIn
	var said bounded
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, ctx.Err())
		}
		return fmt.Errorf("command: %w: %s", err, said.text())
	}
	return nil
}

// bounded keeps the beginning of what is written.
type bounded struct{ b bytes.Buffer }

// Write implements [io.Writer].
func (w *bounded) Write(p []byte) (int, error) {
	w.b.Write(p[:min(len(p), maxSaid-w.b.Len())])
	return len(p), nil
}

func (w *bounded) text() string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(w.b.String(), "�")), " ")
}
