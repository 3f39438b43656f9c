package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
)

// newEdge returns an engine whose log goes to log.
func newEdge(t *testing.T, log io.Writer, change func(*web.Config)) *gin.Engine {
	t.Helper()
	cfg := web.Config{Name: "test", Log: slog.New(slog.NewTextHandler(log, nil))}
	if change != nil {
		change(&cfg)
	}
	return web.New(cfg)
}

func do(h http.Handler, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func problem(t *testing.T, w *httptest.ResponseRecorder) web.Problem {
	t.Helper()
	if got, want := w.Header().Get("Content-Type"), "application/problem+json"; got != want {
		t.Fatalf("content type %q, want %q; body %s", got, want, w.Body)
	}
	var p web.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code {
		t.Errorf("the problem says %d, the answer %d", p.Status, w.Code)
	}
	if p.RequestID == "" || p.RequestID != w.Header().Get("X-Request-Id") {
		t.Errorf("request id %q in the problem, %q in the header", p.RequestID, w.Header().Get("X-Request-Id"))
	}
	return p
}

func TestEveryKindHasItsStatus(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{apim.Errorf(apim.Invalid, "x"), 422, "invalid"},
		{apim.Errorf(apim.NotFound, "x"), 404, "not_found"},
		{apim.Errorf(apim.Conflict, "x").WithCode("plan_closed"), 409, "plan_closed"},
		{apim.Errorf(apim.Forbidden, "x"), 403, "forbidden"},
		{apim.Errorf(apim.SignIn, "x"), 401, "sign_in"},
		{apim.Errorf(apim.TooLarge, "x"), 413, "too_large"},
		{apim.Errorf(apim.TooMany, "x"), 429, "too_many"},
		{apim.Errorf(apim.Unavailable, "x"), 503, "unavailable"},
		{apim.CheckLock("API", 2, 1), 409, "changed_meanwhile"},
		{context.DeadlineExceeded, 503, "timed_out"},
		{errors.New("disk on fire at /var/lib"), 500, "internal"},
	} {
		t.Run(c.code, func(t *testing.T) {
			e := newEdge(t, io.Discard, nil)
			e.GET("/", func(g *gin.Context) { web.Fail(g, c.err) })
			w := do(e, "GET", "/", "")
			p := problem(t, w)
			if w.Code != c.status || p.Code != c.code {
				t.Errorf("got %d %s, want %d %s", w.Code, p.Code, c.status, c.code)
			}
			if p.Title != http.StatusText(c.status) || p.Type != "about:blank" {
				t.Errorf("title %q, type %q", p.Title, p.Type)
			}
		})
	}
}

func TestCausesAreLoggedAndNeverShown(t *testing.T) {
	var log strings.Builder
	e := newEdge(t, &log, nil)
	e.GET("/inside", func(g *gin.Context) { web.Fail(g, errors.New("canary-inside")) })
	e.GET("/hidden", func(g *gin.Context) {
		web.Fail(g, &apim.Error{Kind: apim.Unavailable, Message: "later", Cause: errors.New("canary-hidden")})
	})
	e.GET("/panic", func(*gin.Context) { panic("canary-panic") })
	for path, status := range map[string]int{"/inside": 500, "/hidden": 503, "/panic": 500} {
		w := do(e, "GET", path, "")
		if p := problem(t, w); w.Code != status || strings.Contains(w.Body.String(), "canary") {
			t.Errorf("%s: %d %+v", path, w.Code, p)
		}
	}
	for _, want := range []string{"canary-inside", "canary-hidden", "canary-panic", "code=internal", "route=/inside", "status=503"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	e := newEdge(t, io.Discard, nil)
	e.GET("/here", func(g *gin.Context) { g.Status(204) })
	if p := problem(t, do(e, "GET", "/nowhere", "")); p.Status != 404 || p.Code != "no_route" {
		t.Errorf("unknown path: %+v", p)
	}
	w := do(e, "DELETE", "/here", "")
	if p := problem(t, w); p.Status != 405 || p.Code != "method_not_allowed" || w.Header().Get("Allow") != "GET" {
		t.Errorf("unknown method: %+v, Allow %q", p, w.Header().Get("Allow"))
	}
	if p := problem(t, do(e, "GET", "/here/", "")); p.Status != 404 {
		t.Errorf("a slash more is another address: %+v", p)
	}
}

func TestIfMatchMakesAStaleChange412(t *testing.T) {
	e := newEdge(t, io.Discard, nil)
	e.PATCH("/", func(g *gin.Context) { web.Fail(g, apim.CheckLock("plan", 3, 2)) })
	if w := do(e, "PATCH", "/", "", "If-Match", `"2"`); w.Code != http.StatusPreconditionFailed {
		t.Errorf("got %d, want 412", w.Code)
	}
}

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	e := newEdge(t, io.Discard, nil)
	e.GET("/", func(g *gin.Context) { web.JSON(g, 200, map[string]string{"a": "b"}) })
	for _, path := range []string{"/", "/nowhere"} {
		h := do(e, "GET", path, "").Header()
		for name, want := range map[string]string{
			"Content-Security-Policy":    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":     "nosniff",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Referrer-Policy":            "same-origin",
			"Cache-Control":              "no-store",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestAnotherSitesFormIsRefused(t *testing.T) {
	e := newEdge(t, io.Discard, nil)
	changed := 0
	e.POST("/", func(g *gin.Context) { changed++; g.Status(204) })
	for _, headers := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
	} {
		w := do(e, "POST", "/", "", headers...)
		if p := problem(t, w); p.Status != 403 || p.Code != "cross_origin" {
			t.Errorf("%v: %+v", headers, p)
		}
	}
	if changed != 0 {
		t.Fatal("the handler ran")
	}
	for _, headers := range [][]string{{"Sec-Fetch-Site", "same-origin"}, {}, {"Origin", "http://example.com"}} {
		if w := do(e, "POST", "/", "", headers...); w.Code != 204 {
			t.Errorf("%v: got %d, want 204", headers, w.Code)
		}
	}
}

func TestTheLogSaysWhoHasToLook(t *testing.T) {
	for _, c := range []struct {
		err  error
		left bool
		want string
	}{
		{errors.New("broken"), false, "level=ERROR"},
		{apim.Errorf(apim.Unavailable, "the bus is away"), false, "level=WARN"},
		{apim.Errorf(apim.Conflict, "taken"), false, "level=INFO"},
		{context.Canceled, true, "level=INFO"},
	} {
		var log strings.Builder
		e := newEdge(t, &log, nil)
		e.GET("/", func(g *gin.Context) { web.Fail(g, c.err) })
		ctx, leave := context.WithCancel(t.Context())
		if c.left {
			leave()
		}
		e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		leave()
		if !strings.Contains(log.String(), c.want) {
			t.Errorf("%v: got %s, want %s", c.err, log.String(), c.want)
		}
	}
}
