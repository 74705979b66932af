package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/viper"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// Flag is a setting given on the command line.
type Flag struct {
	Name  string // name of the flag without dashes, for messages
	Value string
}

// Flags are the settings given on the command line, by key.
type Flags map[string]Flag

// Source is the kind of place a value came from. Its text is stable and part
// of the JSON form of "config show".
type Source string

// The places of a value, weakest first.
const (
	FromDefault Source = "default"
	FromFile    Source = "file"
	FromEnv     Source = "environment"
	FromFlag    Source = "flag"
)

// Origin is where an effective value came from.
type Origin struct {
	Source Source `json:"source"`
	Name   string `json:"name,omitempty"` // path of the file, name of the variable, or flag with dashes
}

// String names the place in a way that a person finds it.
func (o Origin) String() string {
	if o.Name == "" {
		return string(FromDefault)
	}
	return o.Name
}

// Value is one effective setting.
type Value struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
}

// reservedEnv are variables with our prefix that are no settings: the data
// folder must be known before the file is found, and the others belong to
// developers' tools.
var reservedEnv = []string{"DATA", "LAB_", "TEST_"}

// maxFileSize bounds the settings file in bytes; a larger one is refused unread.
const maxFileSize = 1 << 20

// source is where one program's settings are.
type source struct {
	dir, file string
	env       string   // prefix
	ignoreEnv []string // longer prefixes that belong to another program
	flags     Flags
}

func (s source) path() string { return filepath.Join(s.dir, s.file) }
func (s source) variable(key string) string {
	return s.env + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// load puts the values of s into fields and says where each came from.
func load(s source, fields []field) (map[string]Origin, error) {
	file, err := s.read()
	if err != nil {
		return nil, err
	}
	v := viper.New()
	for _, f := range fields {
		// A default for every key: without it viper does not see a value that
		// stands in the environment alone.
		v.SetDefault(f.key, f.get())
		if err := v.BindEnv(f.key, s.variable(f.key)); err != nil {
			return nil, fmt.Errorf("bind %s: %w", f.key, err)
		}
	}
	if err := v.MergeConfigMap(file.AllSettings()); err != nil {
		return nil, fmt.Errorf("merge %s: %w", s.path(), err)
	}
	for key, flag := range s.flags {
		v.Set(key, flag.Value)
	}

	faults := s.unknown(fields, file.AllKeys())
	origins := map[string]Origin{}
	for _, f := range fields {
		origins[f.key] = s.origin(f.key, file)
		raw := v.Get(f.key)
		value, ok := asText(raw)
		if origins[f.key].Source != FromDefault && (!ok || !f.set(value)) {
			faults = append(faults, badValue(f.key, fmt.Sprint(raw), f.allowed, origins))
		}
	}
	return origins, faults.Err()
}

// read parses the file. Windows editors put a byte order mark in front, which
// TOML does not know.
func (s source) read() (*viper.Viper, error) {
	file := viper.New()
	file.SetConfigType("toml")
	info, err := os.Stat(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return nil, s.unreadable(err)
	}
	if info.Size() > maxFileSize {
		return nil, s.unreadable(fmt.Errorf("%d bytes are too many", info.Size()))
	}
	data, err := os.ReadFile(s.path())
	if err != nil {
		return nil, s.unreadable(err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if err := file.ReadConfig(bytes.NewReader(data)); err != nil {
		return nil, s.syntax(err)
	}
	return file, nil
}

func (s source) unreadable(err error) error {
	return problem.List{problem.New(problem.Failed, "config.unreadable", "", i18n.Args{"file": s.path()}).Because(err)}
}

// syntax says at which line the file stops being TOML.
func (s source) syntax(err error) error {
	line := "?"
	var at interface{ Position() (row, column int) }
	if errors.As(err, &at) {
		row, _ := at.Position()
		line = fmt.Sprint(row)
	}
	return problem.List{problem.New(problem.Usage, "config.syntax", "", i18n.Args{"file": s.path(), "line": line}).Because(err)}
}

// origin finds the strongest place that gives key.
func (s source) origin(key string, file *viper.Viper) Origin {
	if flag, ok := s.flags[key]; ok {
		return Origin{FromFlag, "--" + flag.Name}
	}
	if os.Getenv(s.variable(key)) != "" {
		return Origin{FromEnv, s.variable(key)}
	}
	if file.InConfig(key) {
		return Origin{FromFile, s.path()}
	}
	return Origin{Source: FromDefault}
}

// unknown lists what was set and means nothing.
func (s source) unknown(fields []field, fileKeys []string) problem.List {
	var keys, variables []string
	for _, f := range fields {
		keys = append(keys, f.key)
		variables = append(variables, s.variable(f.key))
	}
	var faults problem.List
	add := func(name, where string, known []string) {
		faults = append(faults, problem.New(problem.Usage, "config.unknown-key", name,
			i18n.Args{"key": name, "origin": where, "nearest": nearest(name, known)}))
	}
	slices.Sort(fileKeys)
	for _, key := range fileKeys {
		if !slices.Contains(keys, key) {
			add(key, s.path(), keys)
		}
	}
	for _, entry := range slices.Sorted(slices.Values(os.Environ())) {
		name, _, _ := strings.Cut(entry, "=")
		if s.ownVariable(name) && !slices.Contains(variables, name) {
			add(name, "environment", variables)
		}
	}
	for key := range s.flags {
		if !slices.Contains(keys, key) {
			add(key, "--"+s.flags[key].Name, keys)
		}
	}
	return faults
}

func (s source) ownVariable(name string) bool {
	rest, ours := strings.CutPrefix(name, s.env)
	if !ours || rest == "" {
		return false
	}
	for _, other := range s.ignoreEnv {
		if strings.HasPrefix(name, other) {
			return false
		}
	}
	return !slices.ContainsFunc(reservedEnv, func(r string) bool {
		return rest == r || strings.HasSuffix(r, "_") && strings.HasPrefix(rest, r)
	})
}

// asText turns a value of the file into the text that flags and environment
// would have. A number where a text is expected is left to the field to refuse.
func asText(raw any) (string, bool) {
	switch v := raw.(type) {
	case string:
		return v, true
	case bool, int, int64, float64:
		return fmt.Sprint(v), true
	case []any:
		var parts []string
		for _, item := range v {
			part, ok := item.(string)
			if !ok || strings.Contains(part, ",") { // it would become two
				return "", false
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ","), true
	}
	return "", false
}

// check reports the fields whose present value is not acceptable.
func check(fields []field, origins map[string]Origin) problem.List {
	var faults problem.List
	for _, f := range fields {
		if value := f.get(); !f.ok(value) {
			faults = append(faults, badValue(f.key, value, f.allowed, origins))
		}
	}
	return faults
}

func badValue(key, value, allowed string, origins map[string]Origin) *problem.Problem {
	return problem.New(problem.Usage, "config.value", key, i18n.Args{
		"key": key, "value": value, "allowed": allowed, "origin": origins[key].String(),
	})
}

func values(fields []field, origins map[string]Origin) []Value {
	list := make([]Value, 0, len(fields))
	for _, f := range fields {
		origin, ok := origins[f.key]
		if !ok {
			origin.Source = FromDefault
		}
		list = append(list, Value{Key: f.key, Value: f.get(), Origin: origin})
	}
	return list
}

// save writes the fields that differ from their defaults.
func save(dir, name string, fields, defaults []field) error {
	v := viper.New()
	v.SetConfigType("toml")
	for i, f := range fields {
		if f.get() != defaults[i].get() {
			v.Set(f.key, f.toml())
		}
	}
	var b bytes.Buffer
	if err := v.WriteConfigTo(&b); err != nil {
		return fmt.Errorf("encode settings: %w", err)
	}
	if err := fsx.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("save settings: %w", err)
	}
	return nil
}
