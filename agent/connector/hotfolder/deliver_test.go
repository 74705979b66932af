package hotfolder

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/connector"
	"tram/agent/connector/connectortest"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// outbox is a hot folder at an office in memory, for what goes out of it.
type outbox struct {
	t     *testing.T
	tree  string
	own   string
	set   map[string]any
	desk  *connectortest.Desk
	c     *conn
	trace []string
	dieAt int
	died  bool
}

func newOutbox(t *testing.T, dieAt int) *outbox {
	t.Helper()
	o := &outbox{t: t, tree: t.TempDir(), own: t.TempDir(), set: map[string]any{}, desk: connectortest.NewDesk(), dieAt: dieAt}
	o.set["dir"] = o.tree
	o.open()
	t.Cleanup(func() {
		if err := o.c.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

func (o *outbox) open() {
	o.t.Helper()
	var err error
	o.c, err = newConn(connector.Env{
		Name: "hot", Office: office.Party{Code: connectortest.Office, Name: "UBND xã Mẫu"}, Settings: must(json.Marshal(o.set)), Desk: o.desk,
		Dir: o.own, Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	o.c.step = func(name string) {
		o.trace = append(o.trace, name)
		if len(o.trace)-1 == o.dieAt {
			panic(errKilled)
		}
	}
}

// deliver delivers, and again after the power went.
func (o *outbox) deliver(e office.Entry) error {
	o.t.Helper()
	try := func() (err error) {
		defer func() {
			if r := recover(); r != nil {
				if r != any(errKilled) {
					panic(r)
				}
				err = errKilled
			}
		}()
		return o.c.Deliver(o.t.Context(), connector.Delivery{Entry: e})
	}
	err := try()
	if errors.Is(err, errKilled) {
		o.died = true
		if err := o.c.Close(); err != nil {
			o.t.Fatal(err)
		}
		o.open()
		err = try()
	}
	return err
}

func (o *outbox) names(dir string) []string {
	return (&station{t: o.t, tree: o.tree}).names(dir)
}

var moment = time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)

func arrival(doc office.Document) office.Entry {
	return office.Entry{
		Cursor: "0011aabbccdd-17", Type: office.DocumentArrived, Document: doc.ID, EdXMLID: doc.EdXMLID, Box: office.In, State: office.Delivered,
		Code: edxml.StatusArrived, At: moment, Learnt: moment,
	}
}

// What arrives is there once and whole, though the power goes at any step, and
// though the other software takes it away at once.
func TestP1_P2_ArrivalsCrossedWithAKillAtEachStep(t *testing.T) {
	play := func(t *testing.T, dieAt int, taken bool) *outbox {
		o := newOutbox(t, dieAt)
		o.set["evidence"] = true
		if err := o.c.Close(); err != nil {
			t.Fatal(err)
		}
		o.open()
		doc := o.desk.File("Về việc họp", []byte("%PDF-1.7 nội dung"))
		stem := "15-ubnd-vp_h40.02_" + doc.ID.String()
		seen := map[string]int{}
		for range 3 { // the host asks again
			if err := o.deliver(arrival(doc)); err != nil {
				t.Fatal(err)
			}
			for _, name := range o.names(inDir) {
				seen[name]++
				if taken {
					if err := os.Remove(filepath.Join(o.tree, inDir, name)); err != nil {
						t.Fatal(err)
					}
				}
			}
			o.c.leave()
		}
		times := 3
		if taken {
			times = 1
		}
		if len(seen) != 2 || seen[stem+messageExt] != times || seen[stem+evidenceExt] != times {
			t.Errorf("seen %v, want %s and its evidence %d times", seen, stem, times)
		}
		return o
	}
	steps := play(t, -1, false).trace
	if len(steps) < 8 {
		t.Fatalf("steps: %q", steps)
	}
	for i, step := range steps {
		for _, taken := range []bool{false, true} {
			t.Run("killed at "+step, func(t *testing.T) {
				if !play(t, i, taken).died {
					t.Error("the power did not go")
				}
			})
		}
	}
}

// A file that is being written has a name that programs pass over; one that was
// left by a crash goes away.
func TestHalfWrittenArrivalsAreNotSeen(t *testing.T) {
	o := newOutbox(t, -1)
	doc := o.desk.File("Về việc họp", bytes.Repeat([]byte("x"), 1<<20))
	dir := filepath.Join(o.tree, inDir)
	o.c.step = func(step string) {
		if step != "temp-made" && step != "written" && step != "journaled" {
			return
		}
		for _, name := range o.names(inDir) {
			if roleOf(name) != foreignFile || strings.HasSuffix(name, messageExt) {
				t.Errorf("at %s there is %s", step, name)
			}
		}
	}
	if err := o.deliver(arrival(doc)); err != nil {
		t.Fatal(err)
	}
	left := filepath.Join(dir, leftPrefix+"x-0"+leftSuffix)
	write(t, left, []byte("half"))
	o.c.leave()
	if err := o.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	if names := o.names(inDir); len(names) != 1 || !strings.HasSuffix(names[0], messageExt) {
		t.Errorf("the folder holds %q", names)
	}
}

// An arrival that cannot be written leaves nothing and is tried again.
func TestAnArrivalThatFailsLeavesNothing(t *testing.T) {
	o := newOutbox(t, -1)
	doc := o.desk.File("Về việc họp", []byte("%PDF"))
	ctx, cancel := context.WithCancel(t.Context())
	o.c.step = func(step string) {
		if step == "temp-made" {
			cancel()
		}
	}
	err := o.c.Deliver(ctx, connector.Delivery{Entry: arrival(doc)})
	if err == nil || connector.IsPermanent(err) || len(o.names(inDir)) > 0 {
		t.Fatalf("%v, %q", err, o.names(inDir))
	}
	o.c.step = func(string) {}
	if err := os.Remove(filepath.Join(o.tree, inDir)); err != nil {
		t.Fatal(err)
	}
	err = o.deliver(arrival(doc))
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != "hotfolder.folder" || connector.IsPermanent(err) {
		t.Fatalf("without the folder: %v", err)
	}
	if err := o.deliver(arrival(doc)); err != nil || len(o.names(inDir)) != 1 {
		t.Fatalf("again: %v, %q", err, o.names(inDir))
	}
}

func TestStatusesAreMessages(t *testing.T) {
	said := i18n.Say("office.arrival", i18n.Args{"number": 7, "date": "23/11/2026"})
	for _, k := range []struct {
		name  string
		entry office.Entry
		from  string
		text  string
	}{
		{"a recipient has it", office.Entry{Type: office.DocumentDelivered, Box: office.Out, Code: "01", Office: "H40.09"}, "H40.09", ""},
		{"a recipient accepts", office.Entry{Type: office.DocumentAccepted, Box: office.Out, Code: "03", Office: "H40.09", Said: said, Note: "x"}, "H40.09", said.Text(i18n.Vietnamese)},
		{"a recipient returns it", office.Entry{Type: office.DocumentReturned, Box: office.Out, Code: "02", Office: "H40.09", Note: "Sai thẩm quyền"}, "H40.09", "Sai thẩm quyền"},
		{"a recipient is done", office.Entry{Type: office.DocumentStatus, Box: office.Out, Code: "06", Office: "H40.09"}, "H40.09", ""},
		{"a recipient cancels it", office.Entry{Type: office.DocumentRecalled, Box: office.Out, Code: "15", Office: "H40.09"}, "H40.09", ""},
		{"taken back", office.Entry{Type: office.DocumentStatus, Box: office.In, Code: "13", Note: "Ban hành nhầm"}, connectortest.Office, "Ban hành nhầm"},
		{"the clerk here accepts", office.Entry{Type: office.DocumentAccepted, Box: office.In, Code: "03"}, connectortest.Office, ""},
	} {
		t.Run(k.name, func(t *testing.T) {
			o := newOutbox(t, -1)
			doc := o.desk.File("Về việc họp", []byte("%PDF"))
			e := k.entry
			e.Cursor, e.Document, e.EdXMLID, e.At = "0011aabbccdd-18", doc.ID, doc.EdXMLID, moment
			if !o.c.Wants(e) {
				t.Fatal("it is not wanted")
			}
			for range 2 {
				if err := o.deliver(e); err != nil {
					t.Fatal(err)
				}
			}
			names := o.names(statusDir)
			if len(names) != 1 || !strings.HasSuffix(names[0], "_"+string(e.Code)+"_18"+messageExt) {
				t.Fatalf("the folder holds %q", names)
			}
			raw, err := os.ReadFile(filepath.Join(o.tree, statusDir, names[0]))
			if err != nil {
				t.Fatal(err)
			}
			m, warnings, err := edxml.Decode(bytes.NewReader(raw))
			if err != nil || len(warnings) > 0 {
				t.Fatal(warnings, err)
			}
			s := m.(*edxml.Status)
			if s.Code != e.Code || s.From.ID != k.from || s.Description != k.text || s.ResponseFor.DocumentID != doc.EdXMLID ||
				s.ResponseFor.OrganID != doc.From.Code || s.ResponseFor.Code != "15/UBND-VP" || !s.Time.Equal(moment) {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What edXML has no status for is told in words.
func TestADocumentThatDoesNotArriveIsTold(t *testing.T) {
	o := newOutbox(t, -1)
	doc := o.desk.File("Về việc họp", []byte("%PDF"))
	e := office.Entry{Cursor: "0011aabbccdd-19", Type: office.DocumentFailed, Box: office.Out, Document: doc.ID, Office: "H40.09", Note: "hết hạn"}
	if !o.c.Wants(e) {
		t.Fatal("it is not wanted")
	}
	if err := o.deliver(e); err != nil {
		t.Fatal(err)
	}
	names := o.names(statusDir)
	if len(names) != 1 || !strings.HasSuffix(names[0], "_19"+reasonExt) {
		t.Fatalf("the folder holds %q", names)
	}
	text := string(must(os.ReadFile(filepath.Join(o.tree, statusDir, names[0]))))
	e.Type, e.Cursor, e.Office, e.Note = office.DocumentWithdrawn, "0011aabbccdd-20", "", "soạn nhầm"
	if !o.c.Wants(e) {
		t.Fatal("a withdrawal is not wanted")
	}
	if err := o.deliver(e); err != nil {
		t.Fatal(err)
	}
	for _, name := range o.names(statusDir) {
		if strings.HasSuffix(name, "_20"+reasonExt) {
			text += string(must(os.ReadFile(filepath.Join(o.tree, statusDir, name))))
		}
	}
	for _, want := range []string{"được rút lại trước khi gửi đi: soạn nhầm", "was withdrawn before it left", "không tới được đơn vị H40.09: hết hạn", "does not reach the office H40.09", doc.EdXMLID, "Về việc họp"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
}

func TestStepsOnTheWayAreNotWritten(t *testing.T) {
	o := newOutbox(t, -1)
	for _, e := range []office.Entry{
		{Type: office.DocumentSaved, Box: office.Out}, {Type: office.DocumentSending, Box: office.Out}, {Type: office.DocumentAtHub, Box: office.Out},
		{Type: office.DocumentNoted, Box: office.Out}, {Type: "document.of-a-later-version", Box: office.Out},
	} {
		if o.c.Wants(e) {
			t.Errorf("%s is wanted", e.Type)
		}
	}
}

// The journal forgets what is long done, and reads past a line that a power cut
// cut off.
func TestTheJournalIsBoundedAndSurvives(t *testing.T) {
	dir := t.TempDir()
	j := must(openJournal(dir))
	for n := range 2*remembered + 10 {
		if err := j.add(written{Cursor: strings.Repeat("c", n%7) + "-" + time.Duration(n).String(), Dir: inDir, Files: []renamed{{"t", "n"}}}); err != nil {
			t.Fatal(err)
		}
	}
	last := j.list[len(j.list)-1].Cursor
	if len(j.list) > 2*remembered {
		t.Errorf("%d entries are kept", len(j.list))
	}
	if err := errors.Join(j.Close(), j.Close()); err != nil {
		t.Fatal(err)
	}
	f := must(os.OpenFile(filepath.Join(dir, journalName), os.O_WRONLY|os.O_APPEND, 0))
	must(io.WriteString(f, `{"cursor":"cut`))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	j = must(openJournal(dir))
	defer j.Close()
	if _, ok := j.find(last); !ok || len(j.list) != remembered {
		t.Errorf("%d entries, the last one is there: %v", len(j.list), ok)
	}
	if err := j.add(written{Cursor: "after"}); err != nil {
		t.Fatal(err)
	}
	again := must(openJournal(dir))
	defer again.Close()
	if _, ok := again.find("after"); !ok {
		t.Error("what came after the cut line is lost")
	}
}

// A folder belongs to one connector of one office.
func TestATreeBelongsToOne(t *testing.T) {
	o := newOutbox(t, -1)
	if err := o.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	guide := string(must(os.ReadFile(filepath.Join(o.tree, "HUONG-DAN.txt"))))
	for _, dir := range []string{dropDir, claimDir, doneDir, rejectDir, inDir, statusDir, sidecarExt, "THƯ MỤC", "EXCHANGE FOLDER"} {
		if !strings.Contains(guide, dir) {
			t.Errorf("the guide does not name %s", dir)
		}
	}
	for _, k := range []struct {
		name, code string
		change     func(*connector.Env)
	}{
		{"another connector", "hotfolder.taken", func(e *connector.Env) { e.Name = "other" }},
		{"another office", "hotfolder.taken", func(e *connector.Env) { e.Office.Code = "H40.99" }},
		{"the same, without its memory", "", func(*connector.Env) {}},
	} {
		env := o.c.env
		env.Dir = t.TempDir()
		k.change(&env)
		c := must(newConn(env))
		err := c.Collect(t.Context())
		var p *problem.Problem
		if k.code == "" && err != nil || k.code != "" && (!errors.As(err, &p) || p.Code != k.code) {
			t.Errorf("%s: %v", k.name, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	// An older tree under the same path.
	other := mark{ID: "another", Office: connectortest.Office, Connector: "hot"}
	write(t, filepath.Join(o.tree, markName), must(json.Marshal(other)))
	var p *problem.Problem
	if err := o.c.Collect(t.Context()); !errors.As(err, &p) || p.Code != "hotfolder.gone" {
		t.Errorf("another tree: %v", err)
	}
}

// Nothing is deleted, but with "keep", after its time and every receipt, and
// when it is still what was handed over.
func TestKeepDeletesAfterTheReceiptOnly(t *testing.T) {
	for _, k := range []struct {
		name    string
		keep    int
		days    int
		state   office.State
		changed bool
		stays   bool
	}{
		{"not asked for", 0, 4000, office.Accepted, false, true},
		{"too early", 30, 29, office.Accepted, false, true},
		{"without a receipt", 30, 31, office.AtHub, false, true},
		{"failed", 30, 31, office.Failed, false, true},
		{"changed since", 30, 31, office.Accepted, true, true},
		{"receipted", 30, 31, office.Delivered, false, false},
		{"returned", 30, 31, office.Returned, false, false},
	} {
		t.Run(k.name, func(t *testing.T) {
			s := newStation(t, -1)
			s.set["keep"] = k.keep
			s.down()
			s.boot()
			if err := s.look(0); err != nil {
				t.Fatal(err)
			}
			write(t, s.drop("a.edxml"), message("A"))
			s.looks()
			if !slices.Equal(s.names(doneDir), []string{"a.edxml"}) {
				t.Fatalf("handed over: %q", s.names(doneDir))
			}
			s.c.env.Desk = answering{s.office, k.state}
			if k.changed {
				write(t, s.path(doneDir, "a.edxml"), []byte("của tôi"))
			}
			s.skew = time.Duration(k.days) * day
			if err := s.look(2 * time.Hour); err != nil {
				t.Fatal(err)
			}
			if stays := len(s.names(doneDir)) == 1; stays != k.stays {
				t.Errorf("it stays: %v", stays)
			}
		})
	}
}

// answering is an office whose recipients have all come to a state.
type answering struct {
	*office.Office
	state office.State
}

func (a answering) Get(ctx context.Context, id storage.ID) (office.Document, error) {
	doc, err := a.Office.Get(ctx, id)
	for i := range doc.To {
		doc.To[i].State = a.state
	}
	return doc, err
}
