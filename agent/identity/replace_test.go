package identity_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tram/agent/identity"
)

// TestReplaceKeepsFormerKeysAndSurvivesACut puts new keys in the place of old
// ones, and then cuts another replacement between its two renames.
func TestReplaceKeepsFormerKeysAndSurvivesACut(t *testing.T) {
	dir := t.TempDir()
	first, second, third := office(t, "H40.01"), office(t, "H40.01"), office(t, "H40.01")
	if err := identity.Replace(dir, first); err == nil {
		t.Error("nothing was replaced")
	}
	if err := identity.Save(dir, first); err != nil {
		t.Fatal(err)
	}
	seals := filepath.Join(dir, identity.Folder, "seals")
	if err := errors.Join(os.Mkdir(seals, 0o700), os.WriteFile(filepath.Join(seals, "seals.json"), []byte("{}"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := identity.Replace(dir, second); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(seals, "seals.json")); err != nil || string(got) != "{}" {
		t.Errorf("the seals of the office are gone: %q, %v", got, err)
	}
	now, err := identity.Load(dir)
	if err != nil || now.Age.String() != second.Age.String() || len(now.FormerAge) != 1 || now.FormerAge[0].String() != first.Age.String() {
		t.Fatalf("%+v, %v", now, err)
	}
	if _, err := os.Stat(filepath.Join(dir, identity.FormerFolders+"1", identity.DeviceKeyFile)); err != nil {
		t.Error(err)
	}
	if err := identity.Replace(dir, third); err != nil {
		t.Fatal(err)
	}
	// As if the power had gone before the second rename.
	if err := os.Rename(filepath.Join(dir, identity.Folder), filepath.Join(dir, identity.Folder+".new")); err != nil {
		t.Fatal(err)
	}
	if identity.Exists(dir) {
		t.Error("what is not in its place counts")
	}
	for range 2 {
		if err := identity.Settle(dir); err != nil {
			t.Fatal(err)
		}
	}
	now, err = identity.Load(dir)
	if err != nil || now.Age.String() != third.Age.String() || len(now.FormerAge) != 2 || now.FormerAge[1].String() != first.Age.String() {
		t.Fatalf("%+v, %v", now, err)
	}
	if err := identity.Settle(t.TempDir()); err != nil {
		t.Error(err)
	}
}
