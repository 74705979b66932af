package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets/*.css assets/*.js templates/*.html
var files embed.FS

// Files are the templates and assets of every site, for tests.
func Files() fs.FS { return files }

const assetPath = "/tinh/"

// scripts become one file in this order, for every page.
var scripts = []string{"partial.js", "live.js", "keys.js"}

// common is the style sheet of every page. The other sheets and scripts are of
// some pages only, which name them.
const common = "app.css"

// assets are style sheets and scripts under names that carry their digest, so
// that browsers keep them for good.
type assets struct {
	css, js string            // addresses of those of every page
	of      map[string]string // addresses of the others, by file name such as paper.css
	byName  map[string]asset
}

type asset struct {
	kind  string
	plain []byte
	gzip  func() []byte // packed when it is first asked for
}

func loadAssets(own fs.FS) (*assets, error) {
	a := &assets{of: map[string]string{}, byName: map[string]asset{}}
	var js bytes.Buffer
	for _, name := range scripts {
		part, err := fs.ReadFile(files, "assets/"+name)
		if err != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		js.Write(squeeze(part))
	}
	a.js = a.add("app.js", js.Bytes())
	for _, from := range []fs.FS{files, own} {
		if err := a.addAll(from); err != nil {
			return nil, err
		}
	}
	a.css = a.of[common]
	return a, nil
}

// addAll adds the assets in from but the scripts of every page.
func (a *assets) addAll(from fs.FS) error {
	names, err := fs.Glob(from, "assets/*")
	if err != nil {
		return fmt.Errorf("list assets: %w", err)
	}
	for _, file := range names {
		name := path.Base(file)
		if slices.Contains(scripts, name) {
			continue
		}
		data, err := fs.ReadFile(from, file)
		if err != nil {
			return fmt.Errorf("read asset: %w", err)
		}
		if data = squeeze(data); path.Ext(name) == ".css" {
			data = oneLine(data)
		}
		a.of[name] = a.add(name, data)
	}
	return nil
}

// Assets are the addresses of the files by their names.
func (s *Site) Assets() map[string]string {
	all := maps.Clone(s.assets.of)
	all["app.js"] = s.assets.js
	return all
}

// Asset is one of the files as browsers get it, by its address.
func (s *Site) Asset(address string) []byte {
	return s.assets.byName[strings.TrimPrefix(address, assetPath)].plain
}

// Style is the address of the pages' style sheet, for pages that others serve
// beside them.
func Style() (string, error) {
	a, err := loadAssets(files)
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

// oneLine joins a squeezed style sheet, whose lines end where the next may follow
// at once.
func oneLine(css []byte) []byte { return bytes.ReplaceAll(css, []byte("\n"), nil) }

// add keeps data under the name of its source and its digest.
func (a *assets) add(name string, data []byte) string {
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	kind := "text/css; charset=utf-8"
	if ext == ".js" {
		kind = "text/javascript; charset=utf-8"
	}
	file := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	a.byName[file] = asset{kind: kind, plain: data, gzip: sync.OnceValue(func() []byte { return pack(data) })}
	return assetPath + file
}

// pack compresses for browsers as well as it can be done.
func pack(data []byte) []byte {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		panic(err) // the level exists
	}
	_, _ = z.Write(data) // a Buffer takes everything
	_ = z.Close()
	return packed.Bytes()
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
		body = file.gzip()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
