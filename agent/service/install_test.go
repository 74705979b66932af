package service

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// machine is a host in a folder.
type machine struct {
	*host
	ran   []string
	given []string
	steps []string
	setup Setup

	room    int64
	present string // version of the program that is there
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{room: 41 << 30, setup: Setup{Name: "tram", Title: "Trạm", Description: "Trạm 100%", Data: filepath.Join(dir, "data")}}
	self := filepath.Join(dir, "usb", "tram-linux-amd64")
	for _, folder := range []string{"usb", "units", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(self, []byte("program 1"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.host = &host{
		platform: systemdPlatform,
		packaged: filepath.Join(dir, "packaged"),
		free:     func(string) (int64, error) { return m.room, nil },
		version:  func(context.Context, string) string { return m.present },
		programs: filepath.Join(dir, "opt"), units: filepath.Join(dir, "units"), bin: filepath.Join(dir, "bin"),
		self: func() (string, error) { return self, nil },
		run: func(_ context.Context, name string, args ...string) error {
			m.ran = append(m.ran, name+" "+strings.Join(args, " "))
			return nil
		},
		hasUser: func(string) bool {
			return slices.ContainsFunc(m.ran, func(c string) bool { return strings.HasPrefix(c, "useradd") })
		},
		giveTo: func(dir, user string) error {
			m.given = append(m.given, user)
			return nil
		},
	}
	m.setup.Report = func(s Step) {
		if !i18n.Has(s.Key) {
			t.Errorf("step %s has no message", s.Key)
		}
		m.steps = append(m.steps, strings.TrimPrefix(s.Key, "service.step."))
	}
	return m
}

func (m *machine) unit() string { return filepath.Join(m.units, "tram.service") }

func TestInstallOnSystemd(t *testing.T) {
	m := newMachine(t)
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(m.programs, "tram", "tram")
	if data, err := os.ReadFile(program); err != nil || string(data) != "program 1" {
		t.Errorf("program %q, %v", data, err)
	}
	if info, err := os.Stat(program); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if to, err := os.Readlink(filepath.Join(m.bin, "tram")); err != nil || to != program {
		t.Errorf("link to %q, %v", to, err)
	}
	if info, err := os.Stat(m.setup.Data); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("data folder %v, %v", info, err)
	}
	unit, err := os.ReadFile(m.unit())
	if err != nil || !strings.Contains(string(unit), "ExecStart="+program+" run --data "+m.setup.Data+"\n") {
		t.Errorf("unit %s, %v", unit, err)
	}
	if len(m.ran) != 3 || !strings.HasPrefix(m.ran[0], "useradd --system") ||
		m.ran[1] != "systemctl daemon-reload" || m.ran[2] != "systemctl enable tram.service" {
		t.Errorf("ran %q", m.ran)
	}
	if !slices.Equal(m.given, []string{"tram"}) {
		t.Errorf("data given to %q", m.given)
	}
	if !slices.Equal(m.steps, []string{"program", "user", "data", "unit"}) {
		t.Errorf("steps %q", m.steps)
	}
}

func TestInstallAgainUpgradesInPlace(t *testing.T) {
	m := newMachine(t)
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	document := filepath.Join(m.setup.Data, "tram.db")
	if err := os.WriteFile(document, []byte("documents"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.unit(), []byte("an older unit"), 0o644); err != nil {
		t.Fatal(err)
	}
	self, _ := m.self()
	if err := os.WriteFile(self, []byte("program 2"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.ran = m.ran[:1]
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(filepath.Join(m.programs, "tram", "tram")); string(data) != "program 2" {
		t.Errorf("program %q", data)
	}
	if unit, _ := os.ReadFile(m.unit()); !strings.Contains(string(unit), "WatchdogSec=60") {
		t.Errorf("unit %s", unit)
	}
	if data, _ := os.ReadFile(document); string(data) != "documents" {
		t.Errorf("documents %q", data)
	}
	m.ran = m.ran[:1]
	m.steps = nil
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.ran[1:], []string{"systemctl enable tram.service"}) || !slices.Contains(m.steps, "unit-same") {
		t.Errorf("a third time ran %q, steps %q", m.ran[1:], m.steps)
	}
}

func TestAPackagedProgramStaysWhereItIs(t *testing.T) {
	m := newMachine(t)
	self, _ := m.self()
	m.installed = []string{filepath.Dir(self)}
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	if unit, _ := os.ReadFile(m.unit()); !strings.Contains(string(unit), "ExecStart="+self+" run") {
		t.Errorf("unit %s", unit)
	}
}

func TestAPackagesUnitIsLeftToThePackage(t *testing.T) {
	m := newMachine(t)
	self, _ := m.self()
	m.installed = []string{filepath.Dir(self)}
	packaged := m.setup
	packaged.Executable = self
	if err := os.MkdirAll(m.packaged, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.packagedUnit("tram"), []byte(Unit(packaged)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.unit()); !errors.Is(err, os.ErrNotExist) || !slices.Contains(m.steps, "unit-same") {
		t.Errorf("a second unit: %v, steps %q", err, m.steps)
	}
	m.installed = nil // and a program from a stick does not go beside it
	if err := m.install(t.Context(), m.setup); problem.From(err).Code != "service.packaged" {
		t.Errorf("got %v", err)
	}
}

func TestANewerProgramIsNotReplaced(t *testing.T) {
	for _, c := range []struct{ present, own, want string }{
		{"1.4.2", "1.4.1", "old"}, {"1.4.2", "1.4.2", "program 1"}, {"1.4.2", "v1.5.0", "program 1"}, {"1.5.0", "1.5.0-rc.1", "old"},
		{"814158a-dirty", "1.0.0", "program 1"}, {"", "1.0.0", "program 1"}, {"9.0.0", "dev", "program 1"},
	} {
		m := newMachine(t)
		m.present, m.setup.Version = c.present, c.own
		target := filepath.Join(m.programs, "tram", "tram")
		if err := errors.Join(os.MkdirAll(filepath.Dir(target), 0o755), os.WriteFile(target, []byte("old"), 0o755)); err != nil {
			t.Fatal(err)
		}
		err := m.install(t.Context(), m.setup)
		if got, _ := os.ReadFile(target); string(got) != c.want || (err != nil) != (c.want == "old") {
			t.Errorf("%s over %s: %q, %v", c.own, c.present, got, err)
		}
	}
}

func TestWithoutRoomNothingIsInstalled(t *testing.T) {
	m := newMachine(t)
	m.room = RoomNeeded - 1
	err := m.install(t.Context(), m.setup)
	if p := problem.From(err); p.Code != "service.no-room" || p.Class != problem.Full || !strings.Contains(p.Message(i18n.English), "1 MB are missing") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(m.programs); !errors.Is(err, os.ErrNotExist) || len(m.ran) > 0 {
		t.Errorf("%v, ran %q", err, m.ran)
	}
}

func TestFoldersAreOpenedOneAfterAnother(t *testing.T) {
	m := newMachine(t)
	dropIn := filepath.Join(m.units, "tram.service.d", "folders.conf")
	for _, folders := range [][]string{{"/srv/trao-doi"}, {"/media/may quet/", "/srv/trao-doi"}, nil} {
		if err := m.open(t.Context(), m.setup, folders); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(dropIn)
	if want := "[Service]\nReadWritePaths=-/srv/trao-doi\nReadWritePaths=\"-/media/may quet\"\n"; err != nil || !strings.HasSuffix(string(text), want) {
		t.Errorf("%s, %v", text, err)
	}
	for folder, want := range map[string]string{
		"trao-doi": "service.folder", "/": "service.folder", "/srv/a\nUser=root": "service.folder", "": "service.folder",
		"/home/van-thu": "service.folder-hidden", "/srv/../root": "service.folder-hidden", "/tmp": "service.folder-hidden",
	} {
		if err := m.open(t.Context(), m.setup, []string{folder}); problem.From(err).Code != want {
			t.Errorf("%q: %v", folder, err)
		}
	}
	if after, _ := os.ReadFile(dropIn); string(after) != string(text) {
		t.Errorf("a refused folder changed %s", after)
	}
}

func TestAForeignCommandOfTheSameNameIsLeftAlone(t *testing.T) {
	m := newMachine(t)
	other := filepath.Join(m.bin, "tram")
	if err := os.WriteFile(other, []byte("foreign"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	if data, _ := os.ReadFile(other); string(data) != "foreign" || !slices.Contains(m.steps, "name-taken") {
		t.Errorf("%q, steps %q", data, m.steps)
	}
}

func TestUninstallKeepsTheDocuments(t *testing.T) {
	m := newMachine(t)
	if err := m.install(t.Context(), m.setup); err != nil {
		t.Fatal(err)
	}
	document := filepath.Join(m.setup.Data, "tram.db")
	if err := os.WriteFile(document, []byte("documents"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing left to do
		if err := m.uninstall(t.Context(), m.setup); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(m.unit()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unit: %v", err)
	}
	if _, err := os.Stat(document); err != nil {
		t.Error(err)
	}
}

func TestAFailedStepNamesItselfAndItsOutput(t *testing.T) {
	m := newMachine(t)
	m.run = func(ctx context.Context, name string, _ ...string) error {
		return runCommand(ctx, "sh", "-c", "echo refused "+name+"; exit 3")
	}
	err := m.install(t.Context(), m.setup)
	if err == nil || !strings.Contains(err.Error(), "make user") || !strings.Contains(err.Error(), "refused useradd") {
		t.Errorf("got %v", err)
	}
}

func TestRelativeDataFolderIsRefused(t *testing.T) {
	m := newMachine(t)
	m.setup.Data = "data"
	if err := m.install(t.Context(), m.setup); err == nil {
		t.Error("accepted")
	}
}
