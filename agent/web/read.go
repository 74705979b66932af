package web

import (
	"context"
	"fmt"

	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/storage"
)

// mayRead tells whether the visitor may see the content of a document: all with
// the right Content, others what was handed over to them and what answers it.
func (s *site) mayRead(ctx context.Context, v *visit, d office.Document) (bool, error) {
	if v.may(account.Content) {
		return true, nil
	}
	if !v.may(account.Handed) {
		return false, nil
	}
	ids := []storage.ID{d.ID}
	if d.Box == office.Out {
		ids = nil
		for _, l := range d.Links {
			if l.Kind == office.Answers {
				ids = append(ids, l.ID)
			}
		}
	}
	for _, id := range ids {
		if ok, err := s.Handling.Holds(ctx, id, v.session.User.Name); err != nil || ok {
			return ok, err
		}
	}
	return false, nil
}

// reading guards a handler that gives content of the document in the address.
func (s *site) reading(box office.Box, do handler) handler {
	return func(ctx context.Context, v *visit) error {
		if v.may(account.Content) {
			return do(ctx, v)
		}
		d, err := s.document(ctx, v, box)
		if err != nil {
			return err
		}
		ok, err := s.mayRead(ctx, v, d)
		if err != nil {
			return fmt.Errorf("ask who may read: %w", err)
		}
		if !ok {
			return problem.New(problem.Denied, "web.not-yours", "", nil)
		}
		return do(ctx, v)
	}
}
