package ui_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"portico/ui"
)

func fetch(t *testing.T, method, url string, header ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, url, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	ui.Assets().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAssetsAreServedWithTheirTypeAndMayBeKeptForEver(t *testing.T) {
	for name, contentType := range map[string]string{
		"portico.css":                        "text/css; charset=utf-8",
		"portico.js":                         "text/javascript; charset=utf-8",
		"htmx.min.js":                        "text/javascript; charset=utf-8",
		"idiomorph.min.js":                   "text/javascript; charset=utf-8",
		"sse.min.js":                         "text/javascript; charset=utf-8",
		"favicon.svg":                        "image/svg+xml",
		"chevron.svg":                        "image/svg+xml",
		"geist-latin-wght-normal.woff2":      "font/woff2",
		"geist.LICENSE.txt":                  "text/plain; charset=utf-8",
		"geist-mono-latin-wght-normal.woff2": "font/woff2",
	} {
		t.Run(name, func(t *testing.T) {
			url := ui.Asset(name)
			ext := filepath.Ext(name)
			if !regexp.MustCompile(`^/assets/` + regexp.QuoteMeta(strings.TrimSuffix(name, ext)) + `\.[0-9a-f]{16}\` + ext + `$`).MatchString(url) {
				t.Errorf("url %q has no hash of the content", url)
			}
			res := fetch(t, "GET", url)
			for key, want := range map[string]string{
				"Content-Type": contentType, "Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff",
			} {
				if got := res.Header.Get(key); got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
			want, err := os.ReadFile("assets/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if got := body(t, res); name != "portico.css" && !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want the %d of the file", len(got), len(want))
			}
		})
	}
}

func TestAssetsAreCompressedForThoseWhoAcceptIt(t *testing.T) {
	url := ui.Asset("portico.css")
	plain := body(t, fetch(t, "GET", url))
	for _, c := range []struct {
		accept  string
		gzipped bool
	}{
		{"", false},
		{"br", false},
		{"gzip;q=0", false},
		{"gzip; q=0", false},
		{"gzip;q=x", false},
		{"gzip", true},
		{"br, gzip", true},
		{"*", true},
		{"gzip;q=0.5", true},
	} {
		t.Run(c.accept, func(t *testing.T) {
			res := fetch(t, "GET", url, "Accept-Encoding", c.accept)
			if got, want := res.Header.Get("Vary"), "Accept-Encoding"; got != want {
				t.Errorf("Vary: got %q, want %q", got, want)
			}
			got := body(t, res)
			if (res.Header.Get("Content-Encoding") == "gzip") != c.gzipped {
				t.Fatalf("Content-Encoding: got %q, want gzip: %v", res.Header.Get("Content-Encoding"), c.gzipped)
			}
			if c.gzipped {
				r, err := gzip.NewReader(bytes.NewReader(got))
				if err != nil {
					t.Fatal(err)
				}
				if len(got) > len(plain)/3 {
					t.Errorf("%d of %d bytes left: hardly compressed", len(got), len(plain))
				}
				if got, err = io.ReadAll(r); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, plain) {
				t.Error("content differs from the plain one")
			}
		})
	}
	if res := fetch(t, "GET", ui.Asset("geist-latin-wght-normal.woff2"), "Accept-Encoding", "gzip"); res.Header.Get("Content-Encoding") != "" {
		t.Error("a font was compressed again")
	}
}

func TestAnAssetThatTheBrowserHasIsNotSentAgain(t *testing.T) {
	url := ui.Asset("portico.js")
	for _, encoding := range []string{"", "gzip"} {
		etag := fetch(t, "GET", url, "Accept-Encoding", encoding).Header.Get("ETag")
		for header, want := range map[string]int{etag: 304, "W/" + etag: 304, `"other", ` + etag: 304, "*": 304, `"other"`: 200, "": 200} {
			res := fetch(t, "GET", url, "Accept-Encoding", encoding, "If-None-Match", header)
			if res.StatusCode != want {
				t.Errorf("%q, encoding %q: got %d, want %d", header, encoding, res.StatusCode, want)
			}
			if n := len(body(t, res)); want == 304 && n > 0 {
				t.Errorf("304 with %d bytes", n)
			}
		}
	}
	if got, other := fetch(t, "GET", url).Header.Get("ETag"), fetch(t, "GET", url, "Accept-Encoding", "gzip").Header.Get("ETag"); got == other {
		t.Errorf("plain and compressed have the same ETag %s", got)
	}
}

func TestOnlyKnownAssetsAndOnlyReading(t *testing.T) {
	url := ui.Asset("portico.css")
	for _, c := range []struct {
		method, url string
		want        int
	}{
		{"GET", url, 200},
		{"HEAD", url, 200},
		{"POST", url, 405},
		{"DELETE", url, 405},
		{"GET", "/assets/portico.css", 404},
		{"GET", "/assets/portico.0000000000000000.css", 404},
		{"GET", "/assets/", 404},
		{"GET", "/assets/../asset.go", 404},
		{"GET", "/assets/get", 404},
		{"GET", url + "/", 404},
	} {
		res := fetch(t, c.method, c.url)
		if res.StatusCode != c.want {
			t.Errorf("%s %s: got %d, want %d", c.method, c.url, res.StatusCode, c.want)
		}
		if n := len(body(t, res)); c.method == "HEAD" && n > 0 {
			t.Errorf("HEAD sent %d bytes", n)
		}
	}
}

func TestUnknownAssetIsAMistakeInThePage(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an unknown name got a URL")
		}
	}()
	ui.Asset("nothing.css")
}

func TestStyleSheetNamesOnlyAssetsThatAreThere(t *testing.T) {
	sheet := string(body(t, fetch(t, "GET", ui.Asset("portico.css"))))
	found := regexp.MustCompile(`url\(([^)]*)\)`).FindAllStringSubmatch(sheet, -1)
	if len(found) < 5 {
		t.Fatalf("got %d urls, want the fonts and the two drawings", len(found))
	}
	for _, m := range found {
		if res := fetch(t, "GET", "/assets/"+strings.Trim(m[1], `"`)); res.StatusCode != 200 {
			t.Errorf("%s: got %d, want 200", m[1], res.StatusCode)
		}
	}
	if strings.Contains(sheet, "data:") || strings.Contains(sheet, "http") || strings.Contains(sheet, "@import") {
		t.Error("the sheet asks for what the content security policy forbids")
	}
}

// TestVendoredFilesAreWhatWasFetched guards the third-party files against edits.
func TestVendoredFilesAreWhatWasFetched(t *testing.T) {
	sums, err := os.Open("assets/vendor.sum")
	if err != nil {
		t.Fatal(err)
	}
	defer sums.Close()
	listed := map[string]bool{}
	for lines := bufio.NewScanner(sums); lines.Scan(); {
		want, name, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			t.Fatalf("not a line of a checksum file: %q", lines.Text())
		}
		content, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Error(err)
			continue
		}
		sum := sha256.Sum256(content)
		if got := hex.EncodeToString(sum[:]); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		listed[filepath.Base(name)] = true
	}
	for _, pattern := range []string{"assets/*.min.js", "assets/*.woff2", "assets/*.txt"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(names), err)
		}
		for _, name := range names {
			if !listed[filepath.Base(name)] {
				t.Errorf("%s is not in vendor.sum", name)
			}
		}
	}
}
