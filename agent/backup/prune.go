package backup

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"tram/agent/problem"
)

// prune removes the backups that a policy lets go, and what none of the others needs.
// newest is one that was just read back and held: it stays, and without it nothing goes.
// A backup is gone with its index, which goes first; what a kill leaves of the rest is
// found the next time.
func (r repo) prune(ctx context.Context, p Policy, newest string) (removed int, err error) {
	names, err := r.names(ctx)
	if err != nil || len(names) == 0 || names[len(names)-1] != newest {
		return 0, err // one that is not known to hold stands in front
	}
	slices.Reverse(names)
	var made []time.Time
	for _, name := range names {
		at, err := time.Parse(stamp, name)
		if err != nil {
			return 0, err
		}
		made = append(made, at)
	}
	needed, stay := map[string]bool{}, map[string]bool{}
	var gone []string
	for i, keep := range p.Keep(made) {
		if !keep {
			gone = append(gone, names[i])
			continue
		}
		stay[names[i]] = true
		x, err := r.index(ctx, names[i])
		if problem.From(err).Class == problem.BadSeal {
			return 0, nil // what is damaged may need anything: Verify tells
		}
		if err != nil {
			return 0, err
		}
		for _, c := range x.list {
			needed[r.contentName(c)] = true
		}
	}
	for _, name := range gone {
		if err := r.store.Remove(ctx, r.at(indexFolder, name)); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, errors.Join(
		r.sweep(ctx, dataFolder, func(name string) bool {
			return stay[strings.TrimSuffix(strings.TrimSuffix(path.Base(name), ".db"), ".tar")]
		}),
		r.sweep(ctx, contentFolder, func(name string) bool { return needed[name] }))
}

// sweep removes the files of a folder that nobody needs.
func (r repo) sweep(ctx context.Context, folder string, needed func(name string) bool) error {
	var left []string
	err := r.store.List(ctx, r.at(folder, ""), func(name string, _ int64) {
		if !needed(name) {
			left = append(left, name)
		}
	})
	for _, name := range left {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = r.store.Remove(ctx, name)
		}
	}
	return err
}
