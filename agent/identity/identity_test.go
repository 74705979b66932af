package identity_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"tram/agent/hub/ca"
	"tram/agent/identity"
	"tram/agent/identity/identitytest"
	"tram/agent/problem"
)

// office makes a hub and takes one office in.
func office(t *testing.T, code string) *identity.Identity {
	t.Helper()
	id, _ := officeOf(t, code)
	return id
}

// officeOf returns the hub, too.
func officeOf(t *testing.T, code string) (*identity.Identity, *ca.CA) {
	t.Helper()
	return identitytest.Office(t, code)
}

func newKey(t *testing.T) *ecdsa.PrivateKey { t.Helper(); return identitytest.Key(t) }

func wantProblem(t *testing.T, err error, class problem.Class, code string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != code || p.Class != class {
		t.Errorf("got %v, want problem %s of class %d", err, code, class)
	}
}

func TestIdentityComesBackAsItWas(t *testing.T) {
	want := office(t, "H40.01")
	dir := t.TempDir()
	_, err := identity.Load(dir)
	wantProblem(t, err, problem.NotEnrolled, "identity.none")
	for range 2 { // new, and over itself
		if err := identity.Save(dir, want, identity.Extra{Name: "note", Data: []byte("x")}); err != nil {
			t.Fatal(err)
		}
		got, err := identity.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got.Code != want.Code || got.Name != want.Name || got.Hub != "H40" || !got.DeviceCert.Equal(want.DeviceCert) || !got.SealCert.Equal(want.SealCert) ||
			got.Age.String() != want.Age.String() || string(got.Card) != string(want.Card) || !got.Trust.CA.Equal(want.Trust.CA) ||
			!slices.Equal(got.Trust.MQTT, want.Trust.MQTT) || got.Trust.HubName != "UBND tỉnh" {
			t.Errorf("got %+v", got)
		}
	}
	if data, err := os.ReadFile(filepath.Join(dir, identity.Folder, "note")); err != nil || string(data) != "x" {
		t.Errorf("extra file %q, %v", data, err)
	}
	if _, err := os.Stat(filepath.Join(dir, identity.Folder+".new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the staged folder was left behind: %v", err)
	}
}

func TestSaveSurvivesACutWhileStaging(t *testing.T) {
	id := office(t, "H40.01")
	dir := t.TempDir()
	stage := filepath.Join(dir, identity.Folder+".new")
	if err := os.MkdirAll(filepath.Join(stage, "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	_, err := identity.Load(dir)
	wantProblem(t, err, problem.NotEnrolled, "identity.none")
	if err := identity.Save(dir, id); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.Load(dir); err != nil {
		t.Fatal(err)
	}
}

func TestP7_IdentitiesThatDoNotFitAreRefused(t *testing.T) {
	a, b := office(t, "H40.01"), office(t, "H40.02") // of two hubs with the same code
	tests := map[string]func(*identity.Identity){
		"other code":              func(id *identity.Identity) { id.Code = "H40.02" },
		"other device key":        func(id *identity.Identity) { id.Device = b.Device },
		"other seal key":          func(id *identity.Identity) { id.Seal = b.Seal },
		"other device pair":       func(id *identity.Identity) { id.Device, id.DeviceCert = b.Device, b.DeviceCert },
		"other CA":                func(id *identity.Identity) { id.Trust.CA = b.Trust.CA },
		"other authority":         func(id *identity.Identity) { id.Trust.Authority = b.Trust.Authority },
		"own seal as authority":   func(id *identity.Identity) { id.Trust.Authority = a.SealCert },
		"own device as authority": func(id *identity.Identity) { id.Trust.Authority = a.DeviceCert },
		"seal as device":          func(id *identity.Identity) { id.Device, id.DeviceCert = a.Seal, a.SealCert },
		"no age key":              func(id *identity.Identity) { id.Age = nil },
		"no seal":                 func(id *identity.Identity) { id.Seal, id.SealCert = nil, nil },
		"authority is missing":    func(id *identity.Identity) { id.Trust.Authority = nil },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			id := *a
			change(&id)
			if err := identity.Save(t.TempDir(), &id); err == nil {
				t.Error("saved")
			}
		})
	}
}

func TestLoadExplains(t *testing.T) {
	id := office(t, "H40.01")
	tests := []struct {
		name, file string
		data       []byte
		mode       os.FileMode
		class      problem.Class
		code       string
	}{
		{"trust is no JSON", identity.TrustFile, []byte("x"), 0o600, problem.Failed, "identity.damaged"},
		{"trust of a newer version", identity.TrustFile, []byte(`{"version":2}`), 0o600, problem.Failed, "identity.damaged"},
		{"empty key", identity.DeviceKeyFile, nil, 0o600, problem.Failed, "identity.damaged"},
		{"age key damaged", identity.AgeFile, []byte("AGE-SECRET-KEY-1X"), 0o600, problem.Failed, "identity.damaged"},
		{"age key open", identity.AgeFile, []byte(id.Age.String()), 0o644, problem.Denied, "key.permissions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.code == "key.permissions" && runtime.GOOS == "windows" {
				return // access lists, not modes
			}
			dir := t.TempDir()
			if err := identity.Save(dir, id); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, identity.Folder, tt.file)
			if err := os.WriteFile(path, tt.data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := identity.Load(dir)
			wantProblem(t, err, tt.class, tt.code)
		})
	}
}

func TestTLSPolicy(t *testing.T) {
	id := office(t, "H40.01")
	cfg := id.TLSFor("[2001:db8::1]:8883")
	if cfg.ServerName != "2001:db8::1" || cfg.InsecureSkipVerify || cfg.MinVersion != tls.VersionTLS12 {
		t.Errorf("%+v", cfg)
	}
	if len(cfg.Certificates) != 1 || len(cfg.Certificates[0].Certificate) != 1 {
		t.Error("more than the leaf is sent")
	}
	if slices.Contains(cfg.CurvePreferences, tls.X25519MLKEM768) || !slices.Contains(cfg.CurvePreferences, tls.X25519) {
		t.Errorf("curves %v", cfg.CurvePreferences)
	}
	for clock, want := range map[time.Time]time.Time{
		time.Unix(0, 0): id.DeviceCert.NotBefore, time.Now().AddDate(90, 0, 0): id.DeviceCert.NotAfter,
	} {
		if got := id.Now(clock); !got.Equal(want) {
			t.Errorf("Now(%s) = %s", clock, got)
		}
	}
	if now := time.Now(); !id.Now(now).Equal(now) {
		t.Error("a good clock is changed")
	}
	for endpoint, want := range map[string]string{"a.vn:1": "a.vn", "10.0.0.1:1": "10.0.0.1", "[::1]:1": "::1", "a.vn": "a.vn", "::1": "::1"} {
		if got := identity.Host(endpoint); got != want {
			t.Errorf("Host(%q) = %q", endpoint, got)
		}
	}
}

func TestDeviceCode(t *testing.T) {
	id := office(t, "H40.01")
	if code, err := identity.DeviceCode(id.DeviceCert); err != nil || code != "H40.01" {
		t.Errorf("%q, %v", code, err)
	}
	for name, cert := range map[string]*x509.Certificate{"seal": id.SealCert, "CA": id.Trust.CA, "authority": id.Trust.Authority} {
		if code, err := identity.DeviceCode(cert); err == nil {
			t.Errorf("%s certificate passes as device of %q", name, code)
		}
	}
}
