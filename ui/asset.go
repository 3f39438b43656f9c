package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// AssetsPath is the path under which [Assets] is to be mounted.
const AssetsPath = "/assets/"

// ContentSecurityPolicy is the policy under which every page made of this
// package works: nothing inline, nothing from elsewhere.
const ContentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; " +
	"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

//go:embed assets/*.css assets/*.js assets/*.woff2 assets/*.svg assets/*.txt
var files embed.FS

// asset is one file as it is served.
type asset struct {
	url         string // with the content's hash in it
	contentType string
	etag        string
	plain       []byte
	gzipped     []byte // nil if compressing does not pay
}

// shelf holds the assets by name and by URL. It does not change after it is made.
type shelf struct {
	byName map[string]*asset
	byURL  map[string]*asset
}

// assets reads the embedded files, hashes and compresses them, once.
var assets = sync.OnceValue(func() shelf {
	s, err := stock(files)
	if err != nil {
		panic(fmt.Sprintf("embedded assets: %v", err)) // the tests prove it impossible
	}
	return s
})

// Asset is the URL of the asset of that name, such as "portico.css". It holds
// a hash of the content, so it may be cached for ever. An unknown name panics:
// it is a mistake in a page, which the first rendering finds.
func Asset(name string) string {
	a, ok := assets().byName[name]
	if !ok {
		panic(fmt.Sprintf("ui.Asset: no asset %q", name))
	}
	return a.url
}

// Assets serves the assets below [AssetsPath]: style sheet, scripts, fonts
// and their licences. Only URLs made by [Asset] are found. Safe for concurrent use.
func Assets() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := assets().byURL[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		a.serve(w, r)
	})
}

func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	body, etag := a.plain, a.etag
	if a.gzipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body, etag = a.gzipped, strings.TrimSuffix(etag, `"`)+`-gz"`
		}
	}
	h.Set("ETag", etag)
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body) // the reader may have gone; nothing is to be done about it
	}
}

// acceptsGzip reads an Accept-Encoding header (RFC 9110, 12.5.3).
func acceptsGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		coding, params, _ := strings.Cut(part, ";")
		if coding = strings.TrimSpace(coding); coding != "gzip" && coding != "*" {
			continue
		}
		q, found := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || (err == nil && weight > 0)
	}
	return false
}

// matches says whether an If-None-Match header names etag.
func matches(header, etag string) bool {
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}

// stock reads every file of fsys. The style sheet comes last: where it names
// another file, it gets that file's hashed name.
func stock(fsys fs.FS) (shelf, error) {
	s := shelf{byName: map[string]*asset{}, byURL: map[string]*asset{}}
	names, err := fs.Glob(fsys, "assets/*.*")
	if err != nil {
		return s, err
	}
	for _, sheets := range []bool{false, true} {
		for _, name := range names {
			if (path.Ext(name) == ".css") != sheets {
				continue
			}
			content, err := fs.ReadFile(fsys, name)
			if err != nil {
				return s, err
			}
			if err := s.add(path.Base(name), content, sheets); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

func (s shelf) add(name string, content []byte, sheet bool) error {
	contentType, ok := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
		".txt": "text/plain; charset=utf-8", ".woff2": "font/woff2",
	}[path.Ext(name)]
	if !ok {
		return fmt.Errorf("%s: no content type for it", name)
	}
	if sheet {
		for other, a := range s.byName {
			content = bytes.ReplaceAll(content, []byte(`url("`+other+`")`), []byte(`url("`+path.Base(a.url)+`")`))
		}
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:8])
	ext := path.Ext(name)
	a := &asset{url: AssetsPath + strings.TrimSuffix(name, ext) + "." + hash + ext, contentType: contentType, etag: `"` + hash + `"`, plain: content}
	if packed, err := pack(content); err != nil {
		return err
	} else if len(packed) < len(content)*9/10 {
		a.gzipped = packed
	}
	s.byName[name], s.byURL[a.url] = a, a
	return nil
}

func pack(content []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
