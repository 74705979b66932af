package hub

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/storage/sqlite"
)

// members are the offices, and hubs below, that are enrolled with this hub or
// invited to it, by code: at most listLimit. The rest of the registry is what
// others are reached through or what only a directory names.
func members(ctx context.Context, db *sqlite.DB, reg *registry.Registry, ours func(registry.Card) bool) ([]registry.Card, error) {
	cards, err := reg.EnrolledHere(ctx, listLimit)
	if err != nil {
		return nil, err
	}
	cards = slices.DeleteFunc(cards, func(c registry.Card) bool { return !ours(c) })
	invites, err := ca.ListInvites(ctx, db, time.Now(), listLimit)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, invite := range invites {
		key := registry.Key(invite.Code)
		if seen[key] {
			continue
		}
		seen[key] = true
		c, err := reg.Lookup(key)
		if err != nil && !errors.Is(err, registry.ErrNotFound) {
			return nil, err
		}
		if err == nil && !c.Enrolled() && ours(c) {
			cards = append(cards, c)
		}
	}
	slices.SortFunc(cards, func(a, b registry.Card) int { return strings.Compare(registry.Key(a.Code), registry.Key(b.Code)) })
	return cards, nil
}
