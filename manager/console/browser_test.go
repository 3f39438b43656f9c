package console_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// browser is a person with a cookie jar and without JavaScript. It follows
// redirects after a form, as browsers do.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, base: base, client: &http.Client{Jar: jar}}
}

// answer is a page as it arrived after all redirects.
type answer struct {
	t      *testing.T
	path   string // with query
	status int
	header http.Header
	body   string
}

func (b *browser) send(req *http.Request) answer {
	b.t.Helper()
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatalf("read %s: %v", req.URL, err)
	}
	return answer{b.t, res.Request.URL.RequestURI(), res.StatusCode, res.Header, string(body)}
}

func (b *browser) request(method, path, contentType string, body io.Reader) *http.Request {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	return req
}

func (b *browser) get(path string) answer {
	b.t.Helper()
	return b.send(b.request(http.MethodGet, path, "", nil))
}

// post sends a form, given as name and value.
func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	return b.send(b.request(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(formOf(pairs...).Encode())))
}

func formOf(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return values
}

// upload sends a form with a file in the field "file"; no name is no file.
func (b *browser) upload(path, fileName, content string, pairs ...string) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i+1 < len(pairs); i += 2 {
		if err := w.WriteField(pairs[i], pairs[i+1]); err != nil {
			b.t.Fatal(err)
		}
	}
	if fileName != "" {
		part, err := w.CreateFormFile("file", fileName)
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := io.WriteString(part, content); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	return b.send(b.request(http.MethodPost, path, w.FormDataContentType(), &body))
}

// shows fails unless the page has the status and all texts, tags left out.
func (a answer) shows(status int, texts ...string) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: got status %d, want %d\n%s", a.path, a.status, status, a.text())
	}
	plain := a.text()
	for _, want := range texts {
		if !strings.Contains(plain, want) {
			a.t.Fatalf("%s: does not show %q\n%s", a.path, want, plain)
		}
	}
	return a
}

// hides fails if the page has one of the texts.
func (a answer) hides(texts ...string) answer {
	a.t.Helper()
	for _, text := range texts {
		if strings.Contains(a.text(), text) {
			a.t.Fatalf("%s: shows %q\n%s", a.path, text, a.text())
		}
	}
	return a
}

// has fails unless the page's source has all these pieces.
func (a answer) has(pieces ...string) answer {
	a.t.Helper()
	for _, want := range pieces {
		if !strings.Contains(a.body, want) {
			a.t.Fatalf("%s: the source does not have %q\n%s", a.path, want, a.body)
		}
	}
	return a
}

var (
	scripts = regexp.MustCompile(`(?s)<(script|style)\b.*?</(script|style)>`)
	tags    = regexp.MustCompile(`(?s)<[^>]*>`)
	spaces  = regexp.MustCompile(`\s+`)
	entity  = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "&#39;", "'", "&quot;", `"`)
)

func (a answer) text() string {
	s := scripts.ReplaceAllString(a.body, " ")
	if _, body, ok := strings.Cut(s, "<body"); ok {
		s = "<body" + body
	}
	return strings.TrimSpace(entity.Replace(spaces.ReplaceAllString(tags.ReplaceAllString(s, " "), " ")))
}

// hidden returns the value of a hidden field.
func (a answer) hidden(name string) string {
	a.t.Helper()
	found := regexp.MustCompile(`<input type="hidden" name="` + regexp.QuoteMeta(name) + `" value="([^"]*)"`).FindStringSubmatch(a.body)
	if found == nil {
		a.t.Fatalf("%s: no hidden field %q", a.path, name)
	}
	return entity.Replace(found[1])
}

// fieldError returns what is said beside a field, which must be marked invalid
// and tied to it for those who do not see it.
func (a answer) fieldError(name string) string {
	a.t.Helper()
	control := regexp.MustCompile(`(?s)<(?:input|select|textarea)[^>]*\bname="` + regexp.QuoteMeta(name) + `"[^>]*>`).FindString(a.body)
	if control == "" {
		a.t.Fatalf("%s: no field %q", a.path, name)
	}
	note := regexp.MustCompile(`aria-describedby="([^"]+)"`).FindStringSubmatch(control)
	if !strings.Contains(control, `aria-invalid="true"`) || note == nil {
		a.t.Fatalf("%s: the field %q is not marked wrong: %s\n%s", a.path, name, control, a.text())
	}
	err := regexp.MustCompile(`(?s)<span class="err" id="` + regexp.QuoteMeta(note[1]) + `">(.*?)</span>\s*</span>`).FindStringSubmatch(a.body)
	if err == nil {
		a.t.Fatalf("%s: nothing is said about %q", a.path, name)
	}
	return strings.TrimSpace(entity.Replace(spaces.ReplaceAllString(tags.ReplaceAllString(err[1], " "), " ")))
}

// links returns the paths of this site that the page links to.
func (a answer) links() []string {
	var out []string
	for _, found := range regexp.MustCompile(`<a\b[^>]*\bhref="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		href := entity.Replace(found[1])
		if strings.HasPrefix(href, "/") && !strings.HasPrefix(href, "//") {
			out = append(out, href)
		}
	}
	return out
}
