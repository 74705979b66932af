package v1

import (
	"context"
	"errors"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/search"
)

// Searcher finds documents by their words; *search.Index does.
type Searcher interface {
	Search(ctx context.Context, q search.Query) (search.Result, error)
}

// Hit is a document that was found, and where.
type Hit struct {
	ID      string       `json:"id"`
	Box     office.Box   `json:"box"`
	State   office.State `json:"state"`
	Urgency Urgency      `json:"urgency"`
	Type    string       `json:"type"`
	Date    string       `json:"date"`
	Fields  []Snippet    `json:"fields"`
	InFiles bool         `json:"in_files"`
}

// Snippet is a field with the words found in it.
type Snippet struct {
	Field string `json:"field"`
	Text  string `json:"text"`
	Cut   bool   `json:"cut"`
	Marks []Mark `json:"marks"`
}

// Mark is a word found: its first code point in the text, and the one behind it.
type Mark struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// SearchPage is one page of what was found.
type SearchPage struct {
	Hits []Hit  `json:"hits"`
	Next string `json:"next,omitempty"`
	// Waiting is how many documents and Unread how many files are not in the index
	// yet.
	Waiting int `json:"waiting"`
	Unread  int `json:"unread"`
}

func (s *Server) search(c *call) error {
	q := search.Query{After: c.params.Get("cursor")}
	var err error
	if q.Text, err = c.text("q", MaxText); err != nil {
		return err
	}
	if q.Text == "" {
		return badParameter("q", "", i18n.Say("api.want.some-text", i18n.Args{"most": MaxText}))
	}
	if c.params.Has("box") {
		if q.Box, err = oneOf("box", c.params.Get("box"), office.In, office.Out); err != nil {
			return err
		}
	}
	if q.Limit, err = c.number("limit", search.DefaultLimit, 1, search.MaxLimit); err != nil {
		return err
	}
	found, err := s.o.Search.Search(c.ctx(), q)
	var p *problem.Problem
	if errors.As(err, &p) && p.Code == "search.after" {
		return badCursor(q.After)
	}
	if err != nil {
		return err
	}
	page := SearchPage{Hits: []Hit{}, Next: found.Next, Waiting: found.Index.Waiting, Unread: found.Index.Unread}
	for _, h := range found.Hits {
		if seen, err := c.sees(h); err != nil {
			return err
		} else if seen {
			page.Hits = append(page.Hits, hitOf(h))
		}
	}
	return c.json(200, page)
}

// sees reports whether the application may know of a document.
func (c *call) sees(h search.Hit) (bool, error) {
	if !c.app.Own {
		return true, nil
	}
	app, err := c.s.o.Office.AppOf(c.ctx(), h.ID)
	return err == nil && app == c.app.Name, err
}

func hitOf(h search.Hit) Hit {
	out := Hit{
		ID: h.ID.String(), Box: h.Box, State: h.State, Urgency: urgencyOf(h.Urgency), Type: h.Type, Date: h.Date, Fields: []Snippet{}, InFiles: h.InFiles,
	}
	for _, f := range h.Fields {
		snippet := Snippet{Field: string(f.Field), Text: f.Text, Cut: f.Cut, Marks: []Mark{}}
		for _, m := range f.Marks {
			snippet.Marks = append(snippet.Marks, Mark{m[0], m[1]})
		}
		out.Fields = append(out.Fields, snippet)
	}
	return out
}
