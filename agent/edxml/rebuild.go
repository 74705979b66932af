package edxml

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Content is what stands in one place of a message.
type Content struct {
	// Open reads it from the start. The writer closes what it opened.
	Open func() (io.ReadCloser, error)
	// Plain marks a file, which is wrapped in a zip of its own, rather than a
	// content as it travelled, which is written as it is.
	Plain bool
}

// Rebuild writes a full message from its skeleton and the contents of all its
// places, in order ([Full.Contents]), in constant memory. To a skeleton without
// AttachmentEncoded it adds that element, with an Attachment for each reference
// of the manifest. All else is written as it stands in the skeleton. When it
// fails, some of the message may have been written.
func Rebuild(w io.Writer, skeleton []byte, contents []Content) error {
	s, err := split(bytes.NewReader(skeleton), ReadOptions{MaxAttachments: MaxElements})
	if err != nil {
		return err
	}
	data := bytes.TrimPrefix(s.skeleton, []byte(byteOrderMark))
	mark := len(s.skeleton) - len(data)
	root, err := parse(data)
	if err != nil {
		return err
	}
	if err := checkDialect(root); err != nil {
		return err
	}
	b := &rebuilder{
		out: bufio.NewWriterSize(w, splitBuffer), skeleton: s.skeleton, contents: contents,
		document: documentID(root),
	}
	if len(root.all("AttachmentEncoded")) == 0 && len(s.places) == 0 {
		err = b.add(root, mark)
	} else {
		err = b.fill(contentNames(root), s.places)
	}
	if err != nil {
		return err
	}
	return b.out.Flush()
}

type rebuilder struct {
	out      *bufio.Writer
	skeleton []byte
	contents []Content
	document string // DocumentId
}

func (b *rebuilder) count(places int) error {
	if len(b.contents) != places {
		return fmt.Errorf("rebuild edXML: %d contents for %d places", len(b.contents), places)
	}
	return nil
}

func documentID(root *node) string {
	m := &mapper{}
	return m.id(root.child("edXMLEnvelope").child("edXMLHeader").child("MessageHeader"), "DocumentId")
}

// contentNames returns, for each place, the attachment that it belongs to. One
// without a name has that of its reference.
func contentNames(root *node) []Reference {
	m := &mapper{}
	names := map[string]string{}
	for _, r := range manifestOf(root) {
		names[r.ContentID] = r.Name
	}
	parents := map[*node]Reference{}
	for _, holder := range root.children {
		for _, a := range holder.children {
			r := m.reference(a)
			if r.Name == "" {
				r.Name = names[r.ContentID]
			}
			for _, c := range a.children {
				parents[c] = r
			}
		}
	}
	var refs []Reference
	for _, n := range contentNodes(root) {
		refs = append(refs, parents[n])
	}
	return refs
}

func manifestOf(root *node) []Reference {
	m, d := &mapper{}, &Document{}
	m.manifest(d, root.child("edXMLEnvelope").child("edXMLBody").child("edXMLManifest"))
	return d.Manifest
}

// fill writes the skeleton with a content in each of its places.
func (b *rebuilder) fill(refs []Reference, places []*place) error {
	if err := b.count(len(places)); err != nil {
		return err
	}
	if len(refs) != len(places) {
		return errPlaces(len(refs), len(places))
	}
	done := 0
	for i, p := range places {
		upTo := p.offset
		if p.tag != "" {
			upTo -= len("/>")
		}
		b.bytes(b.skeleton[done:upTo])
		if done = p.offset; p.tag != "" {
			b.string(">")
		}
		if err := b.content(i, refs[i]); err != nil {
			return err
		}
		if p.tag != "" {
			b.string("</" + p.tag + ">")
		}
	}
	b.bytes(b.skeleton[done:])
	return nil
}

// add writes the skeleton with an AttachmentEncoded for its manifest.
func (b *rebuilder) add(root *node, mark int) error {
	refs := manifestOf(root)
	if err := b.count(len(refs)); err != nil {
		return err
	}
	if len(refs) == 0 {
		b.bytes(b.skeleton)
		return nil
	}
	end := mark + int(root.end)
	end = bytes.LastIndex(b.skeleton[:end], []byte("</"))
	b.bytes(b.skeleton[:end])
	namespace := ""
	if full, local := tagName(b.skeleton[mark+int(root.start):]); full != local {
		namespace = ` xmlns="` + Namespace + `"`
	}
	b.string("  <AttachmentEncoded" + namespace + ">\n")
	for i, r := range refs {
		if err := b.attachment(i, r); err != nil {
			return err
		}
	}
	b.string("  </AttachmentEncoded>\n")
	b.bytes(b.skeleton[end:])
	return nil
}

// attachment writes one Attachment. Its content declares the prefix of the
// envelope again, as the samples do.
func (b *rebuilder) attachment(i int, r Reference) error {
	b.string("    <Attachment>\n")
	b.element("ContentId", "cid:"+r.ContentID)
	b.element("AttachmentName", r.Name)
	if r.Description != "" {
		b.element("Description", r.Description)
	}
	b.element("ContentType", zipType)
	b.string(`      <edXML:ContentTransferEncoded xmlns:edXML="` + Namespace + `">`)
	if err := b.content(i, r); err != nil {
		return err
	}
	b.string("</edXML:ContentTransferEncoded>\n    </Attachment>\n")
	return nil
}

const zipType = "application/zip"

func (b *rebuilder) element(name, value string) {
	b.string("      <" + name + ">")
	_ = xml.EscapeText(b.out, []byte(value)) // the writer keeps its error for Flush
	b.string("</" + name + ">\n")
}

// The writer keeps its first error and returns it from Flush.
func (b *rebuilder) bytes(p []byte)  { _, _ = b.out.Write(p) }
func (b *rebuilder) string(s string) { _, _ = b.out.WriteString(s) }

// content writes a content as base64 on one line.
func (b *rebuilder) content(i int, r Reference) (err error) {
	source, err := b.contents[i].Open()
	if err != nil {
		return fmt.Errorf("open attachment %d: %w", i+1, err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	encoder := base64.NewEncoder(base64.StdEncoding, b.out)
	if b.contents[i].Plain {
		err = wrap(encoder, source, entryName(b.document, r))
	} else {
		_, err = io.Copy(encoder, source)
	}
	if err != nil {
		return fmt.Errorf("write attachment %d: %w", i+1, err)
	}
	return encoder.Close()
}

// wrap writes a zip with one deflated entry.
func wrap(w io.Writer, file io.Reader, name string) error {
	z := zip.NewWriter(w)
	entry, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
	if err != nil {
		return err
	}
	if _, err := io.Copy(entry, file); err != nil {
		return err
	}
	return z.Close()
}

// entryName makes <uuid>.<ext>, as the national samples name the entry. The
// UUID is one of version 8 (RFC 9562) over document and attachment, so that the
// same message is always written with the same bytes.
func entryName(document string, r Reference) string {
	sum := sha256.Sum256([]byte(document + "\x00" + r.ContentID + "\x00" + r.Name))
	sum[6], sum[8] = sum[6]&0x0F|0x80, sum[8]&0x3F|0x80
	h := hex.EncodeToString(sum[:16])
	name := h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	ext := extension(r.Name)
	plain := func(c rune) bool { return unicode.IsLetter(c) || unicode.IsMark(c) || unicode.IsDigit(c) }
	if ext == "" || len(ext) > 32 || strings.ContainsFunc(ext, func(c rune) bool { return !plain(c) }) {
		return name
	}
	return name + "." + ext
}
