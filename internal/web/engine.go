package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
)

// Config is what an edge is made of. Name and Log are needed, the rest has
// working zero values.
type Config struct {
	Name string // "api", "console" or "portal", in logs
	Log  *slog.Logger

	// MaxBodyBytes limits request bodies; 0 is 1 MiB. AllowBody raises it for a
	// route.
	MaxBodyBytes int64
	// BodyTimeout is how long a request body may take to arrive; 0 is a minute.
	// A body that takes longer is cut, so that slow senders hold no handler.
	BodyTimeout time.Duration

	// Sessions reads the edge's cookie; nil means that nobody has a session.
	Sessions *Sessions
	// Person loads who a session belongs to. Needed with Sessions.
	Person func(ctx context.Context, id apim.ID) (apim.Person, error)
	// Token returns who an API token speaks for; nil means that the edge takes
	// no bearer tokens.
	Token func(ctx context.Context, text string) (apim.Actor, error)

	// ErrorPage renders a problem as a page. Nil renders application/problem+json.
	ErrorPage func(c *gin.Context, p Problem)
	// ProblemURL is put before a problem's code to make its type; "" leaves the
	// type about:blank.
	ProblemURL string

	// Static is the path under which assets lie ("/assets/"). Requests there
	// read no session and are logged at debug level.
	Static string
}

// edge is a Config with what requests find in their gin.Context.
type edge struct {
	Config
	origin *http.CrossOriginProtection
}

type edgeKey struct{}

// New returns an engine with the middleware that all edges share, and without
// routes. Unknown paths and methods are problems.
func New(cfg Config) *gin.Engine {
	if cfg.MaxBodyBytes == 0 {
		cfg.MaxBodyBytes = 1 << 20
	}
	if cfg.BodyTimeout == 0 {
		cfg.BodyTimeout = time.Minute
	}
	e := &edge{Config: cfg, origin: http.NewCrossOriginProtection()}
	gin.SetMode(gin.ReleaseMode) // else gin prints every route to standard output
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.RedirectFixedPath = false
	_ = engine.SetTrustedProxies(nil) // cannot fail without an address to parse
	engine.Use(e.begin, e.log, e.recover, headers, e.sameOrigin, e.limitBody)
	if cfg.Sessions != nil {
		engine.Use(e.unlessStatic(cfg.Sessions.load))
	}
	engine.Use(e.unlessStatic(e.identify))
	engine.NoRoute(func(c *gin.Context) {
		Fail(c, apim.Errorf(apim.NotFound, "there is nothing at this address").WithCode("no_route"))
	})
	engine.NoMethod(func(c *gin.Context) {
		Fail(c, apim.Errorf(apim.NotFound, "this address does not take %s; it takes %s",
			c.Request.Method, c.Writer.Header().Get("Allow")).WithCode(codeMethod))
	})
	return engine
}

func edgeOf(c *gin.Context) *edge {
	v, _ := c.Get(edgeKey{})
	return v.(*edge) // begin is the first middleware of every engine
}

func (e *edge) static(c *gin.Context) bool {
	return e.Static != "" && strings.HasPrefix(c.Request.URL.Path, e.Static)
}

func (e *edge) unlessStatic(h gin.HandlerFunc) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !e.static(c) {
			h(c)
		}
	}
}

// sameOrigin refuses unsafe requests that a browser sent for another site.
func (e *edge) sameOrigin(c *gin.Context) {
	if err := e.origin.Check(c.Request); err != nil {
		Fail(c, &apim.Error{
			Kind: apim.Forbidden, Code: "cross_origin", Cause: err,
			Message: "the request came from another site's page and was not carried out",
		})
	}
}
