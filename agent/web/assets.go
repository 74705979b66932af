package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

//go:embed assets/*.css assets/*.js
var assetFiles embed.FS

const assetPath = "/tinh/"

// scripts become one file in this order.
var scripts = []string{"partial.js", "upload.js", "live.js", "keys.js"}

// assets are the style sheet and the script under names that carry their
// digest, so that browsers keep them for good.
type assets struct {
	css, js string // addresses
	sign    string // of the script of the signing page
	paper   string // of the style of sheets of paper, which other pages do not load
	byName  map[string]asset
}

type asset struct {
	kind        string
	plain, gzip []byte
}

func loadAssets() (*assets, error) {
	a := &assets{byName: map[string]asset{}}
	css, err := assetFiles.ReadFile("assets/app.css")
	if err != nil {
		return nil, fmt.Errorf("read style sheet: %w", err)
	}
	var js bytes.Buffer
	for _, name := range scripts {
		part, err := assetFiles.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		js.Write(squeeze(part))
	}
	paper, err := assetFiles.ReadFile("assets/paper.css")
	if err != nil {
		return nil, fmt.Errorf("read style sheet: %w", err)
	}
	if a.css, err = a.add("app", ".css", "text/css; charset=utf-8", oneLine(css)); err != nil {
		return nil, err
	}
	if a.paper, err = a.add("paper", ".css", "text/css; charset=utf-8", oneLine(paper)); err != nil {
		return nil, err
	}
	if a.js, err = a.add("app", ".js", "text/javascript; charset=utf-8", js.Bytes()); err != nil {
		return nil, err
	}
	sign, err := assetFiles.ReadFile("assets/sign.js")
	if err != nil {
		return nil, fmt.Errorf("read script: %w", err)
	}
	if a.sign, err = a.add("sign", ".js", "text/javascript; charset=utf-8", squeeze(sign)); err != nil {
		return nil, err
	}
	return a, nil
}

// Style is the address of the pages' style sheet, for pages that others serve
// beside them.
func Style() (string, error) {
	a, err := loadAssets()
	if err != nil {
		return "", err
	}
	return a.css, nil
}

// squeeze drops indentation, blank lines and lines that are comments only.
func squeeze(src []byte) []byte {
	var out bytes.Buffer
	for line := range strings.Lines(string(src)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "//") || strings.HasPrefix(line, "/*") && strings.HasSuffix(line, "*/") {
			continue
		}
		out.WriteString(line)
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// oneLine squeezes a style sheet, whose lines end where the next may follow at
// once.
func oneLine(css []byte) []byte { return bytes.ReplaceAll(squeeze(css), []byte("\n"), nil) }

func (a *assets) add(name, ext, kind string, data []byte) (string, error) {
	sum := sha256.Sum256(data)
	file := name + "." + hex.EncodeToString(sum[:6]) + ext
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return "", fmt.Errorf("pack %s: %w", file, err)
	}
	if _, err := z.Write(data); err != nil {
		return "", fmt.Errorf("pack %s: %w", file, err)
	}
	if err := z.Close(); err != nil {
		return "", fmt.Errorf("pack %s: %w", file, err)
	}
	a.byName[file] = asset{kind: kind, plain: data, gzip: packed.Bytes()}
	return assetPath + file, nil
}

// ServeHTTP sends an asset, packed when the browser takes that.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	file, ok := a.byName[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", file.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body := file.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = file.gzip
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
