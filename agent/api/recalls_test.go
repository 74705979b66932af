package api_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// TestRecallsOverTheSocket: each call carries recipients, reason and who asks,
// and a draft what it does to earlier documents.
func TestRecallsOverTheSocket(t *testing.T) {
	b, client := start(t)
	earlier := uuid.New()
	doc, err := client.Send(t.Context(), api.DraftRequest{
		To: []string{"H40.15"}, Subject: "x", Updates: earlier, Removed: []string{"H40.16"}, ChangeReason: "đổi nơi nhận",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c := b.shelf.drafts[0].Changes; c.Updates != earlier || c.Reason != "đổi nơi nhận" || len(c.Removed) != 1 || len(c.Replaces) != 0 {
		t.Errorf("the draft does %+v", c)
	}
	for _, c := range []struct {
		name   string
		do     func(storage.ID) (office.Document, error)
		state  office.State
		reason string
	}{
		{"withdraw", func(id storage.ID) (office.Document, error) {
			return client.Withdraw(t.Context(), id, api.RecallRequest{Reason: "nhầm", By: "cli"})
		}, office.Withdrawn, "nhầm"},
		{"recall", func(id storage.ID) (office.Document, error) {
			return client.Recall(t.Context(), id, api.RecallRequest{To: []string{"H40.15", "H40.16"}, Reason: "nhầm", By: "cli"})
		}, office.Recalled, "H40.15|H40.16|nhầm"},
		{"refuse", func(id storage.ID) (office.Document, error) {
			return client.Refuse(t.Context(), id, api.RecallRequest{Reason: "đã xong", By: "cli"})
		}, office.Arrived, "đã xong"},
		{"grant", func(id storage.ID) (office.Document, error) {
			return client.Grant(t.Context(), id, api.RecallRequest{By: "cli"})
		}, office.Recalled, ""},
	} {
		got, err := c.do(doc.ID)
		if err != nil || got.State != c.state || got.Reason != c.reason || b.shelf.by[len(b.shelf.by)-1] != "cli" {
			t.Errorf("%s: %s %q, %v", c.name, got.State, got.Reason, err)
		}
		if _, err := c.do(uuid.New()); problem.From(err).Class != problem.NotFound {
			t.Errorf("%s of no document: %v", c.name, err)
		}
		if err := client.Call(t.Context(), http.MethodPost, "/v1/documents/x/"+c.name, nil, &struct{}{}); problem.From(err).Code != "api.bad-id" {
			t.Errorf("%s of a bad ID: %v", c.name, err)
		}
	}
}
