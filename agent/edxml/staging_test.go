package edxml

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// staging is a Stage in memory.
type staging struct {
	contents []*staged
	fail     error // of the writers
}

type staged struct {
	bytes.Buffer
	closed int
	fail   error
}

func (s *staged) Write(p []byte) (int, error) {
	if s.fail != nil {
		return 0, s.fail
	}
	return s.Buffer.Write(p)
}

func (s *staged) Close() error { s.closed++; return nil }

func (s *staging) Create(n int) (io.WriteCloser, error) {
	if n != len(s.contents) {
		return nil, errors.New("contents come out of order")
	}
	s.contents = append(s.contents, &staged{fail: s.fail})
	return s.contents[n], nil
}

// received gives the staged contents as they travelled.
func (s *staging) received() []Content {
	var out []Content
	for _, c := range s.contents {
		out = append(out, Content{Open: opener(c.Bytes())})
	}
	return out
}

func opener(data []byte) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
}

// samples lists the messages of a folder of testdata, of which there must be
// at least some.
func samples(t testing.TB, folder string, least int) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", folder, "*.edxml"))
	if err != nil || len(names) < least {
		t.Fatalf("%d samples in %q, %v", len(names), folder, err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(name)] = data
	}
	return out
}

// read reads a full message with its contents.
func read(t testing.TB, data []byte) (*Full, *staging) {
	t.Helper()
	stage := &staging{}
	f, err := Read(bytes.NewReader(data), ReadOptions{Stage: stage})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range stage.contents {
		if c.closed != 1 {
			t.Errorf("content %d was closed %d times", i, c.closed)
		}
	}
	if f.Contents != len(stage.contents) {
		t.Errorf("%d contents told, %d staged", f.Contents, len(stage.contents))
	}
	return f, stage
}

// unwrapped returns the file of an attachment.
func unwrapped(t testing.TB, a Attachment, stage *staging) (*File, []byte) {
	t.Helper()
	content := stage.contents[a.Content].Bytes()
	f, err := Unwrap(bytes.NewReader(content), int64(len(content)), a.Name, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || int64(len(data)) != f.Size {
		t.Fatalf("%d bytes of %d, %v", len(data), f.Size, err)
	}
	return f, data
}

// write writes a message strictly: its header, its files in zips.
func write(f *Full, files [][]byte) ([]byte, error) {
	var out bytes.Buffer
	switch m := f.Message.(type) {
	case *Document:
		var open []func() (io.ReadCloser, error)
		for _, file := range files {
			open = append(open, opener(file))
		}
		err := EncodeFull(&out, m, open, anyOffice)
		return out.Bytes(), err
	case *Status:
		err := EncodeStatus(&out, m)
		return out.Bytes(), err
	}
	return nil, errors.New("no message")
}

var anyOffice = Assurance{Known: func(string) bool { return true }, NotSecret: true}

// same compares two messages as far as the writer writes them.
func same(a, b Message) bool { return reflect.DeepEqual(bare(a), bare(b)) }

func bare(m Message) Message {
	d, ok := m.(*Document)
	if !ok {
		return m
	}
	c := *d
	c.Signature, c.Embedded = nil, nil
	return &c
}
