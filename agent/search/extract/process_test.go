package extract_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"tram/agent/search/extract"
)

// TestMain is the reader's process as well, with some faults that files could
// bring about.
func TestMain(m *testing.M) {
	if len(os.Args) != 5 || os.Args[1] != extract.Command {
		os.Exit(m.Run())
	}
	kind := os.Args[2]
	faults := map[string]func(){
		"hang":  func() { time.Sleep(time.Hour) },
		"panic": func() { panic("fault of a reader") },
		"talk": func() {
			for {
				fmt.Print(strings.Repeat("x", 1<<16))
			}
		},
		"eat": func() {
			var all [][]byte
			for {
				all = append(all, bytes.Repeat([]byte{1}, 1<<20))
				runtime.KeepAlive(all)
			}
		},
	}
	if fault := faults[kind]; fault != nil {
		if kind == "eat" { // within the limits of Serve
			r, w, err := os.Pipe()
			if err != nil {
				os.Exit(1)
			}
			go func() {
				if extract.Serve(".txt", os.Args[3], os.Args[4], r, io.Discard) != nil {
					os.Exit(1) // as main does
				}
			}()
			defer w.Close()
			time.Sleep(50 * time.Millisecond)
		}
		fault()
	}
	if err := extract.Serve(kind, os.Args[3], os.Args[4], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func self(t testing.TB) extract.Process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return extract.Process{Program: program, Memory: extract.MaxMemory}
}

func TestProcessReadsWhatReadReads(t *testing.T) {
	p := self(t)
	data, err := os.ReadFile("testdata/libreoffice.pdf")
	if err != nil {
		t.Fatal(err)
	}
	want := read(t, ".pdf", data)
	file, err := os.Open("testdata/libreoffice.pdf")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Seek(100, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]io.Reader{"file": file, "pipe": bytes.NewReader(data)} {
		if got, err := p.Read(t.Context(), ".pdf", body); err != nil || got != want || got.Text == "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	p.Text = 100
	if got, err := p.Read(t.Context(), ".pdf", file); err != nil || !got.Part || len(got.Text) < 80 || len(got.Text) > 100 || !strings.HasPrefix(want.Text, got.Text) {
		t.Errorf("the beginning: %+v, %v", got, err)
	}
	if _, err := p.Read(t.Context(), ".jpg", strings.NewReader("x")); !errors.Is(err, extract.ErrNoText) {
		t.Errorf("a kind without text: %v", err)
	}
	if _, err := p.Read(t.Context(), ".pdf", strings.NewReader("x")); !errors.Is(err, extract.ErrUnreadable) {
		t.Errorf("no PDF: %v", err)
	}
}

// TestFaultsStayInTheProcess has a reader hang, crash, eat memory and talk without
// end: each is a file that cannot be read, and this process goes on.
func TestFaultsStayInTheProcess(t *testing.T) {
	for _, kind := range []string{"hang", "panic", "talk", "eat"} {
		t.Run(kind, func(t *testing.T) {
			p := self(t)
			if p.Memory = 32 << 20; kind == "hang" {
				p.Time = 300 * time.Millisecond
			}
			begin := time.Now()
			_, err := p.Read(t.Context(), kind, strings.NewReader("x"))
			if !errors.Is(err, extract.ErrUnreadable) {
				t.Fatalf("%v, want that the file is unreadable", err)
			}
			if took := time.Since(begin); took > extract.MaxTime/2 {
				t.Errorf("it took %v", took)
			}
		})
	}
	if _, err := (extract.Process{Program: "/nowhere/tram"}).Read(t.Context(), ".txt", strings.NewReader("x")); err == nil || errors.Is(err, extract.ErrUnreadable) {
		t.Errorf("a program that is not there is a fault of the file: %v", err)
	}
}

// TestP9_LargeFileNeedsLittleMemory reads files of three kinds, of 200 MiB, within
// the memory of the process, and with next to none here.
func TestP9_LargeFileNeedsLittleMemory(t *testing.T) {
	const size = largeFile
	dir := t.TempDir()
	for kind, ends := range map[string][2]string{
		".txt": {"đầu tệp ", " cuối"},
		".pdf": {string(document("BT /F1 10 Tf 1 1 Td (dau tep) Tj ET", plainFont)), ""},
		".xml": {"<a>đầu tệp</a><b>", "</b>"},
	} {
		path := filepath.Join(dir, "large"+kind)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteString(ends[0])
		if err == nil && kind != ".pdf" {
			err = errors.Join(f.Truncate(size), second(f.WriteAt([]byte(ends[1]), size)))
		}
		if err == nil && kind == ".pdf" {
			err = largePDF(f, size)
		}
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got, err := self(t).Read(t.Context(), kind, f)
		runtime.ReadMemStats(&after)
		if err != nil || !strings.HasPrefix(got.Text, "đầu tệp") && !strings.HasPrefix(got.Text, "dau tep") {
			t.Errorf("%s: %q, %v", kind, got.Text[:min(len(got.Text), 40)], err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
			t.Errorf("%s: this process took %d bytes", kind, grown)
		}
		if err := errors.Join(f.Close(), os.Remove(path)); err != nil {
			t.Fatal(err)
		}
	}
}

func second(_ int, err error) error { return err }

// largePDF writes a PDF with a picture that is left out in the middle.
func largePDF(f *os.File, size int64) error {
	small := document("BT /F1 10 Tf 1 1 Td (dau tep) Tj ET", plainFont)
	body, tail, _ := bytes.Cut(small, []byte("xref\n"))
	head := fmt.Sprintf("6 0 obj\n<< /Type /XObject /Subtype /Image /Length %d >>\nstream\n", size)
	at := int64(len(body)+len(head)) + size
	end := "\nendstream\nendobj\n"
	table := strings.Replace(string(tail), "0 6\n", "0 7\n", 1)
	table = strings.Replace(table, "trailer", fmt.Sprintf("%010d 00000 n \ntrailer", len(body)), 1)
	table = strings.Replace(table, "/Size 6", "/Size 7", 1)
	table, _, _ = strings.Cut(table, "startxref")
	table = end + "xref\n" + table + fmt.Sprintf("startxref\n%d\n%%%%EOF\n", at+int64(len(end)))
	return errors.Join(f.Truncate(0), second(f.WriteAt(append(body, head...), 0)), second(f.WriteAt([]byte(table), at)))
}
