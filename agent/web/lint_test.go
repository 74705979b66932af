package web

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/tooltest"
)

// TestScriptsAndStylesSuitOldBrowsers holds scripts and style sheets to what the
// oldest browsers of the offices know, by public linters and the public tables
// of features, for the browsers that webtest/npm/package.json names.
func TestScriptsAndStylesSuitOldBrowsers(t *testing.T) {
	modules := tooltest.NPM(t, "webtest/npm", "linting for old browsers")
	node := tooltest.Find(t, "node", "linting for old browsers")
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"webtest/npm/package.json", "webtest/npm/eslint.config.mjs", "webtest/npm/stylelint.config.mjs"} {
		copyFile(t, from, filepath.Join(dir, filepath.Base(from)))
	}
	lint := func(what string, args ...string) (string, error) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), node, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "Cannot find module") {
			t.Fatalf("%s did not run: %s", what, out)
		}
		return string(out), err
	}
	script := []string{"node_modules/eslint/bin/eslint.js", "--max-warnings", "0"}
	style := []string{"node_modules/stylelint/bin/stylelint.mjs"}

	// What is denied must be found, or the linters say nothing.
	write(t, filepath.Join(dir, "bad.js"), "'use strict'\ndocument.title = [Promise.withResolvers(), new URLPattern({})]\n")
	write(t, filepath.Join(dir, "bad.css"), "p:has(b) { color: color-mix(in srgb, red, blue); }\n")
	if out, err := lint("eslint", append(script, "bad.js")...); err == nil || !strings.Contains(out, "withResolvers") || !strings.Contains(out, "URLPattern") {
		t.Errorf("eslint lets new features pass: %v %s", err, out)
	}
	if out, err := lint("stylelint", append(style, "bad.css")...); err == nil || !strings.Contains(out, ":has") && !strings.Contains(out, "css-has") {
		t.Errorf("stylelint lets :has() pass: %v %s", err, out)
	}

	for _, from := range []string{"assets/*", "page/assets/*"} {
		files, err := filepath.Glob(from)
		if err != nil || len(files) == 0 {
			t.Fatalf("assets: %v, %v", files, err)
		}
		for _, f := range files {
			copyFile(t, f, filepath.Join(dir, "assets", filepath.Base(f)))
		}
	}
	if out, err := lint("eslint", append(script, "assets")...); err != nil {
		t.Errorf("eslint: %v\n%s", err, out)
	}
	if out, err := lint("stylelint", append(style, "assets/*.css")...); err != nil {
		t.Errorf("stylelint: %v\n%s", err, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(data))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
