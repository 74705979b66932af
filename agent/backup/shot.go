package backup

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Form is what a database looks like that is saved.
type Form struct {
	Schemas []sqlite.Schema
	Content []string // queries of digest and size: which files of content it refers to
}

// maxLine bounds a line of a list of content, in bytes.
const maxLine = 128

// Contents checks a database that nobody has open and lists the files it refers to.
func Contents(ctx context.Context, path string, queries []string, o sqlite.Options) (list []blob.Content, err error) {
	db, err := sqlite.Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.Check(ctx); err != nil {
		return nil, err
	}
	err = db.View(ctx, func(tx *sqlite.Tx) (err error) {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, c *blob.Content) error {
			return rows.Scan(sqlite.Digest(&c.SHA256), &c.Size)
		}, strings.Join(queries, ` UNION `)+` ORDER BY 1, 2`)
		return err
	})
	return list, err
}

// Total is the size of all content of a list.
func Total(list []blob.Content) (n int64) {
	for _, c := range list {
		n += c.Size
	}
	return n
}

// EncodeList writes a list of content, a line "SHA-256 size" for each.
func EncodeList(list []blob.Content) []byte {
	var text bytes.Buffer
	for _, c := range list {
		fmt.Fprintf(&text, "%x %d\n", c.SHA256, c.Size)
	}
	return text.Bytes()
}

// DecodeList reads what EncodeList wrote.
func DecodeList(data []byte) (list []blob.Content, err error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		c, err := decodeLine(lines.Text())
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, lines.Err()
}

func decodeLine(line string) (c blob.Content, err error) {
	name, size, _ := strings.Cut(line, " ")
	raw, err := hex.DecodeString(name)
	if err != nil || len(raw) != len(c.SHA256) {
		return c, fmt.Errorf("list of content: %q", line)
	}
	copy(c.SHA256[:], raw)
	if c.Size, err = strconv.ParseInt(size, 10, 64); err != nil || c.Size <= 0 {
		return c, fmt.Errorf("list of content: %q", line)
	}
	return c, nil
}

// Discard removes a database that nobody needs, with what may lie beside it.
func Discard(path string) error {
	var errs []error
	for _, end := range []string{"", "-journal", "-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
