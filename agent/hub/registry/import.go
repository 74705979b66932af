package registry

import (
	"context"
	"errors"
	"slices"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// importBatch is how many offices are imported in one transaction, which holds
// up the hub's other work for about a tenth of a second.
const importBatch = 500

// Imported says what Import did.
type Imported struct {
	New     int `json:"new"`
	Changed int `json:"changed"`
	Same    int `json:"same"`
	// Elsewhere are offices that another hub speaks for, and hubs next to this
	// one: what the list says of them is left out.
	Elsewhere int `json:"elsewhere"`
}

// Import brings a directory into the registry: offices that are not there yet,
// and what the list says otherwise of those that are. Keys stay, and so do offices
// that the list does not name. All of it is checked before anything is written:
// a problem.List says what is wrong with which line. A crash leaves a part; to
// import again goes on from there. The parent, when it is not empty, must be in
// the list or the registry, and so must be the office that took another over.
func (e Editor) Import(ctx context.Context, list []Entry) (Imported, error) {
	var did Imported
	if err := e.Registry.db.View(ctx, func(tx *sqlite.Tx) error { return e.checkList(tx, list) }); err != nil {
		return did, err
	}
	for some := range slices.Chunk(list, importBatch) {
		part := Imported{}
		err := e.Registry.db.Update(ctx, func(tx *sqlite.Tx) error {
			part = Imported{}
			for _, entry := range some {
				if err := e.take(tx, entry, &part); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return did, err
		}
		did.New, did.Changed, did.Same, did.Elsewhere = did.New+part.New, did.Changed+part.Changed, did.Same+part.Same, did.Elsewhere+part.Elsewhere
	}
	return did, nil
}

// checkList looks at what a list says of other offices and of what is here.
func (e Editor) checkList(tx *sqlite.Tx, list []Entry) error {
	here := make(map[string]int, len(list)) // place by key
	for i, entry := range list {
		here[Key(entry.Code)] = i
	}
	var found problem.List
	bad := func(entry Entry, code, field, value string) {
		found = append(found, problem.New(problem.Usage, code, field, i18n.Args{"line": entry.Line, "field": field, "value": value}))
	}
	known := map[string]bool{}
	exists := func(code string) (bool, error) {
		key := Key(code)
		if _, ok := here[key]; ok || key == "" || known[key] {
			return true, nil
		}
		_, err := e.Registry.Raw(tx, code)
		if known[key] = err == nil; errors.Is(err, ErrNotFound) {
			err = nil
		}
		return known[key], err
	}
	for _, entry := range list {
		if len(found) >= MaxCSVProblems {
			break
		}
		for _, other := range []struct{ code, field, value string }{{"csv.no-parent", "parent", entry.Parent}, {"csv.no-into", "into", entry.Into}} {
			ok, err := exists(other.value)
			if err != nil {
				return err
			}
			if !ok {
				bad(entry, other.code, other.field, other.value)
			}
		}
		if circle(list, here, entry, func(e Entry) string { return e.Parent }) {
			bad(entry, "csv.circle", "parent", entry.Parent)
		}
		if circle(list, here, entry, func(e Entry) string { return e.Into }) {
			bad(entry, "csv.circle", "into", entry.Into)
		}
	}
	return found.Err()
}

// circle reports whether the way that next shows leads back to an entry. Only
// the first on the way is told of each circle that is not longer than maxDepth.
func circle(list []Entry, here map[string]int, from Entry, next func(Entry) string) bool {
	at := from
	for range maxDepth {
		i, ok := here[Key(next(at))]
		if !ok {
			return false
		}
		if at = list[i]; Key(at.Code) == Key(from.Code) {
			return true
		}
	}
	return true
}

func (e Editor) take(tx *sqlite.Tx, entry Entry, did *Imported) error {
	old, err := e.Registry.LookupTx(tx, entry.Code)
	known := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	was := old
	was.Into = "" // the list may revive an office
	if known && e.changeable(was) != nil || Key(entry.Code) == Key(e.Own) {
		did.Elsewhere++
		return nil
	}
	c := old
	if !old.Enrolled() {
		c.Code = entry.Code // the spelling of an enrolled code is that of its certificate
	}
	c.Name, c.Parent, c.Kind = entry.Name, entry.Parent, entry.Kind
	if entry.HasInto {
		c.Into = entry.Into
	}
	if entry.Old != nil {
		c.Old = entry.Old
	}
	if entry.May != nil {
		c.May = entry.May
	}
	if known && same(old, c) {
		did.Same++
		return nil
	}
	if _, err := e.Registry.Issue(tx, c, e.Authority); err != nil {
		return err
	}
	if known {
		did.Changed++
	} else {
		did.New++
	}
	return nil
}
