package registry

import (
	"context"
	"fmt"
)

// All returns cards by code in alphabetical order, those after the code given
// ("" from the beginning), at most limit of them.
func (r *Registry) All(ctx context.Context, after string, limit int) ([]Card, error) {
	cards, err := r.list(ctx, `SELECT raw FROM cards WHERE code_key > ? ORDER BY code_key LIMIT ?`, Key(after), limit)
	if err != nil {
		return nil, fmt.Errorf("list offices: %w", err)
	}
	return cards, nil
}
