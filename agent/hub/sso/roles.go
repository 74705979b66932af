package sso

import (
	"maps"
	"slices"
	"strings"

	"tram/agent/web/account"
)

// rule gives a role to who is in a group.
type rule struct {
	group string // without its star
	star  bool   // any group that begins so
	role  account.Role
	scope string // "*": what the star stands for
}

// ruleForm is what parseRule reads.
const ruleForm = "GROUP = operator | security | officer CLUSTER; GROUP* = officer *"

// parseRule reads "GROUP = ROLE" or "GROUP = officer CLUSTER". A group may end in a
// star, for officers: then their cluster may be what the star stands for.
func parseRule(text string) (r rule, ok bool) {
	at := strings.LastIndex(text, "=")
	if at < 0 {
		return r, false
	}
	group, is := strings.TrimSpace(text[:at]), strings.Fields(text[at+1:])
	if len(is) == 0 {
		return r, false
	}
	r.group, r.star = strings.CutSuffix(group, "*")
	r.role, r.scope = account.Role(is[0]), strings.Join(is[1:], " ")
	officer := r.role == account.Officer
	return r, r.group != "" && slices.Contains(account.HubRoles, r.role) && officer == (r.scope != "") &&
		(!r.star || officer) && (r.scope != "*" || r.star)
}

// roleOf is what the first rule gives that fits one of the groups; "" is none.
func roleOf(rules []rule, groups []string) (account.Role, string) {
	for _, r := range rules {
		for _, g := range groups {
			rest, fits := strings.CutPrefix(g, r.group)
			if !fits || (rest != "") != r.star {
				continue
			}
			if r.scope == "*" {
				return r.role, rest
			}
			return r.role, r.scope
		}
	}
	return "", ""
}

// claim is the value of a claim: one of that name, or one inside others, as in
// "realm_access.roles".
func claim(claims map[string]any, name string) any {
	if v, ok := claims[name]; ok {
		return v
	}
	for at := range name {
		if name[at] != '.' {
			continue
		}
		if inner, ok := claims[name[:at]].(map[string]any); ok {
			if v := claim(inner, name[at+1:]); v != nil {
				return v
			}
		}
	}
	return nil
}

// texts are the texts in a value: it is one, a list, or an object with them as
// names.
func texts(v any) (all []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, one := range v {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
	case map[string]any:
		return slices.Sorted(maps.Keys(v))
	}
	return all
}

func textOf(claims map[string]any, name string) string {
	text, _ := claim(claims, name).(string)
	return text
}
