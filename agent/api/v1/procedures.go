package v1

import (
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/workdays"
)

// Procedure is the version of an administrative procedure under which dossiers are
// taken now.
type Procedure struct {
	Code      string           `json:"code"`
	Version   int              `json:"version"`
	Name      string           `json:"name"`
	FieldCode string           `json:"field_code"`
	Field     string           `json:"field"`
	Limit     TimeLimit        `json:"limit"`
	Papers    []ProcedurePaper `json:"papers"`
	Fees      []ProcedureFee   `json:"fees"`
	Results   []string         `json:"results"`
	Legal     string           `json:"legal"`
}

// TimeLimit is how long the office may take.
type TimeLimit struct {
	Unit string `json:"unit"`
	N    int    `json:"n"`
}

// ProcedurePaper is a paper that is to be handed in; files name it by its index.
type ProcedurePaper struct {
	Index    int    `json:"index"`
	Code     string `json:"code,omitempty"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Copies   int    `json:"copies"`
	Required bool   `json:"required"`
}

// ProcedureFee is a fee; payments name it by its index.
type ProcedureFee struct {
	Index  int    `json:"index"`
	Code   string `json:"code,omitempty"`
	Name   string `json:"name"`
	Amount int64  `json:"amount"`
	State  bool   `json:"state_fee"`
}

// ProcedureList is what a search found.
type ProcedureList struct {
	Procedures []Procedure `json:"procedures"`
}

// maxProcedures is the most procedures of a list.
const maxProcedures = 200

func procedureOf(p dossier.Procedure) Procedure {
	out := Procedure{
		Code: p.Code.String(), Version: p.Version, Name: p.Name, FieldCode: p.Field.Code.String(), Field: p.Field.Name, Limit: limitOf(p.Limit),
		Papers: []ProcedurePaper{}, Fees: []ProcedureFee{}, Results: []string{}, Legal: p.Legal,
	}
	for i, x := range p.Papers {
		out.Papers = append(out.Papers, ProcedurePaper{i, x.Code, x.Name, string(x.Kind), x.Copies, x.Required})
	}
	for i, x := range p.Fees {
		out.Fees = append(out.Fees, ProcedureFee{i, x.Code, x.Name, x.Amount, x.State})
	}
	out.Results = append(out.Results, p.Results...)
	return out
}

func limitOf(r workdays.Rule) TimeLimit { return TimeLimit{string(r.Unit), r.N + r.Extra} }

func (s *Server) procedures(c *call) error {
	words, err := c.text("q", MaxText)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", DefaultPage, 1, maxProcedures)
	if err != nil {
		return err
	}
	found, err := s.o.Dossiers.Procedures(c.ctx(), words, s.now(), limit)
	if err != nil {
		return err
	}
	list := ProcedureList{Procedures: []Procedure{}}
	for _, p := range found {
		list.Procedures = append(list.Procedures, procedureOf(p))
	}
	return c.json(200, list)
}

func (s *Server) procedure(c *call) error {
	text := c.r.PathValue("code")
	named, err := code.ParseProcedure(text)
	if err != nil {
		return badParameter("code", shown(text), i18n.Say("api.want.procedure"))
	}
	p, err := s.o.Dossiers.InForce(c.ctx(), named, s.now())
	if err != nil {
		return err
	}
	return c.json(200, procedureOf(p))
}
