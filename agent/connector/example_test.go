package connector_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage/fsx"
)

// spoolKind joins a document system that reads edXML from one folder and writes
// it to another. It is the whole connector of the README; a real one for folders
// is package hotfolder, which trusts the writer less.
var spoolKind = connector.Kind{Name: "spool", Open: openSpool}

type spool struct {
	connector.Base
	env connector.Env
	Dir string `json:"dir"`
}

func openSpool(env connector.Env) (connector.Connector, error) {
	s := &spool{env: env}
	if err := connector.Decode(env.Settings, s); err != nil {
		return nil, err
	}
	if !filepath.IsAbs(s.Dir) {
		return nil, problem.List{connector.Fault("dir", s.Dir, "/…")}
	}
	return s, nil
}

func (s *spool) Wants(e office.Entry) bool { return e.Type == office.DocumentArrived }

// Deliver writes the document under its ID: a second time changes nothing.
func (s *spool) Deliver(ctx context.Context, d connector.Delivery) error {
	file, err := fsx.Create(filepath.Join(s.Dir, "out"))
	if err != nil {
		return err // the folder is away: tried again later
	}
	defer file.Abort()
	err = s.env.Desk.ExportEdXML(ctx, d.Entry.Document, file)
	if errors.Is(err, problem.New(problem.NotFound, "document.not-found", "", nil)) {
		return connector.Permanent(err)
	}
	if err != nil {
		return err
	}
	return file.Commit(filepath.Join(s.Dir, "out", d.Entry.Document.String()+".edxml"))
}

func (s *spool) Every() time.Duration { return 2 * time.Second }

// Collect hands each file over and removes it when the office has it.
func (s *spool) Collect(ctx context.Context) error {
	files, err := os.ReadDir(filepath.Join(s.Dir, "in"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".edxml") {
			continue
		}
		if err := s.take(ctx, filepath.Join(s.Dir, "in", f.Name())); err != nil {
			return err
		}
	}
	return nil
}

func (s *spool) take(ctx context.Context, path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = s.env.Desk.Import(ctx, office.Handover{Body: file, Name: filepath.Base(path), By: connector.By(s.env.Name)})
	switch {
	case err == nil, errors.Is(err, problem.New(problem.Conflict, "import.already", "", nil)):
		return os.Remove(path) // it was taken now, or before a crash
	case !connector.Refused(err):
		return err // no room, or the program ends: the file stays
	}
	var why strings.Builder
	for _, p := range problem.All(err) {
		why.WriteString(p.Message(i18n.Vietnamese) + " " + p.Next(i18n.Vietnamese) + "\n" + p.Message(i18n.English) + " " + p.Next(i18n.English) + "\n")
	}
	if err := fsx.WriteFile(path+".txt", []byte(why.String()), 0o644); err != nil {
		return err
	}
	return os.Rename(path, path+".refused")
}

// settings are those of a spool in dir.
func settings(dir string) json.RawMessage {
	raw, err := json.Marshal(map[string]string{"dir": dir})
	if err != nil {
		panic(err)
	}
	return raw
}
