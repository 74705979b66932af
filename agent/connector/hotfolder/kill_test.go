package hotfolder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/storage/killtest"
)

// childDir names the data on which this test binary, started again by
// TestP1_P2_TakenOnceUnderSIGKILL, works until it is killed.
const childDir = "TRAM_HOTFOLDER_TEST_DIR"

func TestMain(m *testing.M) {
	if code, child := killtest.Main(map[string]func(string) error{"hot folder": exchange}); child {
		os.Exit(code)
	}
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, work(dir))
		os.Exit(1) // it was to be killed
	}
	os.Exit(m.Run())
}

// settle makes folders, and an office that has its identity and its cards, in dir.
func settle(t *testing.T, dir string, folders ...string) {
	t.Helper()
	for _, d := range folders {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := identity.Save(filepath.Join(dir, "keys"), thePeople().id); err != nil {
		t.Fatal(err)
	}
	_, db, err := openOffice(dir, thePeople().id, thePeople().cards)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// atWork opens the office and its hot folder in dir.
func atWork(dir string) (*conn, *office.Office, func() error, error) {
	id, err := identity.Load(filepath.Join(dir, "keys"))
	if err != nil {
		return nil, nil, nil, err
	}
	o, db, err := openOffice(dir, id, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	settings, err := json.Marshal(map[string]string{"dir": filepath.Join(dir, "chung"), "settle": "20ms"})
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := newConn(connector.Env{
		Name: "hot", Office: office.Party{Code: connectortest.Office}, Settings: settings, Desk: o, Dir: filepath.Join(dir, "hot"),
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	return c, o, db.Close, err
}

// backAtWork is what the office and its hot folder in dir have become.
func backAtWork(t *testing.T, dir string) *station {
	t.Helper()
	c, o, closeDB, err := atWork(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), closeDB()); err != nil {
			t.Error(err)
		}
	})
	return &station{t: t, tree: filepath.Join(dir, "chung"), office: o, c: c}
}

// work takes files and says so.
func work(dir string) error {
	c, _, _, err := atWork(dir)
	if err != nil {
		return err
	}
	c.step = func(name string) { fmt.Println(name) }
	for {
		if err := c.Collect(context.Background()); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Every file is taken once, with its own content, although the process is killed
// at any instant.
func TestP1_P2_TakenOnceUnderSIGKILL(t *testing.T) {
	const files, kills = 60, 12
	dir := t.TempDir()
	settle(t, dir, "chung/gui", "hot")
	drop := filepath.Join(dir, "chung", dropDir)
	for n := range files {
		name := strconv.Itoa(n)
		if n%3 == 0 {
			write(t, filepath.Join(drop, name+".pdf"), []byte("%PDF-1.7 "+name+"\n%%EOF"))
			write(t, filepath.Join(drop, name+".pdf.tram.json"), said("Giấy mời "+name))
		} else {
			write(t, filepath.Join(drop, name+".edxml"), message(name))
		}
	}
	steps := 0
	for range kills {
		steps += runAndKill(t, dir, rand.IntN(40))
	}
	s := backAtWork(t, dir)
	c := s.c
	for range 400 {
		if err := c.Collect(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(s.names(dropDir))+len(s.names(claimDir)) == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	got := map[string]int{}
	for _, subject := range s.sent() {
		word := strings.Fields(strings.TrimPrefix(strings.TrimPrefix(subject, "Giấy mời "), "Báo cáo "))[0]
		got[word]++
	}
	for n := range files {
		if got[strconv.Itoa(n)] != 1 {
			t.Errorf("file %d was taken %d times", n, got[strconv.Itoa(n)])
		}
	}
	if done := s.names(doneDir); len(done) != files+files/3 || len(s.names(rejectDir)) > 0 {
		t.Errorf("%d files are handed over, %q set aside", len(done), s.names(rejectDir))
	}
	if steps == 0 {
		t.Error("no step was taken before a kill")
	}
	t.Logf("%d steps under %d kills", steps, kills)
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// runAndKill lets a child work and kills it some steps after its first.
func runAndKill(t *testing.T, dir string, after int) (steps int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(2*time.Second, func() { _ = child.Process.Kill() }) // when there is nothing left to do
	for scan := bufio.NewScanner(out); scan.Scan(); steps++ {
		if steps == after {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait() // killed
	return steps
}
