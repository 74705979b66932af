package enroll

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tram/agent/enroll/invite"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
)

func TestFindInvite(t *testing.T) {
	dir := t.TempDir()
	touch := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	_, err := FindInvite(filepath.Join(dir, "none"))
	wantProblem(t, err, problem.Usage, "invite.missing")
	touch("._H40.01.moi")
	touch("readme.txt")
	_, err = FindInvite(dir)
	wantProblem(t, err, problem.BadInvite, "invite.none")
	only := touch("H40.01.MOI")
	if got, err := FindInvite(dir); err != nil || got != only {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := FindInvite(only); err != nil || got != only {
		t.Errorf("got %q, %v", got, err)
	}
	touch("H40.02.moi")
	_, err = FindInvite(dir)
	wantProblem(t, err, problem.BadInvite, "invite.several")
	if text := problem.From(err).Message(i18n.Vietnamese); !strings.Contains(text, "H40.01.MOI, H40.02.moi") {
		t.Errorf("the files are not named: %s", text)
	}
}

func TestReadInviteExplains(t *testing.T) {
	h := newHub(t, "H40")
	raw := mustRead(t, h.invite(t, ca.InviteOptions{}, "H40.01")[0])
	changed := bytes.Clone(raw)
	changed[len(changed)-5] ^= 1
	inside := bytes.Replace(raw, []byte("H40.01"), []byte("H40.99"), 1)
	tests := []struct {
		name string
		data []byte
		code string
	}{
		{"empty", nil, "invite.unreadable"},
		{"text", []byte("hello"), "invite.unreadable"},
		{"cut off", raw[:len(raw)/2], "invite.unreadable"},
		{"bytes behind", append(bytes.Clone(raw), 0), "invite.unreadable"},
		{"too large", make([]byte, invite.MaxInvite+1), "invite.unreadable"},
		{"signature changed", changed, "invite.signature"},
		{"code changed", inside, "invite.signature"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inv, err := ReadInvite(write(t, "x.moi", tt.data))
			wantProblem(t, err, problem.BadInvite, tt.code)
			if inv != nil {
				t.Error("an invite came along")
			}
			if p := problem.From(err); p.Field != "invite" || p.Next(i18n.Vietnamese) == "" || strings.ContainsAny(p.Message(i18n.English), "{}") {
				t.Errorf("not explained: field %q, %q, %q", p.Field, p.Message(i18n.English), p.Next(i18n.Vietnamese))
			}
		})
	}
	_, err := ReadInvite(filepath.Join(t.TempDir(), "x"))
	wantProblem(t, err, problem.Usage, "invite.missing")
	_, err = ReadInvite(t.TempDir())
	wantProblem(t, err, problem.BadInvite, "invite.unreadable")
}

func TestEveryProblemOfTrustHasWordsAndANextStep(t *testing.T) {
	code := regexp.MustCompile(`(?s)(?:problem\.New\([^,]+,|refusal\(|\.bad\([^,]+,)\s*"([a-z]+\.[a-z-]+)"`)
	refusal := regexp.MustCompile(`"([a-z]+\.[a-z-]+)":\s+problem\.`)
	found := map[string]bool{}
	for _, folder := range []string{".", "../identity", "../hub/ca", "../hub/registry"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files: %v", folder, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text := mustRead(t, file)
			for _, m := range append(code.FindAllSubmatch(text, -1), refusal.FindAllSubmatch(text, -1)...) {
				found[string(m[1])] = true
			}
		}
	}
	if len(found) < 40 {
		t.Fatalf("only %d codes found: the search is broken", len(found))
	}
	for c := range found {
		if !i18n.Has("problem."+c) || !i18n.Has("problem."+c+".next") {
			t.Errorf("%s has no message or no next step", c)
		}
	}
}
