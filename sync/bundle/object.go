package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"tram/storage"
)

const (
	// zstdWindow bounds how far back compressed data may refer, and so the
	// memory of both sides. Readers refuse frames that ask for more.
	zstdWindow = 256 << 10
	// sampleSize is how much of a content is compressed to see if it pays.
	sampleSize = 64 << 10
	// worthPercent is the largest compressed size of the sample, in percent,
	// at which compression is used.
	worthPercent = 97
)

// compressor is what encrypting one object needs in memory.
type compressor struct {
	enc    *zstd.Encoder
	sample [sampleSize]byte
}

var compressors = sync.Pool{New: func() any {
	return &compressor{enc: must(zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true),
		zstd.WithWindowSize(zstdWindow)))}
}}

var decompressors = sync.Pool{New: func() any {
	return must(zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(zstdWindow),
		zstd.WithDecoderMaxWindow(zstdWindow)))
}}

// Encrypt reads src to its end and writes it to dst as it travels: compressed
// when a sample of it shrinks by 3 % or more, then age-encrypted to the key. It
// tells which encoding it chose. Memory is constant. The slips object is not
// for Encrypt: it travels as [EncodeSlips] gives it.
func (k Key) Encrypt(dst io.Writer, src io.Reader, role Role) (Encoding, error) {
	if role == RoleSlips {
		return 0, fmt.Errorf("encrypt object: %w", malformed("role", "slips are not encrypted"))
	}
	if k.id == nil {
		return 0, fmt.Errorf("encrypt object: %w: no bundle key", ErrKey)
	}
	c := compressors.Get().(*compressor)
	defer compressors.Put(c)
	n, err := io.ReadFull(src, c.sample[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return 0, fmt.Errorf("encrypt object: %w", err)
	}
	sample, rest := c.sample[:n], src
	if err != nil {
		rest = nil // the sample is all there is
	}
	sealed, err := age.Encrypt(dst, k.id.Recipient())
	if err != nil {
		return 0, fmt.Errorf("encrypt object: %w", err)
	}
	encoding := Plain
	if c.worth(sample) {
		encoding = Zstd
		err = c.copy(sealed, sample, rest)
	} else {
		err = copyAll(sealed, sample, rest)
	}
	if err != nil {
		return 0, fmt.Errorf("encrypt object: %w", err)
	}
	if err := sealed.Close(); err != nil {
		return 0, fmt.Errorf("encrypt object: %w", err)
	}
	return encoding, nil
}

// EncryptBytes is [Key.Encrypt] for small contents. It gives the bytes as they
// travel and their description for the header.
func (k Key) EncryptBytes(plain []byte, role Role) ([]byte, Object, error) {
	var sealed bytes.Buffer
	encoding, err := k.Encrypt(&sealed, bytes.NewReader(plain), role)
	if err != nil {
		return nil, Object{}, err
	}
	return sealed.Bytes(), Describe(sealed.Bytes(), role, encoding), nil
}

// Describe gives the header's entry for an object whose bytes are at hand.
func Describe(sent []byte, role Role, encoding Encoding) Object {
	return Object{SHA256: sha256.Sum256(sent), Size: int64(len(sent)), Role: role, Encoding: encoding}
}

// worth compresses the sample and tells whether that pays.
func (c *compressor) worth(sample []byte) bool {
	if len(sample) == 0 {
		return false
	}
	var count counter
	c.enc.Reset(&count)
	if _, err := c.enc.Write(sample); err != nil {
		return false
	}
	if err := c.enc.Close(); err != nil {
		return false
	}
	return int64(count)*100 <= int64(len(sample))*worthPercent
}

func (c *compressor) copy(dst io.Writer, sample []byte, rest io.Reader) error {
	c.enc.Reset(dst)
	defer c.enc.Reset(nil)
	if err := copyAll(c.enc, sample, rest); err != nil {
		return err
	}
	return c.enc.Close()
}

func copyAll(dst io.Writer, first []byte, rest io.Reader) error {
	if _, err := dst.Write(first); err != nil {
		return err
	}
	if rest == nil {
		return nil
	}
	_, err := io.Copy(dst, rest)
	return err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// Decrypt gives the content of an object as a stream. src must give the bytes
// as they travelled; o is the header's entry for them; max bounds the content,
// in bytes. Memory is constant.
//
// What was read counts only when the reader has said io.EOF: before that it
// may still report [ErrMalformed] for altered or missing bytes, or
// [ErrTooLarge] after max bytes. Errors of src itself are passed on as they
// are. [ErrKey] says that this is not the object's key.
func (k Key) Decrypt(src io.Reader, o Object, max int64) (io.Reader, error) {
	if k.id == nil {
		return nil, fmt.Errorf("decrypt object: %w: no bundle key", ErrKey)
	}
	if o.Role == RoleSlips {
		return nil, fmt.Errorf("decrypt object: %w", malformed("role", "slips are not encrypted"))
	}
	if o.Encoding > Zstd {
		return nil, fmt.Errorf("decrypt object: %w", malformed("encoding", "is unknown"))
	}
	tracked := &storage.Source{R: src}
	plain, err := age.Decrypt(tracked, k.id)
	if err != nil {
		return nil, fmt.Errorf("decrypt object: %w", explain(tracked, err, ageError))
	}
	c := &content{src: tracked, r: plain, left: max}
	if o.Encoding == Zstd {
		c.dec = decompressors.Get().(*zstd.Decoder)
		if err := c.dec.Reset(plain); err != nil {
			return nil, fmt.Errorf("decrypt object: %w", explain(tracked, err, contentError))
		}
		c.r = c.dec
	}
	return c, nil
}

// DecryptBytes is [Key.Decrypt] for small contents.
func (k Key) DecryptBytes(sent []byte, o Object, max int64) ([]byte, error) {
	r, err := k.Decrypt(bytes.NewReader(sent), o, max)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// content is the stream of one decrypted object.
type content struct {
	src  *storage.Source
	r    io.Reader
	dec  *zstd.Decoder // nil when not compressed, or given back
	left int64
	err  error
}

func (c *content) Read(p []byte) (int, error) {
	if c.err != nil || len(p) == 0 {
		return 0, c.err
	}
	if int64(len(p))-1 > c.left {
		p = p[:c.left+1] // one byte more than allowed shows an excess
	}
	n, err := c.r.Read(p)
	if int64(n) > c.left {
		n, err = int(c.left), tooLarge("content", c.left+1, c.left)
	}
	c.left -= int64(n)
	if err != nil {
		c.end(err)
	}
	return n, c.err
}

func (c *content) end(err error) {
	switch {
	case errors.Is(err, ErrTooLarge):
		c.err = fmt.Errorf("decrypt object: %w: content is larger than allowed", ErrTooLarge)
	case err == io.EOF: // wrapped, it would mean that bytes are missing
		c.err = io.EOF
	default:
		c.err = fmt.Errorf("decrypt object: %w", explain(c.src, err, contentError))
	}
	if c.dec != nil && c.dec.Reset(nil) == nil {
		decompressors.Put(c.dec)
	}
	c.dec, c.r = nil, nil
}

func contentError(err error) error { return fmt.Errorf("%w: %w", ErrMalformed, err) }

// explain tells that reading itself failed from what was read being bad.
func explain(src *storage.Source, err error, sort func(error) error) error {
	if src.Err != nil {
		return src.Err
	}
	return sort(err)
}
