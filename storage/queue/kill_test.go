package queue_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/storage"
	"tram/storage/blob"
	"tram/storage/killtest"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/storagetest"
)

// childDir names the store on which this test binary, started again by
// TestP1_SavedSurvivesSIGKILL, works until it is killed.
const childDir = "TRAM_QUEUE_TEST_DIR"

func TestMain(m *testing.M) {
	if code, child := killtest.Main(map[string]func(string) error{"storage": live, "traffic": work}); child {
		os.Exit(code)
	}
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, work(dir))
		os.Exit(1) // it was to be killed
	}
	os.Exit(m.Run())
}

// sampleOf makes the bundle that belongs to an ID: one small object, one with
// a file, both following from the ID.
func sampleOf(id storage.ID) storagetest.Sample {
	s := storagetest.NewSample(binary.BigEndian.Uint64(id[8:])>>40, id[15]%4, 3000, 40_000)
	s.ID = id
	return s
}

func openStore(dir string) (*sqlite.DB, *blob.Store, *queue.Queue, error) {
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{queue.Schema}})
	if err != nil {
		return nil, nil, nil, err
	}
	blobs, err := blob.Open(filepath.Join(dir, "content"), blob.Options{MinFree: -1})
	if err != nil {
		return nil, nil, nil, err
	}
	return db, blobs, queue.New(db, blobs, queue.Options{}), nil
}

// work saves and receives bundles and says so after each one.
func work(dir string) error {
	ctx := context.Background()
	db, blobs, q, err := openStore(dir)
	if err != nil {
		return err
	}
	for {
		s := sampleOf(uuid.Must(uuid.NewV7()))
		if err := save(ctx, db, blobs, q, s); err != nil {
			return err
		}
		fmt.Println("saved", s.ID)
		r := sampleOf(uuid.Must(uuid.NewV7()))
		a, err := q.Admit(ctx, "hub", r.Incoming())
		if err != nil {
			return err
		}
		for i, data := range r.Contents {
			if _, err := q.Write(ctx, r.ID, i, a.Durable[i], data[a.Durable[i]:], true); err != nil {
				return err
			}
		}
		if err := q.Complete(ctx, "hub", r.ID, []byte("receipt")); err != nil {
			return err
		}
		fmt.Println("received", r.ID)
	}
}

func save(ctx context.Context, db *sqlite.DB, blobs *blob.Store, q *queue.Queue, s storagetest.Sample) error {
	var contents []blob.Content
	for _, data := range s.Contents {
		w, err := blobs.Create()
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		c, err := w.Commit()
		if err != nil {
			return err
		}
		contents = append(contents, c)
	}
	return db.Update(ctx, func(tx *sqlite.Tx) error {
		return q.Put(tx, s.Bundle, contents, []queue.Target{{Peer: "up", Hold: true}})
	})
}

// What was said to be saved or received is there, whole and once, after the
// process was killed at any instant.
func TestP1_SavedSurvivesSIGKILL(t *testing.T) {
	const kills = 10
	dir := t.TempDir()
	said := map[string]bool{}
	for range kills {
		for _, line := range runAndKill(t, dir, time.Duration(rand.IntN(150))*time.Millisecond) {
			if _, id, ok := strings.Cut(line, " "); ok && len(id) == 36 {
				said[line] = true
			}
		}
	}
	t.Logf("%d bundles were said to be safe", len(said))
	checkSaid(t, dir, said)
}

// checkSaid looks for what was said to be safe, line by line.
func checkSaid(t *testing.T, dir string, said map[string]bool) {
	t.Helper()
	db, _, q, err := openStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	inbox, err := q.Inbox(t.Context(), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	arrived := map[storage.ID]bool{}
	for _, a := range inbox {
		arrived[a.ID] = true
	}
	for what := range said {
		_, text, _ := strings.Cut(what, " ")
		id := uuid.MustParse(text)
		for i, want := range sampleOf(id).Contents {
			r, _, err := q.OpenObject(t.Context(), id, i)
			if err != nil {
				t.Fatalf("%s is lost: %v", what, err)
			}
			got, err := io.ReadAll(r)
			r.Close()
			if err != nil || string(got) != string(want) {
				t.Fatalf("%s has other bytes, %v", what, err)
			}
		}
		if strings.HasPrefix(what, "received") && !arrived[id] {
			t.Fatalf("%s is not in the inbox", what)
		}
	}
	// Handed over and remembered are one.
	for id := range arrived {
		a, err := q.Admit(t.Context(), "hub", sampleOf(id).Incoming())
		if err != nil || string(a.Receipt) != "receipt" {
			t.Fatalf("%s arrived and is not remembered: %+v, %v", id, a, err)
		}
	}
}

// runAndKill lets a child work on dir for a while after its first word and
// returns what it said.
func runAndKill(t *testing.T, dir string, after time.Duration) []string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		if len(lines) == 0 {
			time.AfterFunc(after, func() { _ = child.Process.Kill() })
		}
		lines = append(lines, scan.Text())
	}
	_ = child.Wait() // killed
	if len(lines) == 0 {
		t.Fatal("the child said nothing")
	}
	return lines
}
