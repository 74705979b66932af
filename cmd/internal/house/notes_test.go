package house

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// notes is the folder of what is known of machines.
const notes = "firmware-notes"

var (
	noteName = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})-[a-z0-9]+(-[a-z0-9]+)*\.md$`)
	// noteStatus says how something is known.
	noteStatus = regexp.MustCompile(`(?i)\*[^*]*(measured|read|not verified|by design)[^*]*\*`)
)

// TestNotesSayHowTheyKnow holds each note to its promise: it is dated, the map names
// it, and each of its sections says whether it was measured, read or neither.
func TestNotesSayHowTheyKnow(t *testing.T) {
	dir := filepath.Join(root(), notes)
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Name() == "README.md" {
			continue
		}
		m := noteName.FindStringSubmatch(e.Name())
		if m == nil {
			t.Errorf("%s/%s is not named YYYY-MM-DD-subject.md", notes, e.Name())
			continue
		}
		if _, err := time.Parse(time.DateOnly, m[1]); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
		if !strings.Contains(string(readme), "("+e.Name()+")") {
			t.Errorf("the map of %s does not lead to %s", notes, e.Name())
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		title, sections, _ := strings.Cut(string(data), "\n## ")
		if !strings.HasPrefix(title, "# ") || sections == "" {
			t.Errorf("%s has no title, or no sections", e.Name())
		}
		for section := range strings.SplitSeq(sections, "\n## ") {
			if heading, _, _ := strings.Cut(section, "\n"); !noteStatus.MatchString(section) {
				t.Errorf("%s, section %q does not say whether it was measured, read or not verified", e.Name(), heading)
			}
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)/:#]+\.md)\)`).FindAllStringSubmatch(string(readme), -1) {
		if _, err := os.Stat(filepath.Join(dir, m[1])); err != nil {
			t.Errorf("the map of %s leads to %s, which is not there", notes, m[1])
		}
	}
}
