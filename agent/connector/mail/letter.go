package mail

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"tram/agent/clock"
	"tram/agent/office"
	"tram/storage"
)

// letter is a mail that is about to be written.
type letter struct {
	key      string // names it, the same each time; its Message-ID
	subject  string
	urgency  office.Urgency
	document storage.ID
	edxmlID  string
	// words is the text, with or without attachments.
	words func(attached bool) string
	files []office.Attachment
}

// letter is the mail of a document that has arrived.
func (m *mailer) letter(e office.Entry, doc office.Document) letter {
	sum := sha256.Sum256([]byte(e.Cursor + "\x00" + m.env.Name + "\x00" + m.env.Office.Code))
	return letter{
		key: hex.EncodeToString(sum[:16]), subject: subject(doc), urgency: doc.Urgency, document: doc.ID, edxmlID: doc.EdXMLID,
		words: func(attached bool) string { return m.words(doc, attached) }, files: doc.Attachments,
	}
}

// trial is a mail that shows whether the server takes any.
func (m *mailer) trial() letter {
	id := uuid.New()
	return letter{key: hex.EncodeToString(id[:]), subject: both("mail.trial", nil, " – "), words: func(bool) string { return m.trialWords() }}
}

// lineLength is the length of lines of base64, in bytes.
const lineLength = 76

// overhead bounds what of a mail is neither text nor content of attachments, for
// each part, in bytes.
const overhead = 4 << 10

// size bounds a letter with its attachments, in bytes as they travel.
func (l letter) size() int64 {
	n := int64(overhead + 3*len(l.words(true)))
	for _, f := range l.files {
		encoded := (f.Size + 2) / 3 * 4
		n += encoded + encoded/lineLength*2 + overhead + int64(9*len(f.Name))
	}
	return n
}

// write writes a letter to the people named.
func (m *mailer) write(ctx context.Context, w io.Writer, l letter, attached bool) error {
	boundary := "=_tram_" + l.key // "=_" stands in no quoted-printable and no base64
	var head strings.Builder
	field := func(name, value string) { fmt.Fprintf(&head, "%s: %s\r\n", name, value) }
	field("Date", m.env.Now().In(clock.Vietnam).Format(time.RFC1123Z))
	field("From", sender(m.env.Office.Name, m.from))
	field("To", strings.Join(m.to, ",\r\n "))
	field("Message-ID", "<"+l.key+"@"+m.from[strings.LastIndexByte(m.from, '@')+1:]+">")
	field("Subject", encoded(l.subject))
	if l.edxmlID != "" {
		field("X-Tram-Document", l.document.String())
		field("X-Tram-DocumentId", encoded(l.edxmlID))
	}
	field("Auto-Submitted", "auto-generated") // RFC 3834
	field("X-Auto-Response-Suppress", "All")
	switch l.urgency {
	case office.HoaToc, office.ThuongKhan:
		field("X-Priority", "1 (Highest)")
		field("Importance", "high")
	case office.Khan:
		field("X-Priority", "2 (High)")
		field("Importance", "high")
	}
	field("MIME-Version", "1.0")
	field("Content-Type", `multipart/mixed;`+"\r\n boundary=\""+boundary+`"`)
	if _, err := io.WriteString(w, head.String()+"\r\n"); err != nil {
		return err
	}
	parts := multipart.NewWriter(w)
	if err := parts.SetBoundary(boundary); err != nil {
		return err
	}
	if err := writeText(parts, l.words(attached)); err != nil {
		return err
	}
	if attached {
		for _, f := range l.files {
			if err := m.attach(ctx, parts, l.document, f); err != nil {
				return fmt.Errorf("attach: %w", err)
			}
		}
	}
	return parts.Close()
}

func writeText(parts *multipart.Writer, text string) error {
	part, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type": {"text/plain; charset=utf-8"}, "Content-Transfer-Encoding": {"quoted-printable"}, "Content-Language": {"vi, en"},
	})
	if err != nil {
		return err
	}
	q := quotedprintable.NewWriter(part)
	if _, err := io.WriteString(q, strings.ReplaceAll(text, "\n", "\r\n")); err != nil {
		return err
	}
	return q.Close()
}

// attach writes one attachment as it is read.
func (m *mailer) attach(ctx context.Context, parts *multipart.Writer, document storage.ID, f office.Attachment) error {
	_, content, err := m.env.Desk.Open(ctx, document, f.Index)
	if err != nil {
		return err
	}
	defer content.Close()
	part, err := parts.CreatePart(textproto.MIMEHeader{
		"Content-Type": {mediaType(f.Type)}, "Content-Transfer-Encoding": {"base64"},
		"Content-Disposition": {"attachment" + parameter("filename", oneLine(f.Name))},
	})
	if err != nil {
		return err
	}
	lines := &breaker{w: part}
	encoder := base64.NewEncoder(base64.StdEncoding, lines)
	n, err := io.Copy(encoder, content)
	if err != nil {
		return err
	}
	if n != f.Size {
		return fmt.Errorf("%w: %d of %d bytes", io.ErrUnexpectedEOF, n, f.Size)
	}
	return encoder.Close()
}

// breaker ends lines after lineLength bytes.
type breaker struct {
	w    io.Writer
	used int
}

// Write implements [io.Writer].
func (b *breaker) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if b.used == lineLength {
			if _, err := io.WriteString(b.w, "\r\n"); err != nil {
				return n, err
			}
			b.used = 0
		}
		k, err := b.w.Write(p[:min(len(p), lineLength-b.used)])
		n, b.used, p = n+k, b.used+k, p[k:]
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// mediaType is a type that a part in base64 may have.
func mediaType(text string) string {
	t, _, err := mime.ParseMediaType(text)
	if err != nil || strings.HasPrefix(t, "multipart/") || strings.HasPrefix(t, "message/") {
		return "application/octet-stream"
	}
	return t
}

// oneLine is a text of somebody else for one line of a header or of the text.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
}

// encoded is a text as the value of a header: as it is, or in encoded words (RFC
// 2047), a line each.
func encoded(text string) string {
	if text = strings.TrimSpace(oneLine(text)); plain(text) {
		return text
	}
	return encodedWords(text)
}

// sender is the value of From.
func sender(name, address string) string {
	if name = strings.TrimSpace(oneLine(name)); plain(name) {
		return (&mail.Address{Name: name, Address: address}).String()
	}
	return encodedWords(name) + "\r\n <" + address + ">"
}

// plain reports whether a text can stand in a header as it is.
func plain(text string) bool {
	ascii := !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x7f })
	return ascii && len(text) <= plainLength && !strings.Contains(text, "=?")
}

func encodedWords(text string) string {
	var words []string
	word := ""
	flush := func() {
		if word != "" {
			words = append(words, "=?utf-8?B?"+base64.StdEncoding.EncodeToString([]byte(word))+"?=")
		}
		word = ""
	}
	for _, r := range text {
		if len(word)+len(string(r)) > wordLength {
			flush()
		}
		word += string(r)
	}
	flush()
	return strings.Join(words, "\r\n ")
}

// plainLength is the longest value of a header on one line, wordLength what goes
// into an encoded word, in bytes: so it stays within 75 characters.
const (
	plainLength = 200
	wordLength  = 45
)

// segment is the longest part of a parameter on one line, in bytes.
const segment = 60

// parameter is a parameter of a header (RFC 2231), with what separates it from
// what stands before.
func parameter(name, value string) string {
	var coded []string // a character each
	for _, r := range value {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-._", r)) {
			coded = append(coded, string(r))
			continue
		}
		word := ""
		for _, b := range []byte(string(r)) {
			word += fmt.Sprintf("%%%02X", b)
		}
		coded = append(coded, word)
	}
	lines := []string{"utf-8''"}
	for _, c := range coded {
		last := len(lines) - 1
		if len(lines[last])+len(c) > segment {
			lines = append(lines, "")
			last++
		}
		lines[last] += c
	}
	if len(lines) == 1 {
		return ";\r\n " + name + "*=" + lines[0]
	}
	var out strings.Builder
	for i, line := range lines {
		fmt.Fprintf(&out, ";\r\n %s*%d*=%s", name, i, line)
	}
	return out.String()
}
