package sso

import (
	"encoding/json"
	"testing"

	"tram/agent/web/account"
)

// TestClaimsGiveRoles is the table of what claims of providers give which role.
func TestClaimsGiveRoles(t *testing.T) {
	rules := func(lines ...string) (all []rule) {
		for _, l := range lines {
			r, ok := parseRule(l)
			if !ok {
				t.Fatalf("rule %q", l)
			}
			all = append(all, r)
		}
		return all
	}
	usual := []string{"tram-truc = operator", "tram-an-toan = security", "tram-cum-* = officer *", "ky-son = officer Cụm Kỳ Sơn"}
	for _, c := range []struct {
		name, claims, claim string
		rules               []string
		role                account.Role
		scope               string
	}{
		{"a list", `{"groups":["a","tram-truc"]}`, "groups", usual, account.Operator, ""},
		{"one text", `{"groups":"tram-an-toan"}`, "groups", usual, account.Security, ""},
		{"the first rule that fits, not the first group", `{"groups":["tram-cum-H40.1","tram-an-toan","tram-truc"]}`, "groups", usual, account.Operator, ""},
		{"an officer of the cluster in the group's name", `{"groups":["tram-cum-H40.1"]}`, "groups", usual, account.Officer, "H40.1"},
		{"an officer of a named cluster", `{"groups":["ky-son"]}`, "groups", usual, account.Officer, "Cụm Kỳ Sơn"},
		{"many groups, one cluster", `{"groups":["xa-1","xa-2"]}`, "groups", []string{"xa-* = officer H40.1"}, account.Officer, "H40.1"},
		{"nothing behind the star", `{"groups":["tram-cum-"]}`, "groups", usual, "", ""},
		{"longer than the rule", `{"groups":["tram-truc-cu"]}`, "groups", usual, "", ""},
		{"other letters", `{"groups":["TRAM-TRUC"]}`, "groups", usual, "", ""},
		{"no groups", `{"groups":[]}`, "groups", usual, "", ""},
		{"no claim", `{}`, "groups", usual, "", ""},
		{"numbers", `{"groups":[1,null,{"a":1}]}`, "groups", usual, "", ""},
		{"a number", `{"groups":7}`, "groups", usual, "", ""},
		{"inside, as Keycloak has it", `{"realm_access":{"roles":["tram-truc"]}}`, "realm_access.roles", usual, account.Operator, ""},
		{"inside a client with dots", `{"resource_access":{"tram.hub":{"roles":["tram-truc"]}}}`, "resource_access.tram.hub.roles", usual, account.Operator, ""},
		{"a name with dots, as Zitadel has it", `{"urn:zitadel:iam.roles":{"tram-truc":{"1":"x"}}}`, "urn:zitadel:iam.roles", usual, account.Operator, ""},
		{"a path as group", `{"groups":["/tram/truc"]}`, "groups", []string{"/tram/truc = operator"}, account.Operator, ""},
		{"an equals sign in the group", `{"groups":["cn=tram"]}`, "groups", []string{"cn=tram = security"}, account.Security, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims := map[string]any{}
			if err := json.Unmarshal([]byte(c.claims), &claims); err != nil {
				t.Fatal(err)
			}
			if role, scope := roleOf(rules(c.rules...), texts(claim(claims, c.claim))); role != c.role || scope != c.scope {
				t.Errorf("gave %q of %q, want %q of %q", role, scope, c.role, c.scope)
			}
		})
	}
}

// FuzzClaims reads whatever a provider says; a role comes from a rule alone.
func FuzzClaims(f *testing.F) {
	f.Add(`{"a":{"b":["tram-truc"]}}`, "a.b")
	f.Add(`{"a.b":"tram-cum-x"}`, "a.b")
	f.Add(`{"a":{"b.c":{"tram-an-toan":1}}}`, "a.b.c")
	f.Add(`{"":{"":[]}}`, ".")
	rules := []rule{{group: "tram-truc", role: account.Operator}, {group: "tram-cum-", star: true, role: account.Officer, scope: "*"}}
	f.Fuzz(func(t *testing.T, text, name string) {
		claims := map[string]any{}
		if json.Unmarshal([]byte(text), &claims) != nil {
			return
		}
		groups := texts(claim(claims, name))
		role, scope := roleOf(rules, groups)
		if (role == account.Officer) != (scope != "") || role != "" && len(groups) == 0 {
			t.Errorf("%q gave %q of %q", groups, role, scope)
		}
	})
}
