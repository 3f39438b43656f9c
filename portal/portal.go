package portal

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/web"
	"portico/manager"
	"portico/ui"
)

// Config is what the portal is made of. Brand has a working zero value, all
// else is needed.
type Config struct {
	Catalog *manager.Catalog
	Access  *manager.Access
	Tenants *manager.Tenants
	Fleet   *manager.Fleet
	// Sessions are the portal's own: made with web.NewSessions("portal", …).
	Sessions *web.Sessions
	Now      func() time.Time
	Log      *slog.Logger
	// Brand is the name in the bar; "" is Portico.
	Brand string
	// ConsoleURL leads members of a tenant to the console; "" leaves that out.
	ConsoleURL string
}

// portal is a Config with what its pages share. It is safe for concurrent use.
type portal struct {
	Config
	markdown *markdown
	once     *once
	fresh    *fresh
	large    chan struct{} // a place for each large document on its way out
}

// New returns the portal: every page, with its assets.
func New(cfg Config) http.Handler {
	if cfg.Brand == "" {
		cfg.Brand = "Portico"
	}
	p := &portal{Config: cfg, markdown: newMarkdown(), once: newOnce(cfg.Now), fresh: newFresh(cfg.Now), large: make(chan struct{}, largeAtOnce)}
	engine := web.New(web.Config{
		Name: "portal", Log: cfg.Log, Sessions: cfg.Sessions, Person: cfg.Tenants.Person,
		ErrorPage: p.errorPage, Static: ui.AssetsPath,
	})
	p.routes(engine)
	return engine
}

func (p *portal) routes(e *gin.Engine) {
	e.GET(ui.AssetsPath+"*name", gin.WrapH(ui.Assets()))
	e.HEAD(ui.AssetsPath+"*name", gin.WrapH(ui.Assets()))

	e.GET(catalogPath, p.page(p.catalog))
	e.GET(searchPath, p.page(p.search))
	e.GET("/products/:provider/:product", p.page(p.product))
	e.GET("/apis/:provider/:api/:version", p.page(p.overview))
	e.GET("/apis/:provider/:api/:version/plans", p.page(p.versionPlans))
	e.GET("/apis/:provider/:api/:version/progress", p.page(p.progressNow))
	e.GET("/apis/:provider/:api/:version/openapi", p.page(p.document))
	e.GET("/apis/:provider/:api/:version/reference", p.page(p.reference))
	e.GET("/apis/:provider/:api/:version/reference/*operation", p.page(p.reference))
	e.GET("/apis/:provider/:api/:version/schemas/*schema", p.page(p.schema))
	e.GET(problemsPath, p.page(p.problems))
	e.GET(problemsPath+"/:code", p.page(p.problem))

	e.GET(signInPath, p.page(p.signInForm))
	e.POST(signInPath, p.page(p.signIn))
	e.GET(signUpPath, p.page(p.signUpForm))
	e.POST(signUpPath, p.page(p.signUp))
	e.GET(invitationPath, p.page(p.invitation))
	e.POST(invitationPath, p.page(p.acceptInvitation))
	e.POST(signOutPath, p.page(p.signOut))
	e.POST(themePath, p.page(p.setTheme))

	own := e.Group("", web.RequireSignIn(signInPath))
	own.POST(tenantPath, p.page(p.chooseTenant))
	own.GET(accountPath, p.page(p.account))
	own.POST(sessionsPath, p.page(p.endSessions))
	own.POST(sessionsPath+"/:session", p.page(p.endSession))
	own.GET(appliedPath, p.page(p.applied))
	own.GET("/products/:provider/:product/subscribe", p.member(p.subscribeForm))
	own.POST("/products/:provider/:product/subscribe", p.member(p.subscribe))
	own.GET(applicationsPath, p.member(p.applications))
	own.POST(applicationsPath, p.member(p.createApplication))
	// "new" and "keys" are no applications: a slug and a path segment that no
	// application has stand before the parameter.
	own.GET(newApplicationPath, p.member(p.newApplicationForm))
	own.GET("/applications/:application", p.member(p.showApplication))
	own.GET("/applications/:application/edit", p.member(p.editApplicationForm))
	own.POST("/applications/:application/edit", p.member(p.saveApplication))
	own.GET("/applications/:application/delete", p.member(p.confirmDelete))
	own.POST("/applications/:application/delete", p.member(p.deleteApplication))
	own.POST("/applications/:application/keys", p.member(p.createKey))
	own.GET("/applications/:application/keys/new", p.member(p.newKeyForm))
	own.GET("/applications/:application/keys/:credential", p.member(p.key))
	own.POST("/applications/:application/keys/:credential/rotate", p.member(p.rotateKey))
	own.POST("/applications/:application/keys/:credential", p.member(p.restrictKey))
	own.POST("/applications/:application/keys/:credential/secrets/:secret/end", p.member(p.endSecret))
	own.GET("/applications/:application/keys/:credential/revoke", p.member(p.confirmRevoke))
	own.POST("/applications/:application/keys/:credential/revoke", p.member(p.revokeKey))
	own.GET("/applications/:application/subscriptions/:subscription", p.member(p.subscription))
	own.GET("/applications/:application/subscriptions/:subscription/:action", p.member(p.confirmEnd))
	own.POST("/applications/:application/subscriptions/:subscription/:action", p.member(p.act))
}

// A handler answers one request of a reader. What it returns becomes the error
// page.
type handler func(c *gin.Context, r *reader) error

// page runs a handler for whoever reads.
func (p *portal) page(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		r, err := p.reader(c)
		if err == nil {
			err = h(c, r)
		}
		if err != nil {
			web.Fail(c, err)
		}
	}
}

// member runs a handler for a reader who belongs to a tenant.
func (p *portal) member(h handler) gin.HandlerFunc {
	return p.page(func(c *gin.Context, r *reader) error {
		if r.Tenant.ID == "" {
			return p.noTenant(c, r)
		}
		return h(c, r)
	})
}
