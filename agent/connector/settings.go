package connector

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Words is a setting with several words: a JSON list, or one text with commas.
type Words []string

// UnmarshalJSON implements [json.Unmarshaler].
func (w *Words) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err == nil {
		*w = list
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*w = nil
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*w = append(*w, word)
		}
	}
	return nil
}

// Span reads a setting that is a duration, "" for the usual one. One outside of
// the bounds is a problem.
func Span(setting, value string, usual, least, most time.Duration) (time.Duration, error) {
	if value == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < least || d > most {
		return 0, Fault(setting, value, fmt.Sprintf("%v … %v", least, most))
	}
	return d, nil
}

// maxRoots bounds a file of certificates, in bytes.
const maxRoots = 1 << 20

// Roots reads a setting that names a file with certificates of authorities, in
// PEM. "" is nil, which means those of the system.
func Roots(setting, path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	if !filepath.IsAbs(path) {
		return nil, Fault(setting, path, "/…/ca.crt")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, Fault(setting, path, "/…/ca.crt (PEM)").Because(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRoots))
	if err != nil {
		return nil, Fault(setting, path, "/…/ca.crt (PEM)").Because(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, Fault(setting, path, "-----BEGIN CERTIFICATE-----")
	}
	return pool, nil
}
