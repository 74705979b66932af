package service

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// maxDropIn bounds the drop-in that is read back, in bytes.
const maxDropIn = 64 << 10

// foldersDropIn is the file beside the unit that opens folders for writing.
const foldersDropIn = "folders.conf"

const writePaths = "ReadWritePaths="

// hidden are the folders that the unit shuts out whatever a drop-in says
// (ProtectHome, PrivateTmp).
var hidden = []string{"/home", "/root", "/run/user", "/tmp", "/var/tmp"}

// Open lets the service write into folders besides its data: those of a hot
// folder, a scanner or sticks. They add up over calls, and may be away at times.
// It is for systemd, whose unit shuts everything else; elsewhere it does nothing.
// The service must be restarted.
func Open(ctx context.Context, s Setup, folders []string) error {
	if err := needRights(s); err != nil {
		return err
	}
	return newHost().open(ctx, s, folders)
}

func (h *host) open(ctx context.Context, s Setup, folders []string) error {
	if h.platform != systemdPlatform || len(folders) == 0 {
		return nil
	}
	dir := filepath.Join(h.units, s.Name+".service.d")
	path := filepath.Join(dir, foldersDropIn)
	words, err := openedIn(path)
	if err != nil {
		return failed("read folders", err)
	}
	for _, folder := range folders {
		if err := checkFolder(folder); err != nil {
			return err
		}
		if word := unitWord("-" + filepath.Clean(folder)); !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	text := "# Written by \"" + s.Name + " install --open\"; delete a line, or the file, to shut a folder again.\n[Service]\n"
	for _, word := range words {
		text += writePaths + word + "\n"
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := fsx.WriteFile(path, []byte(text), 0o644); err != nil {
		return failed("write folders", err)
	}
	for _, folder := range folders {
		s.say("service.step.folder", i18n.Args{"path": folder, "user": s.user()})
	}
	return h.run(ctx, "systemctl", "daemon-reload")
}

// openedIn gives the folders of a drop-in, as they are written there.
func openedIn(path string) ([]string, error) {
	info, err := os.Stat(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err == nil && info.Size() > maxDropIn {
		return nil, problem.New(problem.Usage, "service.drop-in", "", i18n.Args{"path": path})
	}
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(path)
	var words []string
	for line := range strings.Lines(string(raw)) {
		if word, ok := strings.CutPrefix(strings.TrimSpace(line), writePaths); ok && word != "" {
			words = append(words, word)
		}
	}
	return words, err
}

func checkFolder(folder string) error {
	clean := filepath.Clean(folder)
	bad := func(code string) error {
		return problem.New(problem.Usage, code, "open", i18n.Args{"path": folder})
	}
	if !filepath.IsAbs(clean) || clean == "/" || strings.ContainsFunc(clean, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return bad("service.folder")
	}
	for _, shut := range hidden {
		if clean == shut || strings.HasPrefix(clean, shut+"/") {
			return bad("service.folder-hidden")
		}
	}
	return nil
}
