package connector_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/uuid"

	"tram/agent/connector"
	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo/dongbotest"
)

// taker is a system that takes dossiers.
type taker struct {
	system
	takes bool
}

func (t *taker) TakesDossiers() bool { return t.takes }

// rigOf is a rig with dossiers and these connectors.
func rigOf(t *testing.T, src *dongbotest.Source, dir string, f *feed, made map[string]connector.Connector) (*connector.Host, func()) {
	t.Helper()
	r := &rig{t: t, dir: dir, feed: f}
	var kinds []connector.Kind
	for name, c := range made {
		kinds = append(kinds, connector.Kind{Name: name, Open: func(connector.Env) (connector.Connector, error) { return c, nil }})
	}
	r.startWith(connector.Options{Kinds: kinds, Dossiers: src})
	return r.Host, r.end
}

func TestP2_ChangesOfDossiersAreDeliveredToThoseThatTakeThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, f, dir := dongbotest.New(), newFeed(), t.TempDir()
		src.Add(1) // before a connector is added
		takes, refuses, plain := &taker{takes: true}, &taker{}, &system{}
		made := map[string]connector.Connector{"takes": takes, "refuses": refuses, "plain": plain}
		host, end := rigOf(t, src, dir, f, made)
		for name := range made {
			if err := host.Add(t.Context(), connector.Spec{Name: name, Kind: name}, "test"); err != nil {
				t.Fatal(err)
			}
		}
		a := src.Add(2)
		f.tell(uuid.New())
		src.Step(a, code.Processing)
		synctest.Wait()
		if got := takes.received(); len(got) != 3 || !slices.Contains(got, "1") || !slices.Contains(got, a.String()+"-1") || !slices.Contains(got, a.String()+"-2") {
			t.Errorf("who takes dossiers got %q", got)
		}
		if !slices.Equal(refuses.received(), []string{"1"}) || !slices.Equal(plain.received(), []string{"1"}) {
			t.Errorf("others got %q and %q", refuses.received(), plain.received())
		}
		end()
		b := src.Add(3) // while it does not run
		_, end = rigOf(t, src, dir, f, made)
		defer end()
		synctest.Wait()
		if got := takes.received(); len(got) != 4 || got[3] != b.String()+"-1" {
			t.Errorf("after a restart: %q", got)
		}
	})
}

func TestADossierThatIsRefusedIsADeadLetterWithItsCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := dongbotest.New()
		var mu sync.Mutex
		broken := true
		takes := &taker{takes: true}
		takes.deliver = func(context.Context, connector.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			if broken {
				return connector.Permanent(errors.New("mã thủ tục sai"))
			}
			return nil
		}
		host, end := rigOf(t, src, t.TempDir(), newFeed(), map[string]connector.Connector{"takes": takes})
		defer end()
		if err := host.Add(t.Context(), connector.Spec{Name: "truc", Kind: "takes"}, "test"); err != nil {
			t.Fatal(err)
		}
		src.Add(1)
		synctest.Wait()
		letters, err := host.Letters(t.Context(), "truc")
		if err != nil || len(letters) != 1 || !letters[0].Dead || letters[0].Entry.EdXMLID != "H40.12-261126-0001" || !strings.Contains(letters[0].Failure.Technical, "mã thủ tục sai") {
			t.Fatalf("%+v, %v", letters, err)
		}
		mu.Lock()
		broken = false
		mu.Unlock()
		if n, err := host.Replay(t.Context(), "truc", 0, "test"); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		synctest.Wait()
		if len(takes.received()) != 1 {
			t.Errorf("after it was replayed: %q", takes.received())
		}
	})
}
