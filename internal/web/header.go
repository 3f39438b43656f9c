package web

import (
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
)

const contentSecurityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; " +
	"img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// headers tells browsers what an answer may do. Handlers of assets replace
// Cache-Control.
func headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// limited is a body with its limit, and what it limits, so that a route can
// have another.
type limited struct {
	io.ReadCloser
	all io.ReadCloser
}

func (e *edge) limitBody(c *gin.Context) { setLimit(c, e.MaxBodyBytes, e.BodyTimeout) }

// largeBodyTimeout is how long the body of an AllowBody route may take.
const largeBodyTimeout = 10 * time.Minute

// AllowBody gives a route another limit for its request body than the edge's,
// and ten minutes for it to arrive.
func AllowBody(maxBytes int64) gin.HandlerFunc {
	return func(c *gin.Context) { setLimit(c, maxBytes, largeBodyTimeout) }
}

func setLimit(c *gin.Context, maxBytes int64, timeout time.Duration) {
	if c.Request.Body == nil || c.Request.Body == http.NoBody {
		return
	}
	// Not supported by recorders of tests; every real connection supports it.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Now().Add(timeout))
	all := c.Request.Body
	if l, ok := all.(limited); ok {
		all = l.all
	}
	c.Request.Body = limited{ReadCloser: http.MaxBytesReader(c.Writer, all, maxBytes), all: all}
}
