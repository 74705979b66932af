// Package tooltest finds other people's programs for tests that hold our work
// against theirs. It is in no product.
package tooltest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Find gives the path of a program. Where CI is set it must be there; elsewhere
// the test is skipped, and says what did not run.
func Find(t testing.TB, name, what string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("%s is missing", name)
	default:
		t.Skipf("%s is not installed: %s did not run", name, what)
	}
	return path
}

// NPM gives the folder node_modules into which "make tools" put the packages
// that package-lock.json in folder pins. A missing one is as with [Find].
func NPM(t testing.TB, folder, what string) string {
	t.Helper()
	dir, ok := NPMIfThere(t, folder)
	if !ok {
		t.Skipf("the packages of %s are not installed (make tools): %s did not run", folder, what)
	}
	return dir
}

// NPMIfThere is [NPM] for a test that goes on without them.
func NPMIfThere(t testing.TB, folder string) (dir string, ok bool) {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(folder, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	dir = filepath.Join(cache, "tram", "npm@"+hex.EncodeToString(sum[:6]), "node_modules")
	_, err = os.Stat(filepath.Join(dir, ".package-lock.json"))
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: make tools could not fetch it from the npm registry", dir)
	}
	return dir, err == nil
}

// Cached gives the path of a program that "make tools" built into a cache folder.
func Cached(t testing.TB, folder, name, what string) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return Find(t, filepath.Join(cache, "tram", folder, name), what)
}
