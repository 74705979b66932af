package xmldsig

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// Packaging is the kind of a package.
type Packaging string

// The kinds.
const (
	OOXML Packaging = "ooxml" // Office Open XML, signatures after ISO/IEC 29500-2 clause 13
	ODF   Packaging = "odf"   // OpenDocument, signatures after OpenDocument 1.2 part 3
	Other Packaging = ""      // another ZIP archive, in which no signatures are looked for
)

const odfSignatures = "META-INF/documentsignatures.xml"

// pack is an opened package.
type pack struct {
	kind  Packaging
	files []*zip.File
	names map[string]*zip.File // lower case for OOXML
	types *contentTypes        // of OOXML
	meter *meter
}

// CheckPackage finds and checks the signatures of an office file. Its errors
// are those of [Check] and of reading r; a package without signatures, and one
// of kind Other, gives none.
func CheckPackage(r io.ReaderAt, size int64) (Packaging, []Signature, error) {
	p, err := openPack(r, size)
	if err != nil || p.kind == Other {
		return Other, nil, err
	}
	var all []Signature
	for _, f := range p.signatureParts() {
		doc, err := p.xml(f)
		if err != nil {
			return p.kind, nil, err
		}
		found, err := checkDocument(doc, p.meter, p)
		if err != nil {
			return p.kind, nil, err
		}
		for i := range found {
			found[i].ID = strings.TrimSuffix(f.Name+"#"+found[i].ID, "#")
		}
		if all = append(all, found...); len(all) > MaxSignatures {
			return p.kind, nil, fmt.Errorf("%w: more than %d signatures", ErrLimit, MaxSignatures)
		}
	}
	return p.kind, all, nil
}

func openPack(r io.ReaderAt, size int64) (*pack, error) {
	directory, err := directoryStart(r, size)
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, zipError(err)
	}
	p := &pack{files: z.File, meter: &meter{MaxPackageWork}}
	p.kind = kindOf(z)
	if p.kind == Other {
		return p, nil
	}
	if err := oneStory(r, z.File, directory); err != nil {
		return nil, err
	}
	if err := p.index(); err != nil {
		return nil, err
	}
	if p.kind == OOXML {
		p.types, err = p.readTypes()
	}
	return p, err
}

func zipError(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrAlgorithm) || errors.Is(err, zip.ErrChecksum) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, zip.ErrInsecurePath) {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	// flate tells corrupt data with a type of its own; other errors are the reader's.
	if strings.HasPrefix(err.Error(), "flate:") {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return err
}

// kindOf tells packages apart by what must be in them.
func kindOf(z *zip.Reader) Packaging {
	for _, f := range z.File {
		if f.Name == "[Content_Types].xml" {
			return OOXML
		}
		if f.Name == odfSignatures || f.Name == "META-INF/manifest.xml" {
			return ODF
		}
	}
	return Other
}

// directoryStart finds the central directory before the library reads it, so
// that the number of entries is bounded. ZIP64 is not needed for office files.
func directoryStart(r io.ReaderAt, size int64) (int64, error) {
	const endLength = 22
	tail := make([]byte, min(size, endLength+1<<16))
	if _, err := io.ReadFull(io.NewSectionReader(r, size-int64(len(tail)), int64(len(tail))), tail); err != nil {
		return 0, err
	}
	for i := len(tail) - endLength; i >= 0; i-- {
		if binary.LittleEndian.Uint32(tail[i:]) != 0x06054b50 {
			continue
		}
		end := tail[i:]
		if int(binary.LittleEndian.Uint16(end[20:])) != len(end)-endLength {
			return 0, fmt.Errorf("%w: data after the end of the archive", ErrMalformed)
		}
		count, length := binary.LittleEndian.Uint16(end[10:]), int64(binary.LittleEndian.Uint32(end[12:]))
		start := int64(binary.LittleEndian.Uint32(end[16:]))
		if count > MaxParts || length > MaxParts*(46+256) {
			return 0, fmt.Errorf("%w: more than %d parts", ErrLimit, MaxParts)
		}
		if start+length != size-int64(len(end)) {
			return 0, fmt.Errorf("%w: the directory is not at the end of the archive", ErrMalformed)
		}
		return start, nil
	}
	return 0, fmt.Errorf("%w: no end of archive", ErrMalformed)
}

// oneStory demands that the entries follow each other from the start of the
// archive to its directory, each under the name that the directory gives it: a
// program that repairs archives then finds what this one finds.
func oneStory(r io.ReaderAt, files []*zip.File, directory int64) error {
	type entry struct {
		file *zip.File
		data int64
	}
	entries := make([]entry, len(files))
	for i, f := range files {
		at, err := f.DataOffset()
		if err != nil {
			return zipError(err)
		}
		entries[i] = entry{f, at}
	}
	slices.SortFunc(entries, func(a, b entry) int { return int(max(-1, min(1, a.data-b.data))) })
	next, last := int64(0), (*zip.File)(nil)
	for _, e := range entries {
		start, err := headerStart(r, e.file.Name, e.data)
		if err != nil {
			return err
		}
		if !follows(start-next, last) {
			return fmt.Errorf("%w: bytes between the entries", ErrMalformed)
		}
		next, last = e.data+int64(e.file.CompressedSize64), e.file
	}
	if !follows(directory-next, last) {
		return fmt.Errorf("%w: bytes before the directory", ErrMalformed)
	}
	return nil
}

// follows reports whether a gap after an entry is none or its data descriptor.
func follows(gap int64, last *zip.File) bool {
	return gap == 0 || last != nil && last.Flags&8 != 0 && slices.Contains([]int64{12, 16, 20, 24}, gap)
}

// maxExtra is the longest extra field of an entry. Office programs leave room
// there to grow.
const maxExtra = 4 << 10

// headerStart finds the local header whose data begins at data.
func headerStart(r io.ReaderAt, name string, data int64) (int64, error) {
	const fixed = 30
	block := make([]byte, min(data, int64(fixed+len(name)+maxExtra)))
	if _, err := io.ReadFull(io.NewSectionReader(r, data-int64(len(block)), int64(len(block))), block); err != nil {
		return 0, zipError(err)
	}
	for start := len(block) - fixed - len(name); start >= 0; start-- {
		head := block[start:]
		extra := len(head) - fixed - len(name)
		if binary.LittleEndian.Uint32(head) == 0x04034b50 && int(binary.LittleEndian.Uint16(head[26:])) == len(name) &&
			int(binary.LittleEndian.Uint16(head[28:])) == extra && string(head[fixed:fixed+len(name)]) == name {
			return data - int64(len(head)), nil
		}
	}
	return 0, fmt.Errorf("%w: an entry has two names", ErrMalformed)
}

// index refuses names that two programs could take for different parts.
func (p *pack) index() error {
	p.names = make(map[string]*zip.File, len(p.files))
	total := uint64(0)
	for _, f := range p.files {
		name := strings.ToLower(f.Name)
		if p.names[name] != nil || name == "" || strings.ContainsAny(name, "\\\x00") || strings.HasPrefix(name, "/") ||
			slices.Contains(strings.Split(name, "/"), "..") {
			return fmt.Errorf("%w: name of an entry", ErrMalformed)
		}
		p.names[name] = f
		if total += f.UncompressedSize64; total > MaxUnpacked || f.UncompressedSize64 > MaxUnpacked {
			return fmt.Errorf("%w: more than %d bytes unpacked", ErrLimit, MaxUnpacked)
		}
	}
	return nil
}

// xml reads a part as XML.
func (p *pack) xml(f *zip.File) (*node, error) {
	r, err := p.unpack(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	doc, err := readXML(r)
	if err != nil {
		return nil, fmt.Errorf("part %s: %w", clip(f.Name), zipError(err))
	}
	return doc, nil
}

// readXML reads a document from a stream within MaxXML.
func readXML(r io.Reader) (*node, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxXML+1))
	if err != nil {
		return nil, err
	}
	return parse(data)
}

func (p *pack) signatureParts() []*zip.File {
	var found []*zip.File
	for _, f := range p.files {
		if p.kind == ODF && f.Name == odfSignatures || p.kind == OOXML && p.types.of(f.Name) == typeSignature {
			found = append(found, f)
		}
	}
	return found
}

// open finds the part that a reference names. That of OOXML names the type of
// the part as well, which decides how programs read it.
func (p *pack) open(uri string) (io.ReadCloser, error) {
	name, typ, hasType := strings.Cut(uri, "?ContentType=")
	plain, err := url.PathUnescape(name)
	if err != nil {
		return nil, fmt.Errorf("%w: reference %q", errFormat, uri)
	}
	f := p.find(plain)
	if f == nil {
		return nil, fmt.Errorf("%w: part %q", errHash, plain)
	}
	if p.kind == OOXML && hasType && p.types.of(f.Name) != typ {
		return nil, fmt.Errorf("%w: type of part %q", errHash, plain)
	}
	return p.unpack(f)
}

// metered reads an entry within a meter.
type metered struct {
	io.ReadCloser
	meter *meter
}

func (m metered) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	if limit := m.meter.take(n); limit != nil {
		return 0, limit
	}
	return n, err
}

func (p *pack) unpack(f *zip.File) (io.ReadCloser, error) {
	r, err := f.Open()
	if err != nil {
		return nil, zipError(err)
	}
	return metered{r, p.meter}, nil
}

// find looks a part up: OOXML names begin with a slash and have no case.
func (p *pack) find(name string) *zip.File {
	if p.kind == OOXML {
		return p.names[strings.ToLower(strings.TrimPrefix(name, "/"))]
	}
	if f := p.names[strings.ToLower(name)]; f != nil && f.Name == name {
		return f
	}
	return nil
}

// uncovered lists the parts that a reader of the package may take for content
// and that no cover reaches.
func (p *pack) uncovered(covers []cover) ([]string, error) {
	reached := map[*zip.File][]cover{}
	for _, cov := range covers {
		if cov.node != nil {
			continue
		}
		name, _, typed := strings.Cut(cov.uri, "?ContentType=")
		if plain, err := url.PathUnescape(name); err == nil && (typed || p.kind == ODF) {
			f := p.find(plain)
			reached[f] = append(reached[f], cov)
		}
	}
	var left []string
	for _, f := range p.files {
		ok, err := p.isReached(f, reached[f])
		if err != nil {
			return nil, err
		}
		if !ok {
			left = append(left, f.Name)
		}
	}
	return left, nil
}

func (p *pack) isReached(f *zip.File, covers []cover) (bool, error) {
	if strings.HasSuffix(f.Name, "/") && f.UncompressedSize64 == 0 {
		return true, nil
	}
	if p.kind == ODF {
		return f.Name == odfSignatures || len(covers) > 0, nil
	}
	if p.mayBeUnsigned(f) {
		return true, nil
	}
	if len(covers) == 0 {
		return false, nil
	}
	if slices.ContainsFunc(covers, func(cov cover) bool { return cov.relations == nil }) {
		return true, nil
	}
	return p.relationsReached(f, covers)
}
