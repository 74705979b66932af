package house

import (
	"go/ast"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"tram/agent/i18n"
)

// literal returns the text of a string literal among the arguments of a call.
func literal(call *ast.CallExpr, index int) (string, bool) {
	if index >= len(call.Args) {
		return "", false
	}
	lit, ok := call.Args[index].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

func TestEveryProblemHasItsWords(t *testing.T) {
	found := 0
	for _, f := range code(t) {
		calls(f, func(call *ast.CallExpr) {
			if called(call) != "problem.New" {
				return
			}
			found++
			if key, ok := literal(call, 1); ok && !i18n.Has("problem."+key) {
				t.Errorf("%s: the catalogue lacks problem.%s: a person would see the bare code", f.at(call), key)
			}
		})
	}
	if found == 0 {
		t.Error("no problem was found: the rule holds for nothing")
	}
}

// commandKey is a text of the commands.
var commandKey = regexp.MustCompile(`^cli(\.[a-z0-9-]+)+$`)

func TestEveryTextOfACommandIsInTheCatalogue(t *testing.T) {
	for _, f := range code(t) {
		if !within(f.dir, "cmd") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok || lit.Kind != token.STRING {
				return true
			}
			key, err := strconv.Unquote(lit.Value)
			if err == nil && commandKey.MatchString(key) && !i18n.Has(key) && !i18n.Has("problem."+key) {
				t.Errorf("%s: the catalogue lacks %s: a person would see the bare key", f.at(lit), key)
			}
			return true
		})
	}
}

func TestEveryTextAskedForIsInTheCatalogue(t *testing.T) {
	for _, f := range code(t) {
		calls(f, func(call *ast.CallExpr) {
			if called(call) != "i18n.T" {
				return
			}
			if key, ok := literal(call, 1); ok && !i18n.Has(key) {
				t.Errorf("%s: the catalogue lacks %s", f.at(call), key)
			}
		})
	}
}

// TestCommandsAreDescribedAlike: the lines of a help stand below each other.
func TestCommandsAreDescribedAlike(t *testing.T) {
	found := 0
	for _, key := range i18n.Keys() {
		if !strings.HasSuffix(key, ".short") {
			continue
		}
		found++
		for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
			text := i18n.T(lang, key)
			if first, _ := utf8.DecodeRuneInString(text); !unicode.IsUpper(first) {
				t.Errorf("%s: %q does not begin with a capital", key, text)
			}
		}
	}
	if found == 0 {
		t.Error("no command was found: the rule holds for nothing")
	}
}
