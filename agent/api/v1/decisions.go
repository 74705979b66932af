package v1

import (
	"crypto/sha256"
	"net/http"
	"slices"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// AcceptRequest is the body of acceptDocument.
type AcceptRequest struct {
	// Reason is why in spite of signatures that are not valid.
	Reason string `json:"reason"`
	// SeenFailure says that a person read why a signature failed.
	SeenFailure bool `json:"seen_failure"`
}

// ReturnRequest is the body of returnDocument.
type ReturnRequest struct {
	Reason string `json:"reason"`
}

// ReportRequest is the body of reportDocument.
type ReportRequest struct {
	StatusCode edxml.StatusCode `json:"status_code"`
	Text       string           `json:"text"`
}

// reports are the statuses that may be reported of an accepted document.
var reports = []edxml.StatusCode{edxml.StatusAssigned, edxml.StatusInProgress, edxml.StatusDone}

func (s *Server) accept(c *call) error {
	var q AcceptRequest
	return s.decide(c, &q, func(id storage.ID) (office.Document, error) {
		return s.o.Office.AcceptKnowing(c.ctx(), id, c.app.Actor(), office.Knowing{Reason: q.Reason, SeenFailure: q.SeenFailure})
	})
}

func (s *Server) giveBack(c *call) error {
	var q ReturnRequest
	return s.decide(c, &q, func(id storage.ID) (office.Document, error) {
		return s.o.Office.Return(c.ctx(), id, q.Reason, c.app.Actor())
	})
}

func (s *Server) report(c *call) error {
	var q ReportRequest
	return s.decide(c, &q, func(id storage.ID) (office.Document, error) {
		if !slices.Contains(reports, q.StatusCode) {
			return office.Document{}, problem.New(problem.Usage, "api.report-code", "status_code", i18n.Args{"code": shown(string(q.StatusCode))})
		}
		text, err := reportText(q.Text)
		if err != nil {
			return office.Document{}, err
		}
		doc, _, err := s.o.Office.Report(c.ctx(), id, q.StatusCode, text, c.app.Actor())
		return doc, err
	})
}

// decide is what the decisions share. Each of them may be made again and is
// made once, so that none needs an Idempotency-Key; with one the answer is the
// same as well.
func (s *Server) decide(c *call, body any, do func(id storage.ID) (office.Document, error)) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	raw, err := c.body(body)
	if err != nil {
		return err
	}
	return c.once(false, sha256.Sum256(raw), func(keeper) (answer, error) {
		before, err := s.o.Office.Get(c.ctx(), id)
		if err == nil {
			err = c.unchanged(before)
		}
		if err != nil {
			return answer{}, err
		}
		doc, err := do(id)
		if err != nil {
			return answer{}, err
		}
		a := answer{status: http.StatusOK}
		a.body, err = c.encoded(doc)
		return a, err
	})
}
