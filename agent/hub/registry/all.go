package registry

import (
	"context"
	"fmt"
	"slices"
)

// EnrolledHere returns the offices with keys that have this registry's hub for
// their own, and its neighbouring hubs, by code, at most limit of them.
func (r *Registry) EnrolledHere(ctx context.Context, limit int) ([]Card, error) {
	cards, err := r.list(ctx, `SELECT raw FROM cards WHERE device IS NOT NULL ORDER BY code_key`)
	if err != nil {
		return nil, fmt.Errorf("list enrolled offices: %w", err)
	}
	cards = slices.DeleteFunc(cards, func(c Card) bool { return c.Hub != "" })
	return cards[:min(len(cards), limit)], nil
}

// Below returns the offices directly below parent, all when it is "", by code,
// those after the code given ("" from the beginning), at most limit of them.
func (r *Registry) Below(ctx context.Context, parent, after string, limit int) ([]Card, error) {
	if parent == "" {
		return r.All(ctx, after, limit)
	}
	cards, err := r.list(ctx, `SELECT raw FROM cards WHERE parent_key = ? AND code_key > ? ORDER BY code_key LIMIT ?`, Key(parent), Key(after), limit)
	if err != nil {
		return nil, fmt.Errorf("list offices: %w", err)
	}
	return cards, nil
}

// All returns cards by code in alphabetical order, those after the code given
// ("" from the beginning), at most limit of them.
func (r *Registry) All(ctx context.Context, after string, limit int) ([]Card, error) {
	cards, err := r.list(ctx, `SELECT raw FROM cards WHERE code_key > ? ORDER BY code_key LIMIT ?`, Key(after), limit)
	if err != nil {
		return nil, fmt.Errorf("list offices: %w", err)
	}
	return cards, nil
}
