package web_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"portico/internal/web"
)

func TestReturnsGoNowhereElse(t *testing.T) {
	for _, bad := range []string{
		"", "https://evil.example", "//evil.example", `/\evil.example`, `\/evil`, "evil", "javascript:alert(1)",
		"/a\r\nSet-Cookie: x", "/\t/evil.example", "/%zz", "/" + strings.Repeat("a", 3000),
	} {
		if got := web.LocalPath(bad); got != "" {
			t.Errorf("LocalPath(%q) = %q, want none", bad, got)
		}
	}
	for _, good := range []string{"/", "/apis/orders?tab=1", "/a//b"} {
		if got := web.LocalPath(good); got != good {
			t.Errorf("LocalPath(%q) = %q", good, got)
		}
	}
}

type part string

func (p part) Render(_ context.Context, w io.Writer) error {
	_, _ = io.WriteString(w, "<p>half")
	if p == "" {
		return errors.New("canary")
	}
	_, err := io.WriteString(w, string(p))
	return err
}

func TestPagesAreWholeOrAnError(t *testing.T) {
	e := newEdge(t, io.Discard, func(c *web.Config) {
		c.ErrorPage = func(g *gin.Context, p web.Problem) {
			if p.Code == "internal" && g.FullPath() == "/worse" {
				web.Render(g, p.Status, part(""))
				return
			}
			web.Render(g, p.Status, part(" sorry, "+p.Code))
		}
	})
	e.GET("/good", func(g *gin.Context) { web.Render(g, 200, part(" whole</p>")) })
	e.GET("/bad", func(g *gin.Context) { web.Render(g, 200, part("")) })
	e.GET("/worse", func(g *gin.Context) { web.Render(g, 200, part("")) })
	for path, want := range map[string]string{"/good": "<p>half whole</p>", "/bad": "<p>half sorry, internal", "/nowhere": "<p>half sorry, no_route"} {
		w := do(e, "GET", path, "")
		if got := w.Body.String(); got != want || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s: got %q (%s), want %q", path, got, w.Header().Get("Content-Type"), want)
		}
	}
	if w := do(e, "GET", "/worse", ""); w.Code != 500 || !strings.Contains(w.Body.String(), w.Header().Get("X-Request-Id")) {
		t.Errorf("the error page failed too: %d %q", w.Code, w.Body)
	}
}

func TestThemeIsRemembered(t *testing.T) {
	e := newEdge(t, io.Discard, nil)
	e.POST("/", func(g *gin.Context) { web.SetTheme(g, g.Query("to")); g.String(200, web.Theme(g)) })
	for value, want := range map[string]string{"dark": "dark", "light": "light", "pink": "", "": ""} {
		if got := do(e, "POST", "/", "", "Cookie", "portico_theme="+value).Body.String(); got != want {
			t.Errorf("%q: got %q, want %q", value, got, want)
		}
	}
	if c := cookieOf(t, do(e, "POST", "/?to=dark", "")); c.Value != "dark" || c.MaxAge < 1e7 {
		t.Errorf("got %v", c)
	}
	if c := cookieOf(t, do(e, "POST", "/?to=pink", "")); c.MaxAge >= 0 {
		t.Errorf("got %v", c)
	}
}
