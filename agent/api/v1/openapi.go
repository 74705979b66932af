package v1

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

//go:embed openapi.json
var openapiJSON []byte

// spec is the OpenAPI document in its two forms. What is not the document itself is
// made when it is first asked for, which few offices ever are: it takes as much
// memory as a good part of the office.
type spec struct {
	raw   []byte
	raw30 func() []byte
	tree  func() map[string]any
}

func newSpec() *spec {
	return &spec{raw: openapiJSON, raw30: sync.OnceValue(older), tree: sync.OnceValue(parsed)}
}

func parsed() map[string]any {
	var tree map[string]any
	if err := json.Unmarshal(openapiJSON, &tree); err != nil {
		panic(fmt.Errorf("read OpenAPI document: %w", err)) // it is embedded
	}
	return tree
}

func older() []byte {
	raw, err := json.Marshal(downgrade(parsed()))
	if err != nil {
		panic(fmt.Errorf("write OpenAPI document: %w", err)) // it was read from JSON
	}
	return raw
}

// operation is that of a method and path below Base, nil for none.
func (s *spec) operation(method, path string) map[string]any {
	return object(object(object(s.tree(), "paths"), path), strings.ToLower(method))
}

func object(of map[string]any, key string) map[string]any {
	inner, _ := of[key].(map[string]any)
	return inner
}

func text(of map[string]any, key string) string {
	s, _ := of[key].(string)
	return s
}

func list(of map[string]any, key string) []any {
	l, _ := of[key].([]any)
	return l
}

// deref follows a reference within the document.
func (s *spec) deref(o map[string]any) map[string]any {
	name := text(o, "$ref")
	if name == "" {
		return o
	}
	at := s.tree()
	for part := range strings.SplitSeq(strings.TrimPrefix(name, "#/"), "/") {
		at = object(at, part)
	}
	return at
}

// downgrade rewrites a part of the document of OpenAPI 3.1 as 3.0.3: the words
// that JSON Schema has and 3.0 had not. Nothing else of 3.1 is used in it.
func downgrade(part any) any {
	switch v := part.(type) {
	case []any:
		for i := range v {
			v[i] = downgrade(v[i])
		}
	case map[string]any:
		for key := range maps.Clone(v) {
			v[key] = downgrade(v[key])
		}
		if _, top := v["openapi"]; top {
			v["openapi"] = "3.0.3"
			delete(object(v, "info"), "summary")
			delete(object(object(v, "info"), "license"), "identifier")
		}
		if examples, ok := v["examples"].([]any); ok && len(examples) > 0 {
			v["example"] = examples[0]
			delete(v, "examples")
		}
		if v["format"] == "binary" { // which 3.1 keeps for the generators that know no contentMediaType
			delete(v, "contentMediaType")
		}
	}
	return part
}

func (s *Server) openapi(c *call) error {
	c.w.Header().Set("Cache-Control", "public, max-age=300")
	c.write(200, "application/json", s.spec.raw)
	return nil
}

func (s *Server) openapi30(c *call) error {
	c.w.Header().Set("Cache-Control", "public, max-age=300")
	c.write(200, "application/json", s.spec.raw30())
	return nil
}

// sortedKeys are the keys of an object, needed ones first.
func sortedKeys(o map[string]any, first []any) []string {
	var keys []string
	for _, name := range first {
		if n, ok := name.(string); ok && o[n] != nil {
			keys = append(keys, n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(keys, name) {
			keys = append(keys, name)
		}
	}
	return keys
}
