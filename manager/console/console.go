package console

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/internal/web"
	"portico/manager"
	"portico/ui"
)

// Config is what the console works with. All fields are needed but PortalURL,
// without which nothing links to the portal.
type Config struct {
	Catalog *manager.Catalog
	Access  *manager.Access
	Tenants *manager.Tenants
	Fleet   *manager.Fleet

	Sessions *web.Sessions // of the edge "console"
	Log      *slog.Logger
	Now      func() time.Time

	// PortalURL and ConsoleURL are the addresses people use, without a slash at
	// the end.
	PortalURL, ConsoleURL string
}

// Console answers the console's pages. It is safe for concurrent use.
type Console struct {
	Config
	receipts *receipts
}

// New returns the console's handler. It serves every path but the management
// API's, which whoever mounts it puts before it.
func New(cfg Config) http.Handler {
	h := &Console{Config: cfg, receipts: newReceipts(cfg.Now)}
	engine := web.New(web.Config{
		Name: "console", Log: cfg.Log, Sessions: cfg.Sessions, Person: cfg.Tenants.Person,
		ErrorPage: h.errorPage, Static: ui.AssetsPath,
	})
	assets := gin.WrapH(ui.Assets())
	engine.GET(ui.AssetsPath+"*path", assets)
	engine.HEAD(ui.AssetsPath+"*path", assets)
	h.public(engine)
	h.signedIn(engine.Group("", web.RequireSignIn(signInPath)))
	h.inTenant(engine.Group("/t/:tenant", web.RequireSignIn(signInPath)))
	return engine
}

// public pages need no sign-in.
func (h *Console) public(g gin.IRoutes) {
	g.GET(firstRunPath, h.page(h.firstRun))
	g.POST(firstRunPath, h.page(h.saveFirstRun))
	g.GET(invitationPath, h.page(h.invitation))
	g.POST(invitationPath, h.page(h.acceptInvitation))
	g.GET(signInPath, h.page(h.signInForm))
	g.POST(signInPath, h.page(h.signIn))
	g.POST(signOutPath, h.page(h.signOut))
	g.POST(themePath, h.page(h.setTheme))
}

func (h *Console) signedIn(g gin.IRoutes) {
	g.GET(rootPath, h.page(h.root))
	g.GET(newTenantPath, h.page(h.newTenant))
	g.POST(newTenantPath, h.page(h.createTenant))
}

// inTenant is everything about one tenant. Whether the actor may is checked by
// the use cases that the handlers call; that the tenant is the actor's, before.
func (h *Console) inTenant(g gin.IRoutes) {
	get := func(path string, p page) { g.GET(path, h.tenantPage(p)) }
	post := func(path string, p page) { g.POST(path, h.tenantPage(p)) }
	both := func(path string, form, save page) { get(path, form); post(path, save) }

	get("", h.overview)
	get("/palette", h.palette)
	get("/chip", h.chip)
	get("/change", h.change)
	post("/environment", h.setEnvironment)

	get("/apis", h.apis)
	get("/apis/:api", h.api)
	get("/apis/:api/:version", h.versionRoutes)
	get("/apis/:api/:version/versions", h.versionVersions)
	get("/apis/:api/:version/definition", h.versionDefinition)
	get("/apis/:api/:version/progress", h.versionProgress)
	get("/apis/:api/:version/document", h.download)
	get("/apis/:api/:version/review", h.review)
	get("/apis/:api/:version/traffic", h.traffic)
	get("/apis/:api/:version/traffic/counts", h.trafficCounts)
	both("/apis/:api/:version/traffic/:verb", h.toTraffic, h.moveTraffic)
	both("/apis/:api/:version/purge", h.purgeForm, h.purge)
	both("/apis/:api/:version/targets/check", h.toRoutes, h.checkTargets)
	get("/apis/:api/:version/products", h.versionProducts)
	get("/apis/:api/:version/history", h.versionHistory)
	both("/apis/:api/:version/routes", h.toRoutes, h.saveRoutes)
	both("/apis/:api/:version/policies/:policy", h.toRoutes, h.saveStep)
	post("/apis/:api/:version/policies/:policy/:verb", h.movePolicy)
	get("/apis/:api/:version/add-policy", h.addPolicy)
	get("/policies", h.policies)
	get("/policies/:kind", h.policyKind)
	both("/apis/:api/:version/upstream", h.upstreamForm, h.saveUpstream)
	both("/apis/:api/:version/policies/:policy/remove", h.removePolicyForm, h.removePolicy)
	both("/apis/:api/:version/mount", h.mountForm, h.saveMount)
	both("/apis/:api/:version/about", h.apiForm, h.saveAPI)
	both("/apis/:api/:version/delete", h.deleteForm, h.deleteAPI)
	both("/apis/:api/:version/publish", h.publishForm, h.publish)
	post("/apis/:api/:version/take-off", h.takeOff)
	both("/apis/:api/:version/deprecate", h.deprecateForm, h.deprecate)
	both("/apis/:api/:version/retire", h.retireForm, h.retire)
	both("/apis/:api/:version/roll-back/:revision", h.rollBackForm, h.rollBack)

	get("/import", h.importSource)
	g.POST("/import", web.AllowBody(manager.MaxDocumentBytes+1<<20), h.tenantPage(h.stageImport))
	both("/import/:import", h.preview, h.acceptImport)
	post("/import/:import/check", h.checkImport)

	both("/products", h.products, h.createProduct)
	get("/new-product", h.newProduct)
	get("/products/:product", h.product)
	both("/products/:product/edit", h.editProduct, h.updateProduct)
	post("/products/:product/listing", h.setListing)
	get("/products/:product/new-plan", h.newPlan)
	post("/products/:product/plans", h.createPlan)
	both("/products/:product/plans/:plan", h.editPlan, h.updatePlan)
	post("/products/:product/plans/:plan/state", h.movePlan)
	both("/products/:product/plans/:plan/close", h.closingForm, h.closePlan)
	post("/products/:product/plans/:plan/keep", h.keepPlan)
	get("/products/:product/plans/:plan/policies", h.planPolicies)
	get("/products/:product/plans/:plan/add-policy", h.addPolicy)
	post("/products/:product/plans/:plan/policies/:policy", h.savePolicy)
	post("/products/:product/plans/:plan/policies/:policy/:verb", h.movePolicy)
	both("/products/:product/plans/:plan/policies/:policy/remove", h.removePolicyForm, h.removePolicy)

	both("/approvals", h.approvals, h.decideBulk)
	post("/approvals/:subscription/:verb", h.decide)
	get("/subscriptions", h.subscriptions)
	get("/subscriptions/:subscription", h.subscription)
	post("/subscriptions/:subscription/:verb", h.moveSubscription)

	get("/applications", h.applications)
	both("/explain", h.explain, h.tryCall)
	get("/explain/versions", h.versionsFound)
	get("/nodes", h.nodes)
	post("/nodes/:node/:verb", h.moveNode)
	both("/add-node", h.addNode, h.createEnrolment)
	post("/enrolments/:enrolment/delete", h.takeBackEnrolment)
	both("/values", h.values, h.setValue)
	post("/values/:value/delete", h.deleteValue)
	both("/environments/:environment", h.environmentForm, h.saveEnvironment)
	get("/environments/:environment/policies", h.environmentPolicies)
	get("/environments/:environment/add-policy", h.addPolicy)
	post("/environments/:environment/policies/:policy", h.savePolicy)
	post("/environments/:environment/policies/:policy/:verb", h.movePolicy)
	both("/environments/:environment/policies/:policy/remove", h.removePolicyForm, h.removePolicy)
	post("/environments/:environment/delete", h.deleteEnvironment)
	both("/environments/:environment/certificates", h.certificates, h.addCertificate)
	both("/environments/:environment/certificates/:certificate", h.certificate, h.saveCertificate)
	post("/environments/:environment/certificates/:certificate/delete", h.removeCertificate)
	get("/members", h.members)
	both("/members/:person/roles", h.memberForm, h.saveMember)
	both("/members/:person/remove", h.removeForm, h.removeMember)
	both("/invite", h.inviteForm, h.invite)
	post("/invitations/:invitation/:verb", h.moveInvitation)
	get("/teams", h.teams)
	both("/new-team", h.newTeam, h.createTeam)
	get("/teams/:team", h.team)
	both("/teams/:team/edit", h.editTeam, h.saveTeam)
	post("/teams/:team/delete", h.deleteTeam)
	post("/teams/:team/members", h.addToTeam)
	post("/teams/:team/members/:person/remove", h.takeFromTeam)
	get("/roles", h.rolesMatrix)
	get("/account", h.account)
	post("/account/sessions", h.endSessions)
	post("/account/sessions/:session", h.endSession)
	both("/tokens", h.tokens, h.createToken)
	post("/tokens/:token/revoke", h.revokeToken)
	get("/audit", h.audit)
	both("/settings", h.settings, h.saveSettings)
}

// page is a handler. Its error becomes the error page.
type page func(*visit) error

// page runs p for a request outside a tenant.
func (h *Console) page(p page) gin.HandlerFunc {
	return func(c *gin.Context) {
		v := &visit{c: c, h: h, actor: web.Actor(c.Request.Context()), now: h.Now()}
		err := error(nil)
		if !v.actor.Anonymous() {
			v.memberships, err = h.Tenants.Memberships(v.ctx(), v.actor)
		}
		if err == nil {
			err = p(v)
		}
		if err != nil {
			web.Fail(c, err)
		}
	}
}

// tenantPage runs p for a request inside a tenant that the actor belongs to;
// another's is not found.
func (h *Console) tenantPage(p page) gin.HandlerFunc {
	return h.page(func(v *visit) error {
		slug := v.param("tenant")
		for _, m := range v.memberships {
			if m.Tenant.Slug == slug {
				v.tenant, v.roles = m.Tenant, m.Roles
			}
		}
		if v.tenant.ID == "" {
			return apim.Errorf(apim.NotFound, "there is no tenant %q that you belong to", slug)
		}
		v.links = links{slug}
		if err := v.surroundings(); err != nil {
			return err
		}
		v.c.Set(visitKey, v)
		return p(v)
	})
}
