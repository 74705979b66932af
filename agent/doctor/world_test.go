package doctor_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/doctor"
	"tram/agent/enroll"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/service"
	"tram/storage/sqlite"
	"tram/sync/linktest"
)

const (
	codeA, codeB = "H40.12", "H40.15"
	version      = "1.4.2"
	patience     = 20 * time.Second
)

// world is a hub and an office that has sent a document, both ended. Each test
// examines a copy of the office.
type world struct {
	dir     string
	office  string // data folder
	invites string
	broker  string // host:port, where nobody listens any more
}

// theWorld is made once: everybody works on copies.
var theWorld = sync.OnceValue(func() *world { return &world{} })

// run runs a composition root until it is ready, and gives what ends it.
func run(t *testing.T, f func(ctx context.Context, ready func()) error) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- f(ctx, sync.OnceFunc(func() { close(ready) })) }()
	select {
	case <-ready:
	case err := <-done:
		stop()
		t.Fatalf("it ended: %v", err)
	case <-time.After(patience):
		stop()
		t.Fatal("it did not get ready")
	}
	return sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

// newAgent is an office's program in a data folder.
func newAgent(t *testing.T, dir string) *agent.Agent {
	t.Helper()
	c, err := config.LoadOffice(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.UI.Address, c.Storage.Reserve = "127.0.0.1:0", 10*config.MB
	a, err := agent.New(agent.Options{Dir: dir, Config: c, Version: version, Retry: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// found makes the world when it is not there.
func found(t *testing.T) *world {
	t.Helper()
	w := theWorld()
	if w.dir != "" {
		return w
	}
	dir, err := os.MkdirTemp("", "tram-") // short: it holds local sockets
	if err != nil {
		t.Fatal(err)
	}
	made := &world{dir: dir, office: filepath.Join(dir, "a"), invites: filepath.Join(dir, "invites")}
	worlds = append(worlds, dir)
	c := config.DefaultHub()
	c.Code, c.Name, c.Storage.Reserve = "H40", "UBND tỉnh Minh Sơn", 10*config.MB
	c.MQTT.Address, c.Enroll.Address, c.Console.Address = linktest.FreeAddr(t), linktest.FreeAddr(t), linktest.FreeAddr(t)
	made.broker = c.MQTT.Address
	hubDir := filepath.Join(dir, "hub")
	if _, err := ca.Init(hubDir, ca.Options{Code: c.Code, Name: c.Name, Enroll: c.EnrollEndpoints(), MQTT: c.MQTTEndpoints(), Hosts: []string{"127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}
	h, err := hub.Open(t.Context(), hub.Options{Dir: hubDir, Config: c, Version: version})
	if err != nil {
		t.Fatal(err)
	}
	invites, err := h.Invite(t.Context(), []byte("code,name,parent,kind\n"+codeA+",UBND xã An Bình,H40,xa\n"+codeB+",UBND phường Tân Lập,H40,phuong\n"), ca.InviteOptions{By: "test"})
	if err == nil {
		err = ca.WriteInvites(made.invites, invites)
	}
	if err != nil {
		t.Fatal(err)
	}
	endHub := run(t, h.Run)
	for folder, code := range map[string]string{"a": codeA, "b": codeB} {
		r, err := enroll.Enroll(t.Context(), enroll.Options{Dir: filepath.Join(dir, folder), Invite: filepath.Join(made.invites, code+".moi")})
		if err != nil || r.State != enroll.Enrolled {
			t.Fatalf("enrolment of %s: %+v, %v", code, r, err)
		}
	}
	endOffice := run(t, newAgent(t, made.office).Run)
	client := api.NewClient(made.office)
	eventually(t, "sending", func() bool {
		_, err := client.Send(t.Context(), api.DraftRequest{To: []string{codeB}, Subject: "V/v thử", Files: []string{"a.bin"}, By: "test"},
			[]io.Reader{bytes.NewReader(bytes.Repeat([]byte("công văn "), 20_000))})
		return err == nil
	})
	client.Close()
	endOffice()
	endHub()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	*w = *made
	return w
}

// worlds are removed at the end.
var worlds []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range worlds {
		if err := os.RemoveAll(dir); err != nil {
			code = 1
		}
	}
	os.Exit(code)
}

// copyOf is the world's office in a folder of its own.
func copyOf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tram-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	data := filepath.Join(dir, "a")
	if err := os.CopyFS(data, os.DirFS(found(t).office)); err != nil {
		t.Fatal(err)
	}
	err = filepath.Walk(data, func(path string, info os.FileInfo, err error) error {
		mode := os.FileMode(0o600)
		if err == nil && info.IsDir() {
			mode = 0o700
		}
		return os.Chmod(path, mode) // CopyFS goes by the umask
	})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// options of an examination of a data folder on a machine that is well.
func options(t *testing.T, dir string) doctor.Options {
	t.Helper()
	t.Setenv("TRAM_UI_ADDRESS", linktest.FreeAddr(t)) // the usual one may be taken by somebody on this machine
	o := agent.Examination(dir, version, service.Setup{Name: "tram-test-none", Title: "x", Data: dir})
	root := t.TempDir()
	write(t, filepath.Join(root, "proc/meminfo"), "MemTotal:         506000 kB\nMemAvailable:     300000 kB\n")
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		mounts = nil
	}
	write(t, filepath.Join(root, "proc/self/mountinfo"), string(mounts))
	o.Root = root
	return o
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// change changes a database behind its office's back.
func change(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := agent.OpenDB(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Update(t.Context(), func(tx *sqlite.Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
		t.Fatal(err)
	}
}

// settings adds to the settings file.
func settings(t *testing.T, dir, text string) {
	t.Helper()
	write(t, filepath.Join(dir, config.OfficeFile), text)
}

// of are the findings of a code.
func of(r doctor.Report, code string) (list []doctor.Finding) {
	for _, f := range r.Findings {
		if f.Code == code {
			list = append(list, f)
		}
	}
	return list
}

func codes(r doctor.Report) (list []string) {
	for _, f := range r.Findings {
		if f.State != doctor.Good {
			list = append(list, f.Check+":"+f.Code)
		}
	}
	return list
}

// says holds a finding to its words in both languages.
func says(t *testing.T, f doctor.Finding) {
	t.Helper()
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		for what, text := range map[string]string{"message": f.Message(lang), "remedy": f.Remedy(lang)} {
			if text == "" || strings.HasPrefix(text, "doctor.") || strings.HasPrefix(text, "health.") || strings.Contains(text, "{") {
				t.Errorf("%s of %s in %s is %q", what, f.Code, lang, text)
			}
		}
	}
}
