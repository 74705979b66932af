package api_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/problem"
)

func TestEdXMLIsHandedOverAndGot(t *testing.T) {
	d, client := start(t)
	body := strings.Repeat("<edXML>", 1000)
	for _, try := range []bool{true, false} {
		h := office.Handover{Body: strings.NewReader(body), Name: "công văn & 1.edxml", Cleared: true, Try: try, By: "cli"}
		done, err := client.Import(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		if done.Changed == try || done.Kind != office.KindDocument || done.Document.Subject != h.Name || done.Document.Reason != "cli" ||
			done.Document.Size != int64(len(body)-7) || len(done.Warnings) != 1 || done.Warnings[0] != (edxml.Warning{Code: "code", Field: "Paper", Value: "true"}) {
			t.Errorf("imported %+v", done)
		}
	}
	id := uuid.New()
	d.shelf.docs = append(d.shelf.docs, office.Document{ID: id})
	got, err := client.EdXML(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if data, err := io.ReadAll(got); err != nil || string(data) != "message of "+id.String() {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := client.EdXML(t.Context(), uuid.New()); problem.From(err).Code != "document.not-found" {
		t.Errorf("of none: %v", err)
	}
}

// TestRefusedMessageIsReadToItsEnd: else the caller would see a cut line instead
// of the reason.
func TestRefusedMessageIsReadToItsEnd(t *testing.T) {
	_, client := start(t)
	for range 20 {
		_, err := client.Import(t.Context(), office.Handover{Body: io.MultiReader(strings.NewReader("refused"), strings.NewReader(strings.Repeat("x", 4<<20))), Name: "H40.9", By: "cli"})
		var list problem.List
		if !errors.As(err, &list) || len(list) != 2 || list[0].Code != "import.not-ours" || list[0].Field != "From" || list[0].Args["code"] != "H40.9" {
			t.Fatalf("refused with %v", err)
		}
	}
}
