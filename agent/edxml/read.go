package edxml

import (
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
)

// Limits of contents, where [ReadOptions] sets none. All are hard.
const (
	// MaxAttachments is the largest number of contents in one message.
	MaxAttachments = 254
	// MaxAttachment is the largest content in bytes, as decoded and as unpacked.
	MaxAttachment = 2 << 30
	// MaxTotal is the largest sum of the decoded contents of one message in bytes.
	MaxTotal = 4 << 30
)

// Stage takes the contents of attachments while a message is read.
type Stage interface {
	// Create opens the place for the nth content of the message, counted from
	// 0. It is called once for each content, in order, after the one before was
	// closed. Read closes the writer also when it fails: only when Read succeeds
	// are the closed ones whole, else the caller drops them. An error is
	// returned by Read, wrapped.
	Create(n int) (io.WriteCloser, error)
}

// ReadOptions says how a full message is read.
type ReadOptions struct {
	// Stage takes the contents. With nil they are checked and dropped.
	Stage Stage
	// MaxAttachments, MaxAttachment and MaxTotal lower or raise the constants
	// of the same names; zero means the constant.
	MaxAttachments int
	MaxAttachment  int64
	MaxTotal       int64
	// Office is the code of the reading office and its former ones. A document
	// that is addressed to none of them gets a warning. Empty: not judged.
	Office []string
}

const maxLimit = 1 << 50 // keeps sums of limits from overflowing

func (o ReadOptions) withDefaults() ReadOptions {
	if o.MaxAttachments <= 0 {
		o.MaxAttachments = MaxAttachments
	}
	if o.MaxAttachment <= 0 {
		o.MaxAttachment = MaxAttachment
	}
	if o.MaxTotal <= 0 {
		o.MaxTotal = MaxTotal
	}
	o.MaxAttachment, o.MaxTotal = min(o.MaxAttachment, maxLimit), min(o.MaxTotal, maxLimit)
	return o
}

// Full is a message with what it carries in itself.
type Full struct {
	Message  Message
	Warnings []Warning
	// Attachments are those of the manifest, in its order, then those that the
	// manifest does not name. Two references to one attachment make two.
	Attachments []Attachment
	// Contents is how many contents were staged. There may be more than
	// attachments: what the reader does not know is staged and rebuilt too.
	Contents int
	// Skeleton is the message as received, byte for byte, without the text of
	// its ContentTransferEncoded elements. [Rebuild] puts contents back.
	Skeleton []byte
	// Signed tells that the message carries a signature with a readable value
	// and certificate, instead of the usual dummy. It is not verified. Such an
	// original must travel byte for byte, because a rebuilt one is another.
	Signed bool
}

// Attachment is one attachment of a full message, as it travelled: see [Unwrap].
type Attachment struct {
	Reference
	Listed  bool // the manifest names it
	Content int  // which staged content it is, from 0
	Size    int64
	SHA256  [sha256.Size]byte
}

// Read reads one message with the attachments that it carries in itself, in
// constant memory whatever their size. Documents and statuses are read and
// refused as [Decode] does; in addition, each reference of the manifest must
// have its attachment and each attachment must be decodable.
func Read(r io.Reader, o ReadOptions) (*Full, error) {
	s, err := split(r, o)
	if err != nil {
		return nil, namedDialect(s.skeleton, err)
	}
	data := bytes.TrimPrefix(s.skeleton, []byte(byteOrderMark))
	mark := int64(len(s.skeleton) - len(data))
	root, err := parseSkeleton(data, func(offset int64) int { return s.breaks(offset + mark) })
	if err != nil {
		return nil, namedDialect(s.skeleton, err)
	}
	if err := checkDialect(root); err != nil {
		return nil, err
	}
	m := &mapper{data: data, full: true, office: o.Office}
	f := &Full{Skeleton: s.skeleton, Contents: len(s.places), Signed: signed(root)}
	if f.Message, err = m.message(root); err != nil {
		return nil, err
	}
	if f.Attachments, err = m.attachments(f.Message, contentNodes(root), s.places); err != nil {
		return nil, err
	}
	m.unread(root, "")
	f.Warnings = m.warnings
	return f, nil
}

// namedDialect explains the failure of a file of another dialect, which is
// often a MIME message and no XML, by the dialect.
func namedDialect(skeleton []byte, err error) error {
	head := skeleton[:min(len(skeleton), splitBuffer)]
	if bytes.Contains(head, []byte(Namespace)) {
		return err
	}
	for _, other := range otherDialects {
		if bytes.Contains(head, []byte(other.namespace)) {
			return errDialect(other.code, "", other.namespace).Because(err)
		}
	}
	return err
}

// contentNodes finds the elements whose text was taken out, as the splitter
// found them.
func contentNodes(root *node) []*node {
	level := []*node{root}
	if root.name.Local != contentPath[0] {
		return nil
	}
	for _, local := range contentPath[1:] {
		var next []*node
		for _, n := range level {
			for _, c := range n.children {
				if c.name.Local == local {
					next = append(next, c)
				}
			}
		}
		level = next
	}
	return level
}

// attachments joins the Attachment elements with the contents that were staged
// and with the manifest.
func (m *mapper) attachments(msg Message, nodes []*node, places []*place) ([]Attachment, error) {
	index := map[*node]int{}
	for i, n := range nodes {
		index[n] = i
	}
	d, ok := msg.(*Document)
	if !ok || len(nodes) != len(places) {
		return nil, undecodable(nodes, places, nil)
	}
	names := map[int]string{}
	embedded := make([]Attachment, len(d.Embedded))
	for i, r := range d.Embedded {
		texts := m.attached[i].all("ContentTransferEncoded")
		if len(texts) == 0 {
			return nil, errNoAttachment(r)
		}
		if len(texts) > 1 {
			m.warn(WarnRepeated, "ContentTransferEncoded", r.Name)
		}
		n := index[texts[0]]
		names[n] = r.Name
		p := places[n]
		embedded[i] = Attachment{Reference: r, Content: n, Size: p.content.size, SHA256: p.content.sum()}
		if p.content.size == 0 {
			m.warn(WarnEmpty, "ContentTransferEncoded", label(r.Name, n+1))
		}
	}
	if err := undecodable(nodes, places, names); err != nil {
		return nil, err
	}
	return listed(d.Manifest, embedded), nil
}

// undecodable refuses contents that are no base64, by the name of the first.
func undecodable(nodes []*node, places []*place, names map[int]string) error {
	if len(nodes) != len(places) {
		return errPlaces(len(nodes), len(places))
	}
	for i, p := range places {
		if p.content.bad {
			return errUndecodable(label(names[i], i+1))
		}
	}
	return nil
}

// listed puts attachments into the order of the manifest. The nth reference to
// an id gets the nth attachment of it, or the first when there are fewer.
func listed(manifest []Reference, embedded []Attachment) []Attachment {
	var out []Attachment
	used := make([]bool, len(embedded))
	for _, r := range manifest {
		found := -1
		for i, a := range embedded {
			if a.ContentID == r.ContentID && (found < 0 || !used[i]) {
				if found = i; !used[i] {
					break
				}
			}
		}
		used[found] = true
		a := embedded[found]
		a.Listed = true
		if a.Name == "" {
			a.Name = r.Name
		}
		out = append(out, a)
	}
	for i, a := range embedded {
		if !used[i] {
			out = append(out, a)
		}
	}
	return out
}

// addressed warns when none of the reading office's codes is among the
// recipients.
func (m *mapper) addressed(d *Document) {
	if len(m.office) == 0 {
		return
	}
	for _, to := range d.To {
		for _, code := range m.office {
			if strings.EqualFold(strings.TrimSpace(to.ID), strings.TrimSpace(code)) {
				return
			}
		}
	}
	m.warn(WarnRecipient, "To", m.office[0])
}
