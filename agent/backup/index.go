package backup

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage/blob"
)

const (
	// magic begins the index of a backup, with the version of the form.
	magic = "tram-backup"
	// Version of the form.
	version = 1
	// stamp is how a backup is named by its time.
	stamp = "20060102T150405Z"
	// maxRecord bounds the line of the record, in bytes.
	maxRecord = 64 << 10
	// MaxContent bounds how many files a backup lists.
	MaxContent = 4_000_000
)

// Folders of a store.
const (
	keysFolder    = "keys"
	indexFolder   = "s"
	dataFolder    = "d"
	contentFolder = "b"
)

// stored describes a file of a store as it lies there.
type stored struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// record is what an index says of its backup.
type record struct {
	Code     string    `json:"code"` // of the office
	Name     string    `json:"name"`
	Hub      string    `json:"hub"`
	Made     time.Time `json:"made"` // as of when
	Software string    `json:"software"`
	Database stored    `json:"database"`
	Plain    int64     `json:"plain"` // bytes of the database
	Files    stored    `json:"files"` // keys, settings and drafts
	Content  int       `json:"content"`
}

// index is one backup.
type index struct {
	record
	list []blob.Content
}

// encode writes an index: a line with the key's word for all that follows, the record,
// and a line for each file of content.
func (x index) encode(k *Key) ([]byte, error) {
	x.Content = len(x.list)
	head, err := json.Marshal(x.record)
	if err != nil {
		return nil, err
	}
	body := append(append(head, '\n'), EncodeList(x.list)...)
	return append(fmt.Appendf(nil, "%s %d %x\n", magic, version, k.mac(body)), body...), nil
}

// errIndex says that an index is not what its key has written.
var errIndex = errors.New("index of a backup")

// decodeIndex reads what encode wrote. Problem: backup.version.
func decodeIndex(r io.Reader, k *Key) (x index, err error) {
	lines := bufio.NewReaderSize(r, maxRecord)
	first, err := lines.ReadSlice('\n')
	if err != nil {
		return x, fmt.Errorf("%w: %w", errIndex, err)
	}
	var known string
	var v int
	var mac []byte
	if n, err := fmt.Sscanf(string(first), "%11s %d %x\n", &known, &v, &mac); known != magic || n < 2 {
		return x, fmt.Errorf("%w: it begins with %q (%w)", errIndex, cut(first), errors.Join(err))
	}
	if v != version {
		return x, problem.New(problem.BadSeal, "backup.version", "", i18n.Args{"version": v, "known": version})
	}
	sum := k.sum()
	head, err := lines.ReadSlice('\n')
	if err != nil {
		return x, fmt.Errorf("%w: %w", errIndex, err)
	}
	sum.Write(head)
	if err := json.Unmarshal(head, &x.record); err != nil {
		return x, fmt.Errorf("%w: %w", errIndex, err)
	}
	for {
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil || len(line) > maxLine || len(x.list) == MaxContent {
			return x, fmt.Errorf("%w: a line of content: %w", errIndex, errors.Join(err))
		}
		sum.Write(line)
		c, err := decodeLine(strings.TrimSuffix(string(line), "\n"))
		if err != nil {
			return x, fmt.Errorf("%w: %w", errIndex, err)
		}
		x.list = append(x.list, c)
	}
	if !hmac.Equal(sum.Sum(nil), mac) || len(x.list) != x.Content {
		return x, fmt.Errorf("%w: it is not as its key has written it", errIndex)
	}
	return x, nil
}

func cut(b []byte) string { return string(bytes.TrimSpace(b[:min(len(b), 40)])) }

// hexOf is the form of digests in records.
func hexOf(sum []byte) string { return hex.EncodeToString(sum) }
