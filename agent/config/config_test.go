package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// writeFile puts text into the office's settings file of a new folder.
func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func faults(t *testing.T, err error) problem.List {
	t.Helper()
	var list problem.List
	if !errors.As(err, &list) {
		t.Fatalf("error is %v, want a problem.List", err)
	}
	return list
}

func value(t *testing.T, values []Value, key string) Value {
	t.Helper()
	i := slices.IndexFunc(values, func(v Value) bool { return v.Key == key })
	if i < 0 {
		t.Fatalf("no value %s", key)
	}
	return values[i]
}

func TestDefaultsAreValid(t *testing.T) {
	if err := DefaultOffice().Validate(); err != nil {
		t.Error(err)
	}
	if err := DefaultHub().Validate(); err != nil {
		t.Error(err)
	}
}

func TestMissingFileMeansDefaults(t *testing.T) {
	o, err := LoadOffice(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.UI.Address != DefaultOffice().UI.Address || o.Documents.Lifetime != DefaultOffice().Documents.Lifetime {
		t.Errorf("got %+v", o)
	}
	if v := value(t, o.Values(), "limits.file"); v.Value != "200MB" || v.Origin.Source != FromDefault {
		t.Errorf("limits.file is %+v", v)
	}
}

func TestFlagBeatsEnvironmentBeatsFileBeatsDefault(t *testing.T) {
	dir := writeFile(t, OfficeFile, `
language = "en"
[ui]
address = "127.0.0.1:1001"
documents = "127.0.0.1:1002"
[log]
level = "warn"
`)
	t.Setenv("TRAM_UI_ADDRESS", "127.0.0.1:2001")
	t.Setenv("TRAM_LOG_LEVEL", "error")
	t.Setenv("TRAM_LANGUAGE", "") // an empty variable counts as not set
	t.Setenv("TRAM_MQTT_SERVERS", "a.example:8883, b.example:8883")
	o, err := LoadOffice(dir, Flags{"ui.address": {Name: "ui", Value: "127.0.0.1:3001"}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, OfficeFile)
	for _, want := range []Value{
		{"ui.address", "127.0.0.1:3001", Origin{FromFlag, "--ui"}},
		{"log.level", "error", Origin{FromEnv, "TRAM_LOG_LEVEL"}},
		{"ui.documents", "127.0.0.1:1002", Origin{FromFile, file}},
		{"language", "en", Origin{FromFile, file}},
		{"log.format", "text", Origin{FromDefault, ""}},
		{"mqtt.servers", "a.example:8883,b.example:8883", Origin{FromEnv, "TRAM_MQTT_SERVERS"}},
	} {
		if got := value(t, o.Values(), want.Key); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if !slices.Equal(o.MQTT.Servers, []string{"a.example:8883", "b.example:8883"}) {
		t.Errorf("servers %q", o.MQTT.Servers)
	}
}

func TestUnknownKeyNamesTheNearestKnownOne(t *testing.T) {
	dir := writeFile(t, OfficeFile, "[ui]\nadress = \"127.0.0.1:1\"\n[limits]\nfiles = 3\n")
	_, err := LoadOffice(dir, nil)
	list := faults(t, err)
	if len(list) != 1 {
		t.Fatalf("faults %v", list)
	}
	text := list[0].Message(i18n.English)
	for _, want := range []string{"ui.adress", "ui.address", filepath.Join(dir, OfficeFile)} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not name %q", text, want)
		}
	}
}

func TestUnknownVariableNamesTheNearestKnownOne(t *testing.T) {
	t.Setenv("TRAM_UI_ADRESS", "127.0.0.1:1")
	t.Setenv("TRAM_DATA", "/d")                        // not a setting, and known
	t.Setenv("TRAM_HUB_MQTT_ADDRESS", "127.0.0.1:883") // the hub's
	_, err := LoadOffice(t.TempDir(), nil)
	list := faults(t, err)
	if len(list) != 1 || !strings.Contains(list[0].Message(i18n.English), "TRAM_UI_ADDRESS") {
		t.Errorf("faults %v", list)
	}
	if _, err := LoadHub(t.TempDir(), nil); err != nil {
		t.Errorf("the hub minds the office's variable: %v", err)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	dir := writeFile(t, OfficeFile, `
colour = true
[ui]
address = 8701
[limits]
file = 200
files = 0
[documents]
lifetime = 720
[mqtt]
servers = [1, 2]
keepalive = "fast"
`)
	_, err := LoadOffice(dir, nil)
	var fields []string
	for _, p := range faults(t, err) {
		fields = append(fields, p.Field)
		text := p.Message(i18n.Vietnamese)
		if strings.Contains(text, "{") || !strings.Contains(text, p.Field) {
			t.Errorf("message %q", text)
		}
	}
	slices.Sort(fields)
	want := []string{"colour", "documents.lifetime", "limits.file", "limits.files", "mqtt.keepalive", "mqtt.servers", "ui.address"}
	if !slices.Equal(fields, want) {
		t.Errorf("faults in %q, want %q", fields, want)
	}
}

func TestFaultNamesValueRangeAndOrigin(t *testing.T) {
	t.Setenv("TRAM_LIMITS_FILES", "9000")
	_, err := LoadOffice(t.TempDir(), nil)
	text := faults(t, err)[0].Message(i18n.English)
	for _, want := range []string{"limits.files", "9000", "1 … 250", "TRAM_LIMITS_FILES"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
}

func TestSyntaxErrorNamesFileAndLine(t *testing.T) {
	dir := writeFile(t, OfficeFile, "language = \"vi\"\n[ui\n")
	_, err := LoadOffice(dir, nil)
	list := faults(t, err)
	if text := list[0].Message(i18n.English); list[0].Code != "config.syntax" || !strings.Contains(text, "line 2") {
		t.Errorf("got %q", text)
	}
}

func TestByteOrderMarkAndWindowsLineEndsAreRead(t *testing.T) {
	dir := writeFile(t, OfficeFile, "\ufeff[office]\r\nsigner = \"Nguyễn Văn Đức\"\r\n")
	o, err := LoadOffice(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if o.Office.Signer != "Nguyễn Văn Đức" {
		t.Errorf("signer %q", o.Office.Signer)
	}
}

func TestRulesBetweenSettings(t *testing.T) {
	tests := []struct{ name, file, field string }{
		{"file over total", "[limits]\nfile = \"2GB\"\ntotal = \"1GB\"\n", "limits.total"},
		{"one port for both origins", "[ui]\naddress = \"127.0.0.1:9\"\ndocuments = \"127.0.0.1:9\"\n", "ui.documents"},
		{"certificate without its key", "[ui]\ncertificate = \"/etc/ssl/tram.pem\"\n", "ui.key"},
		{"file without its full path", "[ui]\ncertificate = \"tram.pem\"\nkey = \"/etc/ssl/tram.key\"\n", "ui.certificate"},
		{"a signing agent on another machine", "[ui]\nsigning = \"wss://192.168.1.9:8987\"\n", "ui.signing"},
		{"a signing agent with more behind it", "[ui]\nsigning = \"wss://127.0.0.1:8987; script-src *\"\n", "ui.signing"},
		{"a name that is none", "[ui]\nnames = [\"tram xã\"]\n", "ui.names"},
		{"figures for the whole network", "[metrics]\nlisten = \"192.0.2.7:9710\"\n", "metrics.allow"},
		{"a name among addresses", "[metrics]\nlisten = \"127.0.0.1:9710\"\nallow = [\"prometheus\"]\n", "metrics.allow"},
		{"control character", "[office]\nsigner = \"a\\u0007\"\n", "office.signer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadOffice(writeFile(t, OfficeFile, tt.file), nil)
			if list := faults(t, err); len(list) != 1 || list[0].Field != tt.field {
				t.Errorf("got %v", list)
			}
		})
	}
	_, err := LoadHub(writeFile(t, HubFile, "[mqtt]\nembedded = false\n"), nil)
	if list := faults(t, err); len(list) != 1 || list[0].Field != "mqtt.server" {
		t.Errorf("got %v", list)
	}
}

func TestValidateChecksAStructMadeByCode(t *testing.T) {
	o := DefaultOffice()
	o.Language, o.Documents.Lifetime = "fr", time.Second
	if list := faults(t, o.Validate()); len(list) != 2 {
		t.Errorf("got %v", list)
	}
}

func TestSavedSettingsComeBack(t *testing.T) {
	dir := t.TempDir()
	h := DefaultHub()
	h.Code, h.Name = "H40", `UBND tỉnh "Ninh Bình" \ thử`
	h.MQTT.Advertise = []string{"hub.example:8883", "[2001:db8::1]:8883"}
	h.MQTT.Embedded, h.MQTT.Server = false, []string{"broker.example:8883", "broker2.example:8883"}
	h.Limits.Quota = 3 * GB
	h.Enroll.Address = "0.0.0.0:8884"
	if err := h.Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := LoadHub(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range got.Values() {
		if want := h.Values()[i].Value; v.Value != want {
			t.Errorf("%s is %q, want %q", v.Key, v.Value, want)
		}
	}
	if v := value(t, got.Values(), "console.address"); v.Origin.Source != FromDefault {
		t.Errorf("a default was written: %+v", v)
	}
}

func TestExampleFileLoadsWithEveryLineInUse(t *testing.T) {
	use := func(example []byte) string {
		var b strings.Builder
		for line := range strings.Lines(string(example)) {
			if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
				line = rest
			}
			b.WriteString(line)
		}
		return b.String()
	}
	o, err := LoadOffice(writeFile(t, OfficeFile, use(ExampleOffice())), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range o.Values() {
		if v.Origin.Source != FromFile && v.Value != "" {
			t.Errorf("the example lacks %s", v.Key)
		}
	}
	if _, err := LoadHub(writeFile(t, HubFile, use(ExampleHub())), nil); err != nil {
		t.Error(err)
	}
}

func TestEveryKeyIsExplainedAndNoneIsASecret(t *testing.T) {
	for _, f := range slices.Concat(DefaultOffice().fields(), DefaultHub().fields()) {
		if !i18n.Has("config." + f.key) {
			t.Errorf("%s has no message config.%s", f.key, f.key)
		}
		if strings.Contains(f.key, "_") || f.key != strings.ToLower(f.key) {
			t.Errorf("%s cannot be told from its variable", f.key)
		}
		for _, word := range []string{"password", "secret", "passphrase", "token", "private"} {
			if strings.Contains(f.key, word) {
				t.Errorf("%s looks like a secret, which must not be shown by config show", f.key)
			}
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]Size{"200MB": 200 * MB, "1 GiB": 1 << 30, "64kib": 64 << 10, "5B": 5, "0B": 0} {
		got, err := ParseSize(in)
		if err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v", in, got, err)
		}
		if again, err := ParseSize(got.String()); err != nil || again != got {
			t.Errorf("%q does not come back: %v, %v", got, again, err)
		}
	}
	for _, in := range []string{"", "200", "MB", "-1MB", "1.5GB", "99999999999999GB", "1TB"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("ParseSize(%q) = %d", in, got)
		}
	}
}

func TestShortDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		720 * time.Hour: "720h", 90 * time.Minute: "1h30m", 10 * time.Second: "10s", time.Minute: "1m", 0: "0s", 10 * time.Minute: "10m",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"ui.address", "ui.documents", "limits.file", "limits.files"}
	for in, want := range map[string]string{"ui.adres": "ui.address", "limit.files": "limits.files", "document": "ui.documents"} {
		if got := nearest(in, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", in, got, want)
		}
	}
}
