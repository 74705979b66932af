package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

func vector(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(data)
}

var (
	anOrder  = Order{Version: 1, Command: Hold, Until: time.Date(2026, 7, 2, 0, 0, 0, 0, time.UTC), By: "truc.ban"}
	anAnswer = Answer{
		Version: 1, Order: uuid.MustParse("0192f3a4-5b6c-7d8e-9f00-112233445566"), Command: Ping, State: Done,
		At: time.Date(2026, 7, 1, 8, 30, 0, 123e6, time.UTC), Result: json.RawMessage(`{"software":"tram 1.0.0"}`),
	}
)

// TestP12_TheVectorsAreWhatIsWritten: the README shows these bytes.
func TestP12_TheVectorsAreWhatIsWritten(t *testing.T) {
	if raw, err := anOrder.Encode(); err != nil || !bytes.Equal(raw, vector(t, "order.json")) {
		t.Errorf("an order is written as %s (error %v)", raw, err)
	}
	if o, err := ParseOrder(vector(t, "order.json")); err != nil || !reflect.DeepEqual(o, anOrder) {
		t.Errorf("an order reads as %+v (error %v)", o, err)
	}
	if raw, err := anAnswer.Encode(); err != nil || !bytes.Equal(raw, vector(t, "answer.json")) {
		t.Errorf("an answer is written as %s (error %v)", raw, err)
	}
	if a, err := ParseAnswer(vector(t, "answer.json")); err != nil || !reflect.DeepEqual(a, anAnswer) {
		t.Errorf("an answer reads as %+v (error %v)", a, err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"order.json", "answer.json"} {
		if !bytes.Contains(readme, vector(t, name)) {
			t.Errorf("agent/README.md does not show %s", name)
		}
	}
}

func TestOrdersThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		raw  string
		want error
	}{
		"a later version":      {`{"v":2,"command":"ping","by":"a"}`, ErrVersion},
		"no version":           {`{"command":"ping","by":"a"}`, ErrVersion},
		"a name of two words":  {`{"v":1,"command":"rm rf","by":"a"}`, ErrMalformed},
		"no name":              {`{"v":1,"by":"a"}`, ErrMalformed},
		"nobody":               {`{"v":1,"command":"ping"}`, ErrMalformed},
		"control characters":   {`{"v":1,"command":"ping","by":"a\nb"}`, ErrMalformed},
		"a long name":          {`{"v":1,"command":"ping","by":"` + strings.Repeat("ư", maxBy+1) + `"}`, ErrMalformed},
		"no JSON":              {`ping`, ErrMalformed},
		"too much":             {`{"v":1,"command":"ping","by":"a","x":"` + strings.Repeat("x", MaxOrder) + `"}`, ErrMalformed},
		"an unknown name":      {`{"v":1,"command":"dance","by":"a"}`, nil},
		"fields of the future": {`{"v":1,"command":"ping","by":"a","x":1}`, nil},
	} {
		if _, err := ParseOrder([]byte(c.raw)); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, change := range map[string]func(*Answer){
		"to nothing":              func(a *Answer) { a.Order = uuid.Nil },
		"that is not done":        func(a *Answer) { a.State = New },
		"refused without why":     func(a *Answer) { a.State = Refused },
		"done and refused":        func(a *Answer) { a.Why = WhyFailed },
		"with prose for a reason": func(a *Answer) { a.State, a.Why = Refused, "vì bận" },
		"with a list":             func(a *Answer) { a.Result = json.RawMessage(`[1]`) },
		"with too much":           func(a *Answer) { a.Archive = make([]byte, MaxArchive+1) },
	} {
		a := anAnswer
		change(&a)
		if _, err := a.Encode(); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: written, error %v", name, err)
		}
		a.Version = version
		raw, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseAnswer(raw); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: read, error %v", name, err)
		}
	}
	largest := anAnswer
	largest.Archive = bytes.Repeat([]byte{255}, MaxArchive)
	if raw, err := largest.Encode(); err != nil || len(raw) > MaxAnswer {
		t.Errorf("the largest answer has %d bytes (error %v)", len(raw), err)
	}
}

// FuzzParseOrder: what is taken is bounded, and says the same when it is written again.
func FuzzParseOrder(f *testing.F) {
	f.Add(vector(f, "order.json"))
	f.Add([]byte(`{"v":1,"command":"ping","by":"a"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o, err := ParseOrder(raw)
		if err != nil {
			return
		}
		o.Until = o.Until.Truncate(time.Second)
		again, err := o.Encode()
		if err != nil {
			if o.Until.Year() > 9999 || o.Until.Year() < 0 {
				return // JSON has no such times
			}
			t.Fatalf("%q is not written again: %v", raw, err)
		}
		if same, err := ParseOrder(again); err != nil || !reflect.DeepEqual(same, o) {
			t.Fatalf("%q reads as %+v, and again as %+v (error %v)", raw, o, same, err)
		}
	})
}

// FuzzParseAnswer: the same of answers.
func FuzzParseAnswer(f *testing.F) {
	f.Add(vector(f, "answer.json"))
	f.Add([]byte(`{"v":1,"order":"0192f3a4-5b6c-7d8e-9f00-112233445566","command":"support","state":"done","at":"2026-07-01T08:30:00Z","archive":"UEs="}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := ParseAnswer(raw)
		if err != nil {
			return
		}
		again, err := a.Encode()
		if err != nil {
			if a.At.Year() > 9999 || a.At.Year() < 0 {
				return
			}
			t.Fatalf("%q is not written again: %v", raw, err)
		}
		same, err := ParseAnswer(again)
		if err != nil || same.Order != a.Order || same.State != a.State || same.Why != a.Why || !bytes.Equal(same.Archive, a.Archive) {
			t.Fatalf("%q reads as %+v, and again as %+v (error %v)", raw, a, same, err)
		}
	})
}
