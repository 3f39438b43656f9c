package rest

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
	"portico/openapi/spec"
)

// Base is the path under which the API lies.
const Base = "/api/v1"

// Edge is the management API's edge. All fields are needed but Sessions, which
// lets a console page call the API with its own cookie.
type Edge struct {
	Catalog  *manager.Catalog
	Access   *manager.Access
	Tenants  *manager.Tenants
	Fleet    *manager.Fleet
	Sessions *web.Sessions
	Log      *slog.Logger
	// ProblemURL is put before a problem's code to make its type; "" leaves it
	// about:blank.
	ProblemURL string
}

// Handler returns the API, which answers to paths under Base.
func (e *Edge) Handler() http.Handler { return e.engine() }

func (e *Edge) engine() *gin.Engine {
	engine := web.New(web.Config{
		Name: "api", Log: e.Log, Sessions: e.Sessions, ProblemURL: e.ProblemURL,
		Person: e.Tenants.Person, Token: e.Tenants.TokenActor,
	})
	for _, r := range e.routes() {
		chain := []gin.HandlerFunc{}
		if r.needs != anybody {
			chain = append(chain, web.RequireActor)
		}
		if r.maxBody > 0 {
			chain = append(chain, web.AllowBody(r.maxBody))
		}
		engine.Handle(r.method, Base+ginPath(r.path), append(chain, e.serve(r))...)
	}
	return engine
}

// ginPath turns {name} into gin's :name.
func ginPath(path string) string {
	return strings.NewReplacer("{", ":", "}", "").Replace(path)
}

// serve runs a route's handler on what all routes share: known query
// parameters, the path's tenant, If-Match and wait.
func (e *Edge) serve(rt route) gin.HandlerFunc {
	return func(c *gin.Context) {
		r := &request{Edge: e, c: c, ctx: c.Request.Context(), actor: web.Actor(c.Request.Context())}
		if err := r.prepare(rt); err != nil {
			web.Fail(c, err)
			return
		}
		if err := rt.handle(r); err != nil {
			web.Fail(c, err)
		}
	}
}

func (r *request) prepare(rt route) error {
	if err := web.KnownQuery(r.c, rt.query...); err != nil {
		return err
	}
	var err error
	if r.lock, err = ifMatch(r.c.GetHeader("If-Match"), rt.matches); err != nil {
		return err
	}
	if r.timeout, err = waitFor(r.c); err != nil {
		return err
	}
	if strings.HasPrefix(rt.path, "/tenants/{tenant}") {
		r.tenant, err = r.Tenants.Tenant(r.ctx, r.actor, r.c.Param("tenant"))
	}
	return err
}

func description(r *request) error {
	r.c.Header("Cache-Control", "public, max-age=300")
	r.c.Data(http.StatusOK, "application/yaml", []byte(spec.Management()))
	return nil
}

// request is one call of the API on its way through a handler.
type request struct {
	*Edge
	c       *gin.Context
	ctx     context.Context
	actor   apim.Actor
	tenant  apim.Tenant   // of the path
	lock    int64         // of If-Match; 0 when the caller did not say
	timeout time.Duration // to wait for the nodes; 0 is not at all
}
