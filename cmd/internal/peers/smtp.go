package peers

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/mail"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"tram/cmd/internal/line"
)

const (
	// eximUser is whom Debian's package runs it as; mail is never delivered as
	// root.
	eximUser = "Debian-exim"
	// mimeLine is the length of a line of base64 in mail.
	mimeLine = 76
	// lookEvery is how often the mailbox is read.
	lookEvery = 100 * time.Millisecond
)

// smtp is e-mail between two Exim servers: each document is a message with a
// base64 attachment, delivered at once, tried again every 5 s.
type smtp struct {
	box
	children
	exim, conf string
	host       line.Host
	log        io.Writer
}

// Start implements [Peer].
func (s *smtp) Start(ctx context.Context, at Site) (err error) {
	s.host, s.log = at.From, at.Log
	if s.exim, err = program("exim4", "Debian package exim4-daemon-light"); err != nil {
		return err
	}
	if err := s.open(at.Dir); err != nil {
		return err
	}
	addr, err := freeAt(at.To)
	if err != nil {
		return err
	}
	through, err := at.From.Through(addr)
	if err != nil {
		return err
	}
	own, err := freeAt(at.From)
	if err != nil {
		return err
	}
	mailbox := filepath.Join(at.Dir, "mailbox")
	s.conf = filepath.Join(at.Dir, "sender.conf")
	receiver := filepath.Join(at.Dir, "receiver.conf")
	if err := errors.Join(eximConf(at.Dir, s.conf, own, eximSender(through)), eximConf(at.Dir, receiver, addr, eximReceiver(mailbox)),
		eximOwns(at.Dir, mailbox)); err != nil {
		return err
	}
	if err := s.spawn(at.To, at.Log, s.exim, "-C", receiver, "-bdf"); err != nil {
		return err
	}
	if err := s.spawn(at.From, at.Log, s.exim, "-C", s.conf, "-bdf", "-q5s"); err != nil {
		return err
	}
	if err := errors.Join(s.listening(ctx, at.To, addr), s.listening(ctx, at.From, own)); err != nil {
		return err
	}
	s.background(func(ctx context.Context) error { return s.unpack(ctx, filepath.Join(mailbox, "new")) })
	return nil
}

// eximOwns makes a folder that Exim's user may write, and lets it reach the
// scratch folder.
func eximOwns(dir, folder string) error {
	account, err := user.Lookup(eximUser)
	if err != nil {
		return fmt.Errorf("find Exim's user: %w", err)
	}
	uid, _ := strconv.Atoi(account.Uid)
	gid, _ := strconv.Atoi(account.Gid)
	const reach = 0o711
	return errors.Join(os.Chmod(filepath.Dir(dir), reach), os.Chmod(dir, reach), os.MkdirAll(folder, 0o700), os.Chown(folder, uid, gid))
}

// eximConf writes the settings of one server with a spool of its own.
func eximConf(dir, file, addr, rest string) error {
	host, port, _ := net.SplitHostPort(addr)
	spool := file + ".spool"
	text := fmt.Sprintf(`primary_hostname = lab.invalid
spool_directory = %s
log_file_path = %s/%%slog
pid_file_path = %s/pid
local_interfaces = <; %s
daemon_smtp_ports = %s
keep_environment =
acl_smtp_rcpt = accept
qualify_domain = lab.invalid
smtp_accept_max = 200
smtp_accept_queue = 0
smtp_accept_queue_per_connection = 0
smtp_accept_max_per_connection = 0
message_size_limit = 0
tls_advertise_hosts = *
queue_run_max = 5
rfc1413_query_timeout = 0s
%s`, spool, spool, spool, host, port, rest)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write Exim's settings: %w", err)
	}
	return eximOwns(dir, spool)
}

func eximSender(to string) string {
	host, port, _ := net.SplitHostPort(to)
	return fmt.Sprintf(`
begin routers
hub:
  driver = manualroute
  transport = hub
  route_list = * %s
  self = send

begin transports
hub:
  driver = smtp
  port = %s
  connect_timeout = 15s
  command_timeout = 30s
  data_timeout = 30s
  final_timeout = 60s
  tls_verify_certificates =
  tls_try_verify_hosts =

begin retry
* * F,1d,5s
`, host, port)
}

func eximReceiver(mailbox string) string {
	return fmt.Sprintf(`
begin routers
all:
  driver = accept
  transport = box

begin transports
box:
  driver = appendfile
  directory = %s
  maildir_format
  create_directory
  user = %s
`, mailbox, eximUser)
}

// Send implements [Peer].
func (s *smtp) Send(ctx context.Context, documents ...Document) error {
	for _, d := range documents {
		s.expect(d)
		cmd := line.Command(ctx, s.host, s.exim, "-C", s.conf, "-odb", "-oi", "-f", "xa@lab.invalid", "tinh@hub.invalid")
		cmd.Stdin = bytes.NewReader(message(d))
		cmd.Stdout, cmd.Stderr = s.log, s.log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("hand over to Exim: %w", err)
		}
	}
	return s.trouble()
}

// message is a mail with one attachment.
func message(d Document) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: xa@lab.invalid\nTo: tinh@hub.invalid\nSubject: %s\nMIME-Version: 1.0\n"+
		"Content-Type: application/octet-stream\nContent-Disposition: attachment; filename=%q\nContent-Transfer-Encoding: base64\n\n", d.Name, d.Name)
	text := base64.StdEncoding.AppendEncode(nil, d.Data)
	for len(text) > 0 {
		n := min(mimeLine, len(text))
		b.Write(text[:n])
		b.WriteByte('\n')
		text = text[n:]
	}
	return b.Bytes()
}

// unpack turns each mail of a mailbox into a file.
func (s *smtp) unpack(ctx context.Context, folder string) error {
	for {
		mails, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			return err
		}
		for _, file := range mails {
			if err := s.take(file); err != nil {
				return fmt.Errorf("read mail: %w", err)
			}
		}
		if pause(ctx, lookEvery) != nil {
			return nil
		}
	}
}

func (s *smtp) take(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := mail.ReadMessage(f)
	if err != nil {
		return err
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Disposition"))
	if err != nil {
		return err
	}
	data, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, m.Body))
	if err != nil {
		return err
	}
	return errors.Join(write(s.in, filepath.Base(params["filename"]), data), os.Remove(file))
}

// Close implements [Peer].
func (s *smtp) Close() error {
	s.close()
	return nil
}
