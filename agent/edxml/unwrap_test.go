package edxml

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"tram/agent/problem"
)

// packed makes a zip of entries name, content, name, content …
func packed(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		w, err := z.Create(entries[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, entries[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnwrap(t *testing.T) {
	one := packed(t, "7a71a0ee.txt", "nội dung")
	edit := func(change func(b []byte)) []byte {
		b := bytes.Clone(one)
		change(b)
		return b
	}
	directory := bytes.LastIndex(one, []byte("PK\x01\x02"))
	end := bytes.LastIndex(one, []byte("PK\x05\x06"))
	many := []string{}
	for range 20 {
		many = append(many, "a.txt", "x")
	}
	cases := []struct {
		name    string
		content []byte
		file    string
		want    string // "raw" or what is unpacked
		warning string
	}{
		{"wrapper", one, "thư.txt", "nội dung", ""},
		{"extension in capitals", one, "THƯ.TXT", "nội dung", ""},
		{"other extension", one, "thư.doc", "nội dung", WarnExtension},
		{"no extension", one, "thư", "nội dung", WarnExtension},
		{"dot in a folder", one, `C:\a.b\thư.txt`, "nội dung", ""},
		{"named zip", one, "thư.zip", "raw", ""},
		{"named docx", one, "thư.docx", "raw", ""},
		{"named ods", one, "thư.ods", "raw", ""},
		{"wrapped docx", packed(t, "u.docx", "PK…"), "thư.docx", "PK…", ""},
		{"folder and file", packed(t, "d/", "", "d/u.txt", "x"), "a.txt", "x", ""},
		{"two files", packed(t, "1.txt", "1", "2.txt", "2"), "a.txt", "raw", ""},
		{"only a folder", packed(t, "d/", ""), "a.txt", "raw", ""},
		{"no entry", packed(t), "a.txt", "raw", ""},
		{"many files", packed(t, many...), "a.txt", "raw", ""},
		{"one level only", packed(t, "u.zip", string(one)), "a.zip", string(one), ""},
		{"text", []byte("Kính gửi"), "a.txt", "raw", ""},
		{"nothing", nil, "a.pdf", "raw", ""},
		{"one byte", []byte("P"), "a.txt", "raw", ""},
		{"no pdf", []byte("PDF"), "a.pdf", "raw", WarnExtension},
		{"pdf after junk", []byte("\n\n%PDF-1.7"), "a.pdf", "raw", ""},
		{"begins like a zip", []byte("PK and more"), "a.txt", "raw", WarnZip},
		{"cut", one[:len(one)-10], "a.txt", "raw", WarnZip},
		{"unknown method", edit(func(b []byte) { b[8], b[directory+10] = 99, 99 }), "a.txt", "raw", WarnZip},
		{"checksum", edit(func(b []byte) { b[directory+16] ^= 1 }), "a.txt", "raw", WarnZip},
		{"more than it says", edit(func(b []byte) { b[directory+24] = 1 }), "a.txt", "raw", WarnZip},
		{"claims 65535 entries", edit(func(b []byte) { binary.LittleEndian.PutUint16(b[end+10:], 0xFFFF) }), "a.txt", "raw", ""},
		{"claims no entry", edit(func(b []byte) { binary.LittleEndian.PutUint16(b[end+10:], 0) }), "a.txt", "raw", WarnZip},
		{"directory elsewhere", edit(func(b []byte) { b[end+16] = 0xF0 }), "a.txt", "raw", WarnZip},
		{"64-bit sizes", edit(func(b []byte) { binary.LittleEndian.PutUint32(b[end+16:], 0xFFFFFFFF) }), "a.txt", "raw", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f, err := Unwrap(bytes.NewReader(c.content), int64(len(c.content)), c.file, 0)
			if err != nil {
				t.Fatal(err)
			}
			want := []byte(c.want)
			if c.want == "raw" {
				want = c.content
			}
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(r)
			if err != nil || !bytes.Equal(data, want) || f.Wrapped != (c.want != "raw") || f.Size != int64(len(want)) || f.SHA256 != sha256.Sum256(want) {
				t.Errorf("%q, %v; %+v", data, err, f)
			}
			if len(f.Warnings) > 1 || len(f.Warnings) == 1 && f.Warnings[0].Code != c.warning || len(f.Warnings) == 0 && c.warning != "" {
				t.Errorf("warnings %v, want %q", f.Warnings, c.warning)
			}
		})
	}
}

// TestP9_UnwrapIsBounded: neither what a zip says of itself nor what it holds
// makes more memory or time than the limits.
func TestP9_UnwrapIsBounded(t *testing.T) {
	zeros := packed(t, "u.txt", string(make([]byte, 20<<20)))
	refused := func(content []byte, name string, limit int64, code string) {
		t.Helper()
		_, err := Unwrap(bytes.NewReader(content), int64(len(content)), name, limit)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != code || p.Args["name"] != name {
			t.Errorf("%v, want %s", err, code)
		}
	}
	refused(zeros, "a.txt", 0, "edxml.zip-bomb")
	refused(zeros, "a.txt", 1000, "edxml.unpacked-large")
	refused([]byte("Kính gửi"), "a.txt", 3, "edxml.attachment-large")
	if f, err := Unwrap(bytes.NewReader(zeros), int64(len(zeros)), "a.zip", 0); err != nil || f.Wrapped {
		t.Errorf("a zip that is not unpacked: %v", err)
	}
	// A directory of 200,000 entries, of which the end says there is one.
	long := bytes.NewBuffer(nil)
	long.WriteString("PK\x03\x04")
	entry := make([]byte, 46)
	copy(entry, "PK\x01\x02")
	for range 200_000 {
		long.Write(entry)
	}
	end := make([]byte, endRecord)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[10:], 1)
	binary.LittleEndian.PutUint32(end[12:], 46)
	binary.LittleEndian.PutUint32(end[16:], 4)
	long.Write(end)
	content := long.Bytes()
	grown := allocated(func() {
		if f, err := Unwrap(bytes.NewReader(content), int64(len(content)), "a.txt", 0); err != nil || f.Wrapped {
			t.Errorf("long directory: %+v, %v", f, err)
		}
	})
	if grown > 4<<20 {
		t.Errorf("listing a long directory took %d bytes", grown)
	}
}

func TestUnwrapPassesErrorsOn(t *testing.T) {
	lost := errors.New("disk lost")
	one := packed(t, "u.txt", "nội dung")
	for nth := 0; ; nth++ {
		r := &failing{r: bytes.NewReader(one), nth: nth, err: lost}
		_, err := Unwrap(r, int64(len(one)), "a.txt", 0)
		if r.nth >= 0 {
			if nth < 5 {
				t.Errorf("%d reads, too few to have failed at each", nth)
			}
			break
		}
		if !errors.Is(err, lost) {
			t.Errorf("at read %d a failure of the disk was taken for a broken zip: %v", nth, err)
		}
	}
	short := bytes.NewReader([]byte("abc"))
	if _, err := Unwrap(short, 5, "a.txt", 0); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("content shorter than told: %v", err)
	}
}

// failing fails at its nth read, counted from 0, and only then.
type failing struct {
	r   io.ReaderAt
	nth int
	err error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if f.nth--; f.nth == -1 {
		return 0, f.err
	}
	return f.r.ReadAt(p, off)
}

func FuzzUnwrap(f *testing.F) {
	f.Add(packed(f, "u.txt", "nội dung"), "a.txt")
	f.Add(packed(f, "1.txt", "1", "2.txt", "2"), "a.zip")
	f.Add(packed(f, "d/", "", "d/u.docx", "x"), "a.docx")
	f.Add([]byte("PK\x05\x06"), "a.pdf")
	var stream bytes.Buffer
	w, _ := flate.NewWriter(&stream, flate.BestSpeed) // a valid level
	_, _ = w.Write(make([]byte, 1000))
	_ = w.Close()
	f.Add(append([]byte("PK\x03\x04"), stream.Bytes()...), "")
	f.Fuzz(func(t *testing.T, content []byte, name string) {
		const limit = 1 << 20
		file, err := Unwrap(bytes.NewReader(content), int64(len(content)), name, limit)
		if err != nil {
			var p *problem.Problem
			if !errors.As(err, &p) {
				t.Fatalf("a refusal without words: %v", err)
			}
			return
		}
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || int64(len(data)) != file.Size || file.Size > limit || sha256.Sum256(data) != file.SHA256 {
			t.Fatalf("%d of %d bytes, %v", len(data), file.Size, err)
		}
		if !file.Wrapped && !bytes.Equal(data, content) {
			t.Fatal("a raw content changed")
		}
	})
}
