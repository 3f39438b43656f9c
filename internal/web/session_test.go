package web_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
)

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

// broken is a session store that loads and does not save.
type broken struct{ scs.Store }

func (broken) Commit(string, []byte, time.Time) error { return errors.New("disk full") }

func TestAnAnswerIsNotSentWhoseSessionIsLost(t *testing.T) {
	var log strings.Builder
	sessions := web.NewSessions("test", "http://localhost", broken{memstore.NewWithCleanupInterval(0)}, time.Now)
	e := newEdge(t, &log, func(c *web.Config) {
		c.Sessions = sessions
		c.Person = func(context.Context, apim.ID) (apim.Person, error) { return apim.Person{}, nil }
	})
	signIn := func(g *gin.Context) {
		if err := sessions.SignIn(g.Request.Context(), "per_ada"); err != nil {
			web.Fail(g, err)
		}
	}
	e.POST("/text", func(g *gin.Context) { signIn(g); g.String(200, "Welcome, Ada") })
	e.POST("/nothing", func(g *gin.Context) { signIn(g); g.Status(204) })
	e.POST("/redirect", func(g *gin.Context) { signIn(g); web.Redirect(g, "/") })
	e.POST("/stream", func(g *gin.Context) { signIn(g); g.Writer.Flush() })
	for _, path := range []string{"/text", "/nothing", "/redirect", "/stream"} {
		w := do(e, "POST", path, "")
		if p := problem(t, w); p.Status != 500 || strings.Contains(w.Body.String(), "Ada") {
			t.Errorf("%s: got %d %s", path, w.Code, w.Body)
		}
		if len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: a cookie of a session that was not saved", path)
		}
	}
	if !strings.Contains(log.String(), "disk full") {
		t.Errorf("the log does not say why:\n%s", log.String())
	}
}

func TestAStreamCarriesItsCookie(t *testing.T) {
	e := signedIn(t, "http://localhost", &clock{time.Now()})
	e.GET("/stream", func(g *gin.Context) {
		g.Writer.Flush()
		g.String(200, "later")
	})
	cookie := cookieOf(t, do(e, "POST", "/in?who=gone", "")).String()
	w := do(e, "GET", "/stream", "", "Cookie", cookie)
	if !w.Flushed || cookieOf(t, w).MaxAge >= 0 {
		t.Errorf("flushed %v, cookies %v: the session of nobody ends before the stream begins", w.Flushed, w.Result().Cookies())
	}
}

// A request that is under way when its session is ended elsewhere (signing out
// in another tab, or after the cookie was stolen) must not bring it back.
func TestSessionThatWasEndedMeanwhileStaysEnded(t *testing.T) {
	at := &clock{time.Now()}
	sessions := web.NewSessions("test", "http://localhost", memstore.NewWithCleanupInterval(0), at.now)
	e := newEdge(t, io.Discard, func(c *web.Config) {
		c.Sessions = sessions
		c.Person = func(_ context.Context, id apim.ID) (apim.Person, error) { return apim.Person{ID: id, Name: "Ada"}, nil }
	})
	e.POST("/in", func(g *gin.Context) { _ = sessions.SignIn(g.Request.Context(), "per_ada"); g.Status(204) })
	e.POST("/out", func(g *gin.Context) { _ = sessions.SignOut(g.Request.Context()); g.Status(204) })
	e.GET("/", web.RequireActor, func(g *gin.Context) { g.Status(204) })
	begun, goOn := make(chan struct{}), make(chan struct{})
	e.POST("/slow", web.RequireActor, func(g *gin.Context) {
		close(begun)
		<-goOn
		sessions.Flash(g.Request.Context(), "Done")
		web.Redirect(g, "/")
	})
	cookie := cookieOf(t, do(e, "POST", "/in", "")).String()
	slow := make(chan *httptest.ResponseRecorder)
	go func() { slow <- do(e, "POST", "/slow", "", "Cookie", cookie) }()
	<-begun
	do(e, "POST", "/out", "", "Cookie", cookie)
	close(goOn)
	if w := <-slow; w.Code != 303 || len(w.Result().Cookies()) != 0 {
		t.Errorf("the request under way: got %d with cookies %v", w.Code, w.Result().Cookies())
	}
	if w := do(e, "GET", "/", "", "Cookie", cookie); w.Code != 401 {
		t.Errorf("after signing out: got %d, want 401", w.Code)
	}
}
