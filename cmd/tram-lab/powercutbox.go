package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"tram/cmd/internal/cutdisk"
)

// Where the data partition begins in the appliance's image: packaging/image/build.
const dataOffset = (1 + 32 + 2*112) << 20

// box is the appliance in an emulator, with a disk that forgets.
type box struct {
	dir    string // of image, socket and serial log
	image  string
	memory int // MiB
	port   string
	key    string // of the application
	http   *http.Client
	// serialLog keeps what the box says over all its starts, for a run that fails.
	serialLog io.Writer

	disk    *cutdisk.Disk
	cmd     *exec.Cmd
	done    chan struct{} // closed when the emulator has ended
	began   time.Time
	took    time.Duration // from power to a page, on this machine
	mu      sync.Mutex
	ready   float64 // seconds of guest time, 0: not yet
	said    []string
	readyCh chan struct{}
}

// newHTTP is a client of the box's pages. Its certificate is one that the box made for
// itself, over loopback into an emulator of our own.
func newHTTP() *http.Client {
	return &http.Client{Timeout: 60 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true,
	}}
}

// on gives the box its power.
func (b *box) on() error {
	socket := filepath.Join(b.dir, "disk.sock")
	_ = os.Remove(socket)
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	b.disk.On()
	go func() {
		defer l.Close()
		if c, err := l.Accept(); err == nil {
			_ = b.disk.Serve(c) // ends with the emulator
		}
	}()
	cmd := exec.Command("qemu-system-x86_64", "-accel", "tcg", "-m", strconv.Itoa(b.memory), "-nographic", "-nodefaults", "-no-reboot",
		"-serial", "stdio", "-vga", "std",
		"-drive", "driver=nbd,server.type=unix,server.path="+socket+",if=virtio,cache=writeback",
		"-netdev", "user,id=n,hostfwd=tcp:127.0.0.1:"+b.port+"-:443", "-device", "virtio-net-pci,netdev=n,romfile=",
		"-device", "i6300esb", "-action", "watchdog=reset")
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.Close()
		return err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		l.Close()
		return fmt.Errorf("start the emulator (make image-tools): %w", err)
	}
	b.cmd, b.began, b.done, b.readyCh = cmd, time.Now(), make(chan struct{}), make(chan struct{})
	b.mu.Lock()
	b.ready, b.said = 0, nil
	b.mu.Unlock()
	go b.listen(out, b.readyCh)
	go func(done chan struct{}) {
		_ = cmd.Wait() // it is killed
		l.Close()
		close(done)
	}(b.done)
	return nil
}

// listen reads the serial line.
func (b *box) listen(out io.Reader, ready chan struct{}) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		_, message, ok := strings.Cut(line, "tram-init: ")
		b.mu.Lock()
		b.said = append(b.said, line)
		fmt.Fprintln(b.serialLog, time.Now().Format(time.TimeOnly), line)
		var seconds float64
		if _, err := fmt.Sscanf(message, "ready after %f s", &seconds); ok && err == nil && b.ready == 0 {
			b.ready = seconds
			close(ready)
		}
		b.mu.Unlock()
	}
}

// serial is the end of what the box said since it was switched on.
func (b *box) serial() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Join(b.said[max(0, len(b.said)-30):], "\n")
}

// wait waits until the office in the box is ready and its page answers.
func (b *box) wait(ctx context.Context, most time.Duration) (guest float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func(most time.Duration) {
		// In seconds in which this program ran: one that was stopped loses none.
		for seconds := time.NewTicker(time.Second); most > 0 && ctx.Err() == nil; most -= time.Second {
			<-seconds.C
		}
		cancel()
	}(most)
	select {
	case <-b.readyCh:
	case <-b.done:
		return 0, fmt.Errorf("the emulator ended:\n%s", b.serial())
	case <-ctx.Done():
		return 0, fmt.Errorf("the box is not ready after %v:\n%s", most, b.serial())
	}
	for {
		if err = b.call(ctx, http.MethodGet, "/me", nil, "", "", nil); err == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.took = time.Since(b.began)
			return b.ready, nil
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return 0, fmt.Errorf("the page does not answer: %w", err)
		}
	}
}

// cut is the power cut.
func (b *box) cut(random *rand.Rand) (cutdisk.Lost, error) {
	if err := b.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return cutdisk.Lost{}, err
	}
	<-b.done
	return b.disk.Cut(random)
}

// statusError is an answer that is none of success.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return fmt.Sprintf("answer %d: %s", e.status, e.text) }

// call makes one call of the REST interface.
func (b *box) call(ctx context.Context, method, path string, body io.Reader, kind, once string, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, "https://127.0.0.1:"+b.port+"/api/v1"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if once != "" {
		req.Header.Set("Idempotency-Key", once)
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return &statusError{resp.StatusCode, string(text)}
	}
	if out == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

// send hands a document over; the same key gets the same answer.
func (b *box) send(ctx context.Context, to, subject, urgency, once string, file []byte) (id string, err error) {
	var form bytes.Buffer
	parts := multipart.NewWriter(&form)
	doc, err := parts.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="document"`}, "Content-Type": {"application/json"}})
	if err != nil {
		return "", err
	}
	if err := json.NewEncoder(doc).Encode(map[string]any{"to": []string{to}, "subject": subject, "urgency": urgency}); err != nil {
		return "", err
	}
	part, err := parts.CreateFormFile("file", "van-ban.pdf")
	if err != nil {
		return "", err
	}
	if _, err := part.Write(file); err != nil {
		return "", err
	}
	if err := parts.Close(); err != nil {
		return "", err
	}
	var saved struct {
		ID string `json:"id"`
	}
	err = b.call(ctx, http.MethodPost, "/documents/with-files", &form, parts.FormDataContentType(), once, &saved)
	return saved.ID, err
}

// boxDocument is what the checks need of a document in the box.
type boxDocument struct {
	ID          string    `json:"id"`
	State       string    `json:"state"`
	Number      string    `json:"number"`
	FiledAt     time.Time `json:"filed_at"`
	Attachments []struct {
		SHA256 string `json:"sha256"`
	} `json:"attachments"`
}

// documents lists all that is in a box: in or out.
func (b *box) documents(ctx context.Context, which string) ([]boxDocument, error) {
	var all []boxDocument
	for query := (url.Values{"box": {which}, "limit": {"100"}}); ; {
		var page struct {
			Documents []boxDocument `json:"documents"`
			Next      string        `json:"next"`
		}
		if err := b.call(ctx, http.MethodGet, "/documents?"+query.Encode(), nil, "", "", &page); err != nil {
			return nil, err
		}
		all = append(all, page.Documents...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// arriving is what comes in just now, with the bytes that are safe.
func (b *box) arriving(ctx context.Context) (map[string]int64, error) {
	var list struct {
		Arriving []struct {
			ID       string `json:"id"`
			Received int64  `json:"received"`
		} `json:"arriving"`
	}
	if err := b.call(ctx, http.MethodGet, "/arriving", nil, "", "", &list); err != nil {
		return nil, err
	}
	all := map[string]int64{}
	for _, a := range list.Arriving {
		all[a.ID] = a.Received
	}
	return all, nil
}
