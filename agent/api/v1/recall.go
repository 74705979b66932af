package v1

import (
	"time"

	"github.com/google/uuid"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// WithdrawRequest is the body of withdrawDocument.
type WithdrawRequest struct {
	Reason string `json:"reason"`
}

// RecallRequest is the body of recallDocument.
type RecallRequest struct {
	To     []string `json:"to"` // none for all recipients
	Reason string   `json:"reason"`
}

// GrantRequest is the body of grantRequest.
type GrantRequest struct{}

// RefuseRequest is the body of refuseRequest.
type RefuseRequest struct {
	Reason string `json:"reason"`
}

func (s *Server) withdraw(c *call) error {
	var q WithdrawRequest
	return s.decide(c, &q, func(id storage.ID) (office.Document, error) {
		return s.o.Office.Withdraw(c.ctx(), id, q.Reason, c.app.Actor())
	})
}

func (s *Server) recall(c *call) error {
	var q RecallRequest
	return s.decide(c, &q, func(id storage.ID) (office.Document, error) {
		return s.o.Office.Recall(c.ctx(), id, q.To, q.Reason, c.app.Actor())
	})
}

func (s *Server) grant(c *call) error {
	var q GrantRequest
	return s.decide(c, &q, func(id storage.ID) (office.Document, error) {
		return s.o.Office.Grant(c.ctx(), id, c.app.Actor())
	})
}

func (s *Server) refuse(c *call) error {
	var q RefuseRequest
	return s.decide(c, &q, func(id storage.ID) (office.Document, error) {
		return s.o.Office.Refuse(c.ctx(), id, q.Reason, c.app.Actor())
	})
}

// Changes says what a new document does to earlier ones of this office.
type Changes struct {
	Replaces []string `json:"replaces"`
	Updates  string   `json:"updates"`
	Removed  []string `json:"removed"`
	Reason   string   `json:"reason"`
}

// changes reads them. They act on earlier documents, so that the key must be one
// for recalls, and may name those alone that it sees.
func (c *call) changes(q *Changes) (office.Changes, error) {
	if q == nil {
		return office.Changes{}, nil
	}
	if !c.app.May(appkey.DocumentsRecall) {
		return office.Changes{}, c.lacks(appkey.DocumentsRecall)
	}
	out := office.Changes{Removed: q.Removed, Reason: q.Reason}
	for _, text := range q.Replaces {
		id, err := c.earlier("changes.replaces", text)
		if err != nil {
			return office.Changes{}, err
		}
		out.Replaces = append(out.Replaces, id)
	}
	var err error
	if q.Updates != "" {
		out.Updates, err = c.earlier("changes.updates", q.Updates)
	}
	return out, err
}

// replies reads which documents a draft answers: those alone that the key sees.
func (c *call) replies(list []string) (ids []storage.ID, err error) {
	for _, text := range list {
		id, err := c.earlier("replies", text)
		if problem.From(err).Class == problem.NotFound {
			return nil, problem.New(problem.Usage, "reply.unknown", "replies", i18n.Args{"id": id.String()})
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (c *call) earlier(field, text string) (storage.ID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return storage.ID{}, problem.New(problem.Usage, "api.bad-id", field, i18n.Args{"id": shown(text)}).Because(err)
	}
	return id, c.owns(id)
}

// Ask is what a recipient was asked, and its answer.
type Ask struct {
	State      office.AskState `json:"state"`
	Reason     string          `json:"reason"`
	AskedAt    time.Time       `json:"asked_at"`
	Answer     *Text           `json:"answer,omitempty"`
	AnsweredAt *time.Time      `json:"answered_at,omitempty"`
}

func askOf(a *office.Ask) *Ask {
	if a == nil {
		return nil
	}
	return &Ask{State: a.State, Reason: a.Reason, AskedAt: a.At.UTC(), Answer: textOf(a.AnswerIn), AnsweredAt: moment(a.Answered)}
}

// SenderRequest is what the office that issued an incoming document asks of this
// one.
type SenderRequest struct {
	Kind       string              `json:"kind"`
	State      office.RequestState `json:"state"`
	Reason     string              `json:"reason"`
	AskedAt    time.Time           `json:"asked_at"`
	Answer     string              `json:"answer,omitempty"`
	AnsweredAt *time.Time          `json:"answered_at,omitempty"`
}

func requestOf(r *office.Request) *SenderRequest {
	if r == nil {
		return nil
	}
	return &SenderRequest{Kind: r.Kind, State: r.State, Reason: r.Reason, AskedAt: r.At.UTC(), Answer: r.Answer, AnsweredAt: moment(r.Answered)}
}

// moment is nil for no time.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Link is another document that a document updates, replaces or answers, or that
// does so to it.
type Link struct {
	Kind    office.LinkKind `json:"kind"`
	ID      string          `json:"id,omitempty"`
	EdXMLID string          `json:"edxml_id"`
	Symbol  string          `json:"symbol,omitempty"`
	Subject string          `json:"subject,omitempty"`
	Reason  string          `json:"reason,omitempty"`
	Waits   bool            `json:"waits,omitempty"`
}

func linksOf(list []office.Link) (links []Link) {
	for _, l := range list {
		link := Link{Kind: l.Kind, EdXMLID: l.EdXMLID, Symbol: l.Symbol, Subject: l.Subject, Reason: l.Reason, Waits: l.Waits}
		if l.ID != (storage.ID{}) {
			link.ID = l.ID.String()
		}
		links = append(links, link)
	}
	return links
}
