package registry

import (
	"crypto"
	"errors"
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

// Editor changes the offices of the hub's own registry. Each method issues the
// cards that change within tx. Its problems are hub.no-office, office.elsewhere,
// office.is-hub and office.ended for an office that cannot be changed here, and
// those that a method names.
type Editor struct {
	Registry  *Registry
	Authority crypto.Signer
	Own       string // code of the hub
	Above     string // code of the hub above, "" for none
}

func (e Editor) found(tx *sqlite.Tx, code string) (Card, error) {
	c, err := e.Registry.LookupTx(tx, code)
	if errors.Is(err, ErrNotFound) {
		return c, problem.New(problem.NotFound, "hub.no-office", "CODE", i18n.Args{"code": code})
	}
	return c, err
}

// own returns the card of an office that may be changed here.
func (e Editor) own(tx *sqlite.Tx, code string) (Card, error) {
	c, err := e.found(tx, code)
	if err != nil {
		return c, err
	}
	return c, e.changeable(c)
}

func (e Editor) changeable(c Card) error {
	args := i18n.Args{"value": c.Code, "hub": c.Hub, "into": c.Into}
	switch {
	case Key(c.Code) == Key(e.Own), e.Above != "" && Key(c.Code) == Key(e.Above):
		return problem.New(problem.Conflict, "office.is-hub", "code", args)
	case c.Hub != "":
		return problem.New(problem.Conflict, "office.elsewhere", "code", args)
	case c.Into != "":
		return problem.New(problem.Conflict, "office.ended", "code", args)
	}
	return nil
}

func (e Editor) issue(tx *sqlite.Tx, c Card) (Card, error) {
	if _, err := e.Registry.Issue(tx, c, e.Authority); err != nil {
		return c, err
	}
	return e.Registry.LookupTx(tx, c.Code)
}

// Move hangs an office, with all below it, below parent; "" puts it at the top.
// Problem office.circle when parent lies below it.
func (e Editor) Move(tx *sqlite.Tx, code, parent string) (Card, error) {
	c, err := e.own(tx, code)
	if err != nil {
		return c, err
	}
	if parent != "" {
		p, err := e.found(tx, parent)
		if err != nil {
			return c, err
		}
		if p.Into != "" {
			return c, problem.New(problem.Conflict, "office.ended", "parent", i18n.Args{"value": p.Code, "into": p.Into})
		}
		parent = p.Code
		if under, err := e.under(tx, p, c.Code); err != nil || under {
			return c, errors.Join(err, problem.New(problem.Conflict, "office.circle", "parent", i18n.Args{"code": c.Code, "parent": p.Code}))
		}
	}
	c.Parent = parent
	return e.issue(tx, c)
}

// under reports whether c is top or lies below it.
func (e Editor) under(tx *sqlite.Tx, c Card, top string) (bool, error) {
	for range maxDepth {
		if Key(c.Code) == Key(top) {
			return true, nil
		}
		if c.Parent == "" {
			return false, nil
		}
		next, err := e.Registry.LookupTx(tx, c.Parent)
		if errors.Is(err, ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		c = next
	}
	return true, nil
}

// Change is what Rename changes of an office; nil and "" leave as it is.
type Change struct {
	Name string
	Kind string
	Code string   // the office goes on under another code
	Old  []string // further codes by which it was known
}

// Rename gives an office another name, kind or code. Under another code it has a
// new card, for which a box must be enrolled; until then it is reached under the
// old one. Problems csv.name and csv.code for what cannot be given, office.taken
// for a code that is another office's.
func (e Editor) Rename(tx *sqlite.Tx, code string, to Change) (Card, error) {
	c, err := e.own(tx, code)
	if err != nil {
		return c, err
	}
	if to.Name != "" {
		if err := CheckName(to.Name); err != nil {
			return c, problem.New(problem.Usage, "office.name", "name", i18n.Args{"max": MaxName}).Because(err)
		}
		c.Name = to.Name
	}
	if to.Kind != "" {
		if err := CheckKind(to.Kind); err != nil {
			return c, problem.New(problem.Usage, "office.kind", "kind", i18n.Args{"max": MaxKind}).Because(err)
		}
		c.Kind = to.Kind
	}
	for _, code := range append(slices.Clone(to.Old), to.Code) {
		if code == "" {
			continue
		}
		if err := CheckCode(code); err != nil {
			return c, problem.New(problem.Usage, "office.code", "code", i18n.Args{"value": code, "max": MaxCode}).Because(err)
		}
		if other, _, err := e.Registry.Resolve(code); err == nil && Key(other.Code) != Key(c.Code) || Key(code) == Key(c.Code) {
			return c, problem.New(problem.Conflict, "office.taken", "code", i18n.Args{"code": code, "owner": other.Code})
		}
	}
	c.Old = append(slices.Clone(c.Old), to.Old...)
	if len(c.Old) > MaxOld {
		return c, problem.New(problem.Usage, "office.old", "old", i18n.Args{"max": MaxOld})
	}
	if to.Code == "" {
		return e.issue(tx, c)
	}
	next := Card{Code: to.Code, Name: c.Name, Parent: c.Parent, Kind: c.Kind, Succession: Succession{Old: c.Old, May: c.May}}
	if next, err = e.issue(tx, next); err != nil {
		return c, err
	}
	c.Old = []string{} // they are the new code's
	return next, e.end(tx, c, next)
}

// Merge ends offices that into takes over, with all that lies below them. Their
// codes stay known: whoever writes to one writes to into.
func (e Editor) Merge(tx *sqlite.Tx, into string, codes []string) (Card, error) {
	next, err := e.own(tx, into)
	if err != nil {
		return next, err
	}
	for _, code := range codes {
		c, err := e.own(tx, code)
		if err != nil {
			return next, err
		}
		if under, err := e.under(tx, next, c.Code); err != nil || under {
			return next, errors.Join(err, problem.New(problem.Conflict, "office.circle", "into", i18n.Args{"code": c.Code, "parent": next.Code}))
		}
		if err := e.end(tx, c, next); err != nil {
			return next, err
		}
	}
	return next, nil
}

// end has next take the place of c.
func (e Editor) end(tx *sqlite.Tx, c, next Card) error {
	c.Into = next.Code
	if _, err := e.issue(tx, c); err != nil {
		return err
	}
	below, err := e.Registry.childrenTx(tx, c.Code)
	if err != nil {
		return err
	}
	for _, child := range below {
		if child.Parent = next.Code; Key(child.Code) == Key(next.Code) || child.Hub != "" {
			continue // another hub hangs its offices itself
		}
		if _, err := e.issue(tx, child); err != nil {
			return err
		}
	}
	return nil
}

// Allow sets the rules of whom an office may write to. Rules as in
// Succession.May; none leaves it to the office's kind. Problem office.rule.
func (e Editor) Allow(tx *sqlite.Tx, code string, rules []string) (Card, error) {
	c, err := e.own(tx, code)
	if err != nil {
		return c, err
	}
	c.May = []string{}
	for _, rule := range rules {
		if rule != Everybody {
			to, err := e.found(tx, strings.TrimSuffix(rule, below))
			if err != nil {
				return c, err
			}
			if rule = to.Code + rule[len(strings.TrimSuffix(rule, below)):]; slices.Contains(c.May, rule) {
				continue
			}
		}
		c.May = append(c.May, rule)
	}
	if len(c.May) > MaxMay {
		return c, problem.New(problem.Usage, "office.rules", "to", i18n.Args{"max": MaxMay})
	}
	return e.issue(tx, c)
}
