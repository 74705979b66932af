package leaflet

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/tooltest"
)

var release = Release{Version: "1.4.2-rc.10", Pages: "http://127.0.0.1:8701", Made: time.Unix(1_790_000_000, 0).UTC()}

// TestTheLeafletIsOnePageInBothLanguages, the same each time, with what is to be typed
// in one piece.
func TestTheLeafletIsOnePageInBothLanguages(t *testing.T) {
	pdftotext := tooltest.Find(t, "pdftotext", "reading the leaflet back")
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		pdf, err := PDF(lang, release)
		again, err2 := PDF(lang, release)
		if err != nil || err2 != nil || !bytes.Equal(pdf, again) {
			t.Fatalf("%s: %v, %v", lang, err, err2)
		}
		file := filepath.Join(t.TempDir(), "leaflet.pdf")
		if dir := os.Getenv("TRAM_SHOTS"); dir != "" {
			file = filepath.Join(dir, "leaflet-"+string(lang)+".pdf")
		}
		if err := os.WriteFile(file, pdf, 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := exec.CommandContext(t.Context(), pdftotext, "-layout", file, "-").Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"sudo sh /media/usb/tram/install.sh", "sudo tram enroll /media/usb/tram/invites", `E:\tram\install.cmd`,
			`"C:\Program Files\tram\tram.exe" enroll E:\tram\invites`, release.Version, release.Pages,
			i18n.T(lang, "leaflet.question"), i18n.T(lang, "leaflet.fault.windows7"),
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: the leaflet lacks %q:\n%s", lang, want, text)
			}
		}
		if strings.Contains(string(text), "□") {
			t.Errorf("%s: a character is missing in the fonts", lang)
		}
	}
}

// TestTheAnswerOnTheLeafletIsTheOneThatIsTaken: its letters are those of the question.
func TestTheAnswerOnTheLeafletIsTheOneThatIsTaken(t *testing.T) {
	for lang, letters := range map[i18n.Lang][]string{i18n.Vietnamese: {" c ", " k,"}, i18n.English: {" y ", " n,"}} {
		said, asked := i18n.T(lang, "leaflet.question.text"), strings.ToLower(i18n.T(lang, "cli.yes-no"))
		for _, letter := range letters {
			if !strings.Contains(said, letter) || !strings.Contains(asked, strings.Trim(letter, " ,")) {
				t.Errorf("%s: %q, %q in %q", lang, letter, asked, said)
			}
		}
	}
}
