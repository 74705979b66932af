package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/enroll"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/fsx"
	"tram/storage/killtest"
	"tram/storage/sqlite"
)

func TestMain(m *testing.M) {
	if code, child := killtest.Main(map[string]func(string) error{"office": runOffice}); child {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// runOffice is an office's program without its command line: it runs until it is killed.
func runOffice(dir string) error {
	c := config.DefaultOffice()
	c.UI.Address, c.Storage.Reserve = "127.0.0.1:0", 10*config.MB
	c.Heartbeat = config.Heartbeat{Every: time.Second, Metered: time.Hour}
	a, err := agent.New(agent.Options{
		Dir: dir, Config: c, Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), Version: "test",
		Retry: 100 * time.Millisecond, CopyRetry: time.Second, BeatPoll: 200 * time.Millisecond, ReportEvery: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	return a.Run(context.Background(), func() {})
}

// officePoints are what a running office passes in a day.
var officePoints = []fsx.Point{
	sqlite.PointBoot, sqlite.PointCommit, blob.PointShelf, blob.PointName, blob.PointFolder, blob.PointPart, blob.PointPartName,
	fsx.PointFileSync, fsx.PointFileRename, fsx.PointFolderSync,
}

// victim is an office in a process of its own, which dies again and again.
type victim struct {
	p     *province
	dir   string
	api   *api.Client
	child *killtest.Child
	saved []letter
	// unasked are documents that arrived although nobody was told that they are saved.
	unasked int
}

// letter is a document that its sender was told is safe.
type letter struct {
	id   storage.ID
	data []byte
	out  bool // of the victim
}

// sends hands a document over until somebody says that it is saved.
func (v *victim) sends(from *api.Client, to string, urgency uint8) {
	v.p.t.Helper()
	data := randomBytes()
	v.p.eventually("sending", func() bool {
		select {
		case <-v.child.Done():
			v.start(nil)
		default:
		}
		return v.hands(from, to, urgency, data)
	})
}

// tries hands a document over until it is saved or over is closed.
func (v *victim) tries(from *api.Client, to string, over <-chan struct{}) {
	v.p.t.Helper()
	data := randomBytes()
	v.p.eventually("sending", func() bool {
		select {
		case <-over:
			return true
		default:
			return v.hands(from, to, 0, data)
		}
	})
}

func randomBytes() []byte {
	data := make([]byte, 40_000+rand.IntN(60_000))
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	return data
}

// hands hands a document over once and says whether it is saved.
func (v *victim) hands(from *api.Client, to string, urgency uint8, data []byte) bool {
	v.p.t.Helper()
	ctx, cancel := context.WithTimeout(v.p.t.Context(), 5*time.Second)
	defer cancel()
	doc, err := from.Send(ctx, api.DraftRequest{To: []string{to}, Subject: "V/v thử", Urgency: urgency, Files: []string{"a.bin"}, By: "test"},
		[]io.Reader{bytes.NewReader(data)})
	if p := problem.From(err); err != nil && p.Class == problem.Usage && p.Code != "send.recipient-not-enrolled" {
		v.p.t.Fatal(err)
	}
	if err == nil {
		v.saved = append(v.saved, letter{doc.ID, data, to == codeB})
	}
	return err == nil
}

func (v *victim) start(at *killtest.At) { v.child = killtest.Start(v.p.t, "office", v.dir, at) }

// dies lets documents flow both ways until the process was killed where it was to be.
func (v *victim) dies(at killtest.At, b *box) {
	v.p.t.Helper()
	if v.child != nil {
		v.child.Kill() // one that was started to send; at a chance instant
	}
	v.start(&at)
	child := v.child
	for late := time.Now().Add(patience); ; {
		v.sends(v.api, codeB, 0)
		v.sends(b.api, codeA, 3)
		select {
		case <-child.Done():
			if !child.Killed() {
				v.p.t.Fatalf("ended instead of being killed at %s: %v", at, child.Wait())
			}
			return
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(late) {
			v.p.t.Fatalf("never passes %s", at)
		}
	}
}

// TestP1_P2_P3_AnOfficeKilledAtEachPointThatItPasses lets a real process of an office send and
// receive, kills it at each point that it passes, and starts it again: everything that
// was said to be saved arrives, whole, once, with its receipt.
func TestP1_P2_P3_AnOfficeKilledAtEachPointThatItPasses(t *testing.T) {
	p := found(t)
	p.startHub()
	b := p.join(codeB)
	v := &victim{p: p, dir: p.boxDir(codeA), api: api.NewClient(p.boxDir(codeA))}
	t.Cleanup(func() {
		v.api.Close()
		if v.child != nil {
			v.child.Kill()
		}
	})
	r, err := enroll.Enroll(t.Context(), enroll.Options{Dir: v.dir, Invite: p.inviteFile(codeA)})
	if err != nil || r.State != enroll.Enrolled {
		t.Fatalf("enrolment: %+v, %v", r, err)
	}
	kills := killtest.Plan(officePoints, func(fsx.Point) int { return 1 })
	kills = append(kills, killtest.At{Point: sqlite.PointCommit, Nth: 12, Done: true}, killtest.At{Point: sqlite.PointCommit, Nth: 40})
	for _, at := range kills {
		v.dies(at, b)
	}
	v.child.Kill()
	v.start(nil)
	v.arrived(b)
	v.child.Kill()
	b.end(t)
	p.stopHub()
	p.auditsHold(codeA, codeB)
	t.Logf("%d documents under %d kills, %d more arrived than were said to be saved", len(v.saved), len(kills), v.unasked)
}

// arrived waits until all documents have arrived and looks at each.
func (v *victim) arrived(b *box) {
	v.p.t.Helper()
	ctx := v.p.t.Context()
	for _, l := range v.saved {
		from, to := v.api, b.api
		if !l.out {
			from, to = to, from
		}
		v.p.eventually(fmt.Sprintf("arrival of %s, of the victim %v,", l.id, l.out), func() bool {
			sent, err := from.Get(ctx, l.id)
			return err == nil && sent.State == office.Delivered
		})
		body, err := to.Attachment(ctx, l.id, 0)
		if err != nil {
			v.p.t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		if err = errors.Join(err, body.Close()); err != nil || !bytes.Equal(got, l.data) {
			v.p.t.Errorf("%s arrived altered, %v", l.id, err)
		}
	}
	for _, at := range []*api.Client{v.api, b.api} {
		page, err := at.Documents(ctx, office.Query{Box: office.In, Limit: office.MaxPage})
		if err != nil {
			v.p.t.Fatal(err)
		}
		seen := map[storage.ID]bool{}
		for _, d := range page.Documents {
			if seen[d.ID] || !slices.ContainsFunc(v.saved, func(l letter) bool { return l.id == d.ID }) {
				v.unasked++ // its sender was killed before it could say that it is saved
			}
			seen[d.ID] = true
			if d, err = at.Accept(ctx, d.ID, "test"); err != nil || d.Arrival != len(seen) {
				v.p.t.Errorf("number of arrival is %d, want %d (error %v)", d.Arrival, len(seen), err)
			}
		}
	}
	if left, err := filepath.Glob(filepath.Join(v.dir, "blobs", "parts", "*")); err != nil || len(left) > 0 {
		v.p.t.Errorf("left over: %v, %v", left, err)
	}
}
