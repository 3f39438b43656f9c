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
	"time"

	"github.com/alexedwards/scs/v2/memstore"
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

type account struct {
	Name  string     `json:"name"`
	Age   *int       `json:"age"`
	Admin bool       `json:"admin"`
	Tags  []string   `json:"tags"`
	Home  address    `json:"home"`
	At    *time.Time `json:"at"`
	Flags map[string]bool
	Marks map[string]bool `json:"marks"`
}

type address struct {
	Street string `json:"street"`
	Rooms  []room `json:"rooms"`
}

type room struct {
	Beds int `json:"beds"`
}

func decoder(t *testing.T, optional bool) (*gin.Engine, *account) {
	e := newEdge(t, io.Discard, func(c *web.Config) { c.MaxBodyBytes = 1 << 10 })
	got := &account{}
	e.POST("/", func(g *gin.Context) {
		*got = account{}
		if err := web.DecodeJSON(g, got, optional); err != nil {
			web.Fail(g, err)
			return
		}
		g.Status(204)
	})
	return e, got
}

func TestBodiesAreReadStrictly(t *testing.T) {
	e, got := decoder(t, false)
	for _, c := range []struct {
		name, body string
		status     int
		code       string
		fields     string // "field code, …"
	}{
		{"empty", ``, 400, "malformed_json", ""},
		{"half", `{"name":`, 400, "malformed_json", ""},
		{"no JSON", `name=x`, 400, "malformed_json", ""},
		{"trailing", `{} {}`, 400, "malformed_json", ""},
		{"comma", `{"name":"a",}`, 400, "malformed_json", ""},
		{"not UTF-8", "{\"name\":\"\xff\"}", 400, "malformed_json", ""},
		{"deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), 400, "malformed_json", ""},
		{"unknown", `{"naem":"a"}`, 422, "invalid", "naem unknown_field"},
		{"other case", `{"Name":"a"}`, 422, "invalid", "Name unknown_field"},
		{"untagged", `{"Flags":{}}`, 422, "invalid", "Flags unknown_field"},
		{"repeated", `{"name":"a","name":"b"}`, 422, "invalid", "name repeated"},
		{"null", `{"name":null,"age":null}`, 422, "invalid", "name null, age null"},
		{"list for body", `[]`, 422, "invalid", "body type"},
		{"inside", `{"home":{"rooms":[{"beds":1},{"beds":"2","sofa":1}]}}`, 422, "invalid", "home.rooms[1].beds type, home.rooms[1].sofa unknown_field"},
		{"fraction", `{"age":1.5}`, 422, "invalid", "age type"},
		{"too big", `{"age":9223372036854775808}`, 422, "invalid", "age type"},
		{"time", `{"at":"tomorrow"}`, 422, "invalid", "at time"},
		{"map", `{"marks":{"a":1}}`, 422, "invalid", "marks.a type"},
		{"NUL", `{"name":"a\u0000"}`, 422, "invalid", "name text"},
		{"everything at once", `{"name":1,"admin":"yes","tags":[1],"x":0}`, 422, "invalid", "name type, admin type, tags[0] type, x unknown_field"},
		{"large", `{"name":"` + strings.Repeat("a", 2000) + `"}`, 413, "body_too_large", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := do(e, "POST", "/", c.body, "Content-Type", "application/json")
			p := problem(t, w)
			var fields []string
			for _, f := range p.Errors {
				fields = append(fields, f.Field+" "+f.Code)
			}
			if p.Status != c.status || p.Code != c.code || strings.Join(fields, ", ") != c.fields {
				t.Errorf("got %d %s %q (%s), want %d %s %q", p.Status, p.Code, fields, p.Detail, c.status, c.code, c.fields)
			}
		})
	}
	body := `{"name":"Ada","age":36,"tags":["a"],"home":{"street":"x","rooms":[{"beds":2}]},"at":"2026-03-31T12:00:00Z","marks":{"a":true}}`
	if w := do(e, "POST", "/", body, "Content-Type", "application/json; charset=utf-8"); w.Code != 204 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if got.Name != "Ada" || *got.Age != 36 || got.Home.Rooms[0].Beds != 2 || !got.Marks["a"] || got.At.Year() != 2026 {
		t.Errorf("got %+v", got)
	}
}

func TestComplaintsAreBounded(t *testing.T) {
	e, _ := decoder(t, false)
	w := do(e, "POST", "/", "{"+strings.TrimSuffix(strings.Repeat(`"x":1,`, 160), ",")+"}", "Content-Type", "application/json")
	if p := problem(t, w); len(p.Errors) != 50 {
		t.Errorf("got %d complaints, want 50", len(p.Errors))
	}
}

func TestOnlyJSONIsTaken(t *testing.T) {
	e, _ := decoder(t, true)
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
		if p := problem(t, do(e, "POST", "/", `{}`, "Content-Type", media)); p.Status != 415 {
			t.Errorf("%q: got %d, want 415", media, p.Status)
		}
	}
	if w := do(e, "POST", "/", ""); w.Code != 204 {
		t.Errorf("an optional body was left out: got %d, want 204", w.Code)
	}
}

func TestARouteMayTakeLargerBodies(t *testing.T) {
	e := newEdge(t, io.Discard, func(c *web.Config) { c.MaxBodyBytes = 10 })
	read := func(g *gin.Context) {
		if _, err := io.ReadAll(g.Request.Body); err != nil {
			web.Fail(g, web.BodyError(err))
			return
		}
		g.Status(204)
	}
	e.POST("/small", read)
	e.POST("/large", web.AllowBody(100), read)
	body := strings.Repeat("x", 50)
	if w := do(e, "POST", "/small", body); w.Code != 413 {
		t.Errorf("small: got %d, want 413", w.Code)
	}
	if w := do(e, "POST", "/large", body); w.Code != 204 {
		t.Errorf("large: got %d, want 204", w.Code)
	}
	if w := do(e, "POST", "/large", body+body+body); w.Code != 413 {
		t.Errorf("too large: got %d, want 413", w.Code)
	}
}

func TestListsRefuseOddLimitsAndParameters(t *testing.T) {
	e := newEdge(t, io.Discard, nil)
	e.GET("/", func(g *gin.Context) {
		page, err := web.Page(g)
		if err = errors.Join(err, web.KnownQuery(g, "limit", "cursor")); err != nil {
			web.Fail(g, err)
			return
		}
		web.JSON(g, 200, page)
	})
	for _, query := range []string{"limit=0", "limit=201", "limit=-1", "limit=ten", "limit=", "cursor=" + strings.Repeat("x", 2000), "sort=name", "limit=1&limit=2"} {
		if p := problem(t, do(e, "GET", "/?"+query, "")); p.Status != 422 || len(p.Errors) == 0 {
			t.Errorf("%.20s: %+v", query, p)
		}
	}
	if w := do(e, "GET", "/?limit=200&cursor=abc", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"Limit":200`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// signedIn is an edge with sessions where POST /in signs Ada in, POST /out
// signs out and GET / says who asks.
func signedIn(t *testing.T, edgeURL string, at *clock) *gin.Engine {
	sessions := web.NewSessions("test", edgeURL, memstore.NewWithCleanupInterval(0), at.now)
	e := newEdge(t, io.Discard, func(c *web.Config) {
		c.Sessions = sessions
		c.Static = "/assets/"
		c.Person = func(_ context.Context, id apim.ID) (apim.Person, error) {
			if id != "per_ada" {
				return apim.Person{}, apim.Errorf(apim.NotFound, "no such person")
			}
			return apim.Person{ID: id, Name: "Ada", Operator: true}, nil
		}
		c.Token = func(_ context.Context, text string) (apim.Actor, error) {
			if text != "good" {
				return apim.Actor{}, apim.Errorf(apim.SignIn, "the API token is not known").WithCode("token_invalid")
			}
			return apim.Actor{Person: "per_bob", Token: "tok_1", Name: "Bob"}, nil
		}
	})
	e.POST("/in", func(g *gin.Context) {
		if err := sessions.SignIn(g.Request.Context(), apim.ID("per_"+g.Query("who"))); err != nil {
			web.Fail(g, err)
			return
		}
		sessions.Flash(g.Request.Context(), "Welcome")
		web.Redirect(g, "/")
	})
	e.POST("/out", func(g *gin.Context) {
		if err := sessions.SignOut(g.Request.Context()); err != nil {
			web.Fail(g, err)
			return
		}
		g.Status(204)
	})
	e.GET("/", web.RequireActor, func(g *gin.Context) {
		a := web.Actor(g.Request.Context())
		g.String(200, "%s %s %v %s %v|%s", a.Name, a.Person, a.Operator, a.Address, a.Request != "", sessions.TakeFlash(g.Request.Context()))
	})
	e.GET("/page", web.RequireSignIn("/sign-in"), func(g *gin.Context) { g.Status(204) })
	e.GET("/assets/a.css", func(g *gin.Context) { g.Status(204) })
	return e
}

func cookieOf(t *testing.T, w *httptest.ResponseRecorder) *http.Cookie {
	t.Helper()
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("got cookies %v, want one", cookies)
	}
	return cookies[0]
}

func TestSessionSaysWhoAsks(t *testing.T) {
	e := signedIn(t, "http://localhost:8082", &clock{time.Now()})
	if p := problem(t, do(e, "GET", "/", "")); p.Status != 401 {
		t.Errorf("nobody: %+v", p)
	}
	w := do(e, "POST", "/in?who=ada", "")
	cookie := cookieOf(t, w)
	if w.Code != 303 || w.Header().Get("Location") != "/" || cookie.Name != "portico_test" || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
		t.Errorf("got %d to %q with %v", w.Code, w.Header().Get("Location"), cookie)
	}
	if got, want := do(e, "GET", "/", "", "Cookie", cookie.String()).Body.String(), "Ada per_ada true 192.0.2.1 true|Welcome"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := do(e, "GET", "/", "", "Cookie", cookie.String()).Body.String(), "Ada per_ada true 192.0.2.1 true|"; got != want {
		t.Errorf("a flash is shown once: got %q, want %q", got, want)
	}
	if w := do(e, "GET", "/assets/a.css", "", "Cookie", cookie.String()); w.Header().Get("Vary") != "" {
		t.Error("an asset read the session")
	}
	out := do(e, "POST", "/out", "", "Cookie", cookie.String())
	if c := cookieOf(t, out); c.MaxAge >= 0 {
		t.Errorf("signing out leaves the cookie: %v", c)
	}
	if w := do(e, "GET", "/", "", "Cookie", cookie.String()); w.Code != 401 {
		t.Errorf("after signing out: got %d, want 401", w.Code)
	}
}

func TestSessionIDChangesAtSignIn(t *testing.T) {
	e := signedIn(t, "http://localhost", &clock{time.Now()})
	first := cookieOf(t, do(e, "POST", "/in?who=ada", ""))
	second := cookieOf(t, do(e, "POST", "/in?who=ada", "", "Cookie", first.String()))
	if first.Value == second.Value {
		t.Fatal("the session id stayed")
	}
	if w := do(e, "GET", "/", "", "Cookie", first.String()); w.Code != 401 {
		t.Errorf("the id from before signing in still works: got %d", w.Code)
	}
}

func TestSessionOfAForgottenPersonEnds(t *testing.T) {
	e := signedIn(t, "http://localhost", &clock{time.Now()})
	cookie := cookieOf(t, do(e, "POST", "/in?who=gone", ""))
	w := do(e, "GET", "/", "", "Cookie", cookie.String())
	if c := cookieOf(t, w); w.Code != 401 || c.MaxAge >= 0 {
		t.Errorf("got %d with %v", w.Code, c)
	}
}

func TestSessionEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []time.Duration
		want  int
	}{
		{"used often", []time.Duration{29 * time.Minute, 29 * time.Minute, 29 * time.Minute}, 200},
		{"idle", []time.Duration{10 * time.Minute, 30 * time.Minute}, 401},
		{"in use for too long", repeat(20*time.Minute, 36), 401},
		{"in use for almost too long", repeat(20*time.Minute, 35), 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := &clock{time.Now()}
			e := signedIn(t, "http://localhost", at)
			cookie := cookieOf(t, do(e, "POST", "/in?who=ada", ""))
			got := 0
			for _, step := range c.steps {
				at.at = at.at.Add(step)
				got = do(e, "GET", "/", "", "Cookie", cookie.String()).Code
			}
			if got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func repeat(d time.Duration, n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d
	}
	return out
}

func TestCookiesAreSecureButOnLoopback(t *testing.T) {
	for edgeURL, name := range map[string]string{
		"https://portal.example.com": "__Host-portico_test",
		"https://localhost":          "__Host-portico_test",
		"http://portal.example.com":  "__Host-portico_test",
		"http://10.0.0.1:8081":       "__Host-portico_test",
		"http://127.0.0.1:8081":      "portico_test",
		"http://[::1]:8081":          "portico_test",
		"http://localhost:8081":      "portico_test",
	} {
		c := cookieOf(t, do(signedIn(t, edgeURL, &clock{time.Now()}), "POST", "/in?who=ada", ""))
		if c.Name != name || c.Secure != strings.HasPrefix(name, "__Host-") || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s: %v", edgeURL, c)
		}
	}
}

func TestABadTokenIsRefusedAndNotPassedOver(t *testing.T) {
	e := signedIn(t, "http://localhost", &clock{time.Now()})
	cookie := cookieOf(t, do(e, "POST", "/in?who=ada", "")).String()
	for _, authorization := range []string{"Bearer bad", "Bearer ", "Bearer", "Basic Z29vZA==", "good"} {
		w := do(e, "GET", "/", "", "Authorization", authorization, "Cookie", cookie)
		if p := problem(t, w); p.Status != 401 || p.Code != "token_invalid" || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q: %+v", authorization, p)
		}
	}
	if got := do(e, "GET", "/", "", "Authorization", "bearer good").Body.String(); !strings.HasPrefix(got, "Bob per_bob false") {
		t.Errorf("got %q", got)
	}
}

func TestSignInLeadsBack(t *testing.T) {
	e := signedIn(t, "http://localhost", &clock{time.Now()})
	for _, c := range []struct {
		headers    []string
		name, want string
	}{
		{nil, "Location", "/sign-in?return_to=%2Fpage%3Fa%3D1"},
		{[]string{"HX-Request", "true", "HX-Current-URL", "http://example.com/apis?q=x"}, "Hx-Redirect", "/sign-in?return_to=%2Fapis%3Fq%3Dx"},
		{[]string{"HX-Request", "true", "HX-Current-URL", "http://evil.example/apis"}, "Hx-Redirect", "/sign-in"},
	} {
		if got := do(e, "GET", "/page?a=1", "", c.headers...).Header().Get(c.name); got != c.want {
			t.Errorf("%v: got %q, want %q", c.headers, got, c.want)
		}
	}
}

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
