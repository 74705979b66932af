package office

import (
	"errors"
	"strings"
	"testing"

	"tram/agent/problem"
)

// What a program hands over again after a crash, under its key, is there once.
func TestP2_HandedOverAgainUnderItsKey(t *testing.T) {
	w := newWorld(t, "H40.12", "H40.15")
	n := w.offices["H40.12"]
	keyed := func(key string) Draft {
		d := draft("H40.15")
		d.Key = key
		return d
	}
	first := n.send(keyed("a"))
	n.restart()
	again := n.send(Draft{Key: "a"}) // the files may be gone by now
	if again.ID != first.ID || again.Number != "01" {
		t.Fatalf("again: %s %s, first: %s", again.ID, again.Number, first.ID)
	}
	if other := n.send(keyed("b")); other.ID == first.ID || other.Number != "02" {
		t.Fatalf("another key: %s %s", other.ID, other.Number)
	}
	m := plainly(foreign("H40.12", organs("H40.15"), "ngoai-1", "a.pdf", encoded([]byte("một"))))
	hand := func(key string) (Imported, error) {
		return n.Import(t.Context(), Handover{Body: strings.NewReader(m), Name: "vb.edxml", By: "x", Key: key})
	}
	taken, err := hand("c")
	if err != nil || !taken.Changed {
		t.Fatal(taken.Changed, err)
	}
	if back, err := hand("c"); err != nil || back.Changed || back.Document.ID != taken.Document.ID {
		t.Fatalf("%+v, %v", back, err)
	}
	var p *problem.Problem
	if _, err := hand("d"); !errors.As(err, &p) || p.Code != "import.already" {
		t.Fatalf("under another key: %v", err)
	}
	if _, err := n.Send(t.Context(), keyed(strings.Repeat("k", MaxKey+1))); !errors.As(err, &p) || p.Field != "key" {
		t.Fatalf("a long key: %v", err)
	}
	docs, total, err := n.List(t.Context(), Query{Box: Out})
	if err != nil || len(docs) != 3 {
		t.Fatal(len(docs), total, err)
	}
}
