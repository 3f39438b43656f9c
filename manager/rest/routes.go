package rest

import (
	"net/http"
	"slices"

	"portico/manager"
)

// Who may call a route, beside the permissions that use cases check.
const (
	anybody  = "anybody"   // also without signing in
	signedIn = "signed in" // every person and token
)

// Operation says of a route what callers and tests need to know.
type Operation struct {
	Method, Path string   // as in management.yaml, below Base
	Needs        string   // "verb object", "signed in" or "anybody"
	Query        []string // parameters it knows
	Matches      bool     // honours If-Match
	Secret       bool     // the answer shows something that is shown once
}

// Operations returns all that the API serves.
func (e *Edge) Operations() []Operation {
	return each(e.routes(), func(r route) Operation {
		return Operation{Method: r.method, Path: r.path, Needs: r.needs, Query: r.query, Matches: r.matches, Secret: r.secret}
	})
}

// route is one operation of management.yaml.
type route struct {
	method, path string
	// needs names the permission, "verb object", that the use case checks, for
	// readers and for the test that compares it with the document.
	needs   string
	handle  func(*request) error
	query   []string // parameters it knows
	matches bool     // honours If-Match
	maxBody int64    // 0 is the edge's
	secret  bool     // the answer shows something that is shown once
}

// routes is all of the API. Paths are as in management.yaml.
func (e *Edge) routes() []route {
	const tenant = "/tenants/{tenant}"
	const api, version = tenant + "/apis/{api}", tenant + "/versions/{version}"
	const split = version + "/environments/{environment}/split"
	const product, application = tenant + "/products/{product}", tenant + "/applications/{application}"
	const subscription = tenant + "/subscriptions/{subscription}"
	const environment = "/environments/{environment}"
	const certificates, certificate = environment + "/certificates", environment + "/certificates/{certificate}"
	const values = tenant + "/environments/{environment}/values"
	const explained = tenant + "/environments/{environment}"
	const team = tenant + "/teams/{team}"
	page := []string{"limit", "cursor"}
	filter := []string{"actor", "action", "object", "from", "to"}
	wait := []string{"wait", "timeout_ms"}
	usage := []string{"environment", "version", "application", "status", "from", "to", "limit", "cursor"}
	const get, post, put, patch, del = http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	return []route{
		{method: get, path: "/openapi.yaml", needs: anybody, handle: description},
		{method: get, path: "/whoami", needs: signedIn, handle: whoami},
		{method: get, path: "/policy-kinds", needs: signedIn, handle: listPolicyKinds},
		{method: get, path: "/policy-kinds/{kind}", needs: signedIn, handle: showPolicyKind},

		{method: get, path: "/sessions", needs: signedIn, handle: listSessions},
		{method: del, path: "/sessions", needs: signedIn, handle: endSessions},
		{method: del, path: "/sessions/{session}", needs: signedIn, handle: endSession},
		{method: get, path: "/audit", needs: "read audit", handle: listAudit, query: append(slices.Clone(filter), page...)},
		{method: get, path: "/audit/export", needs: "read audit", handle: exportAudit, query: append([]string{"format"}, filter...)},
		{method: get, path: "/audit/verify", needs: "read audit", handle: verifyAudit},

		{method: get, path: "/usage", needs: "read node", handle: listAllUsage, query: usage},

		{method: get, path: "/tenants", needs: signedIn, handle: listTenants},
		{method: post, path: "/tenants", needs: "write tenant", handle: createTenant},
		{method: get, path: tenant, needs: "read tenant", handle: showTenant},
		{method: patch, path: tenant, needs: "manage tenant", handle: updateTenant, matches: true},
		{method: get, path: tenant + "/members", needs: "read member", handle: listMembers, query: page},
		{method: get, path: tenant + "/members/{person}", needs: "read member", handle: showMember},
		{method: patch, path: tenant + "/members/{person}", needs: "manage member", handle: updateMember, matches: true},
		{method: del, path: tenant + "/members/{person}", needs: "manage member", handle: removeMember},
		{method: get, path: tenant + "/invitations", needs: "manage member", handle: listInvitations, query: page},
		{method: post, path: tenant + "/invitations", needs: "manage member", handle: createInvitation, secret: true},
		{method: post, path: tenant + "/invitations/{invitation}/resend", needs: "manage member", handle: resendInvitation, secret: true},
		{method: del, path: tenant + "/invitations/{invitation}", needs: "manage member", handle: revokeInvitation},
		{method: get, path: tenant + "/teams", needs: "read team", handle: listTeams, query: page},
		{method: post, path: tenant + "/teams", needs: "write team", handle: createTeam},
		{method: get, path: team, needs: "read team", handle: showTeam},
		{method: patch, path: team, needs: "write team", handle: updateTeam, matches: true},
		{method: del, path: team, needs: "write team", handle: deleteTeam},
		{method: put, path: team + "/members/{person}", needs: "manage member", handle: addTeamMember},
		{method: del, path: team + "/members/{person}", needs: "manage member", handle: removeTeamMember},
		{method: get, path: tenant + "/tokens", needs: "read token", handle: listTokens, query: page},
		{method: get, path: tenant + "/tokens/all", needs: "manage token", handle: listAllTokens, query: page},
		{method: post, path: tenant + "/tokens", needs: "write token", handle: createToken, secret: true},
		{method: del, path: tenant + "/tokens/{token}", needs: "write token", handle: revokeToken},
		{method: get, path: tenant + "/audit", needs: "read audit", handle: listAudit, query: append(slices.Clone(filter), page...)},
		{method: get, path: tenant + "/audit/export", needs: "read audit", handle: exportAudit, query: append([]string{"format"}, filter...)},
		{method: get, path: tenant + "/audit/verify", needs: "read audit", handle: verifyAudit},

		{method: post, path: tenant + "/imports", needs: "write api", handle: stageImport, query: []string{"file_name", "root"}, maxBody: manager.MaxDocumentBytes + 64<<10},
		{method: get, path: tenant + "/imports/{import}", needs: "write api", handle: showImport},
		{method: get, path: tenant + "/imports/{import}/changes/{version}", needs: "write api", handle: compareImport},
		{method: post, path: tenant + "/imports/{import}/accept", needs: "write api", handle: acceptImport},

		{method: get, path: tenant + "/apis", needs: "read api", handle: listAPIs, query: append([]string{"search", "state", "team"}, page...)},
		{method: get, path: api, needs: "read api", handle: showAPI},
		{method: patch, path: api, needs: "write api", handle: updateAPI, matches: true},
		{method: del, path: api, needs: "write api", handle: deleteAPI},
		{method: get, path: api + "/versions/{label}", needs: "read api", handle: showVersionByLabel},

		{method: get, path: version, needs: "read api", handle: showVersion},
		{method: patch, path: version + "/draft", needs: "write api", handle: updateDraft, matches: true},
		{method: post, path: version + "/publish", needs: "publish api", handle: publish, query: wait},
		{method: post, path: version + "/roll-back", needs: "publish api", handle: rollBack, query: wait},
		{method: post, path: version + "/take-off", needs: "publish api", handle: takeOff, query: wait},
		{method: post, path: version + "/deprecate", needs: "publish api", handle: deprecate, query: wait},
		{method: post, path: version + "/retire", needs: "publish api", handle: retire, query: wait},
		{method: get, path: split, needs: "read api", handle: showSplit},
		{method: patch, path: split, needs: "publish api", handle: changeSplit, query: wait, matches: true},
		{method: del, path: split, needs: "publish api", handle: endSplit, query: wait},
		{method: post, path: split + "/offer", needs: "publish api", handle: offerCandidate, query: wait},
		{method: post, path: split + "/switch", needs: "publish api", handle: switchSplit, query: wait},
		{method: post, path: version + "/environments/{environment}/cache/purge", needs: "publish api", handle: purgeCache},
		{method: post, path: split + "/take", needs: "publish api", handle: takeCandidate, query: wait},
		{method: get, path: version + "/revisions", needs: "read api", handle: listRevisions, query: page},
		{method: get, path: version + "/upstreams", needs: "read api", handle: showUpstreams, query: []string{"environment"}},
		{method: get, path: version + "/targets", needs: "read api", handle: showTargets, query: []string{"environment"}},
		{method: post, path: version + "/environments/{environment}/targets/check", needs: "publish api", handle: checkTargets},
		{method: get, path: version + "/chain", needs: "read api", handle: showChain, query: []string{"environment", "operation"}},
		{method: get, path: version + "/findings", needs: "read api", handle: listFindings, query: page},
		{method: get, path: version + "/document", needs: "read api", handle: downloadDocument},

		{method: get, path: tenant + "/products", needs: "read product", handle: listProducts, query: append([]string{"team"}, page...)},
		{method: post, path: tenant + "/products", needs: "write product", handle: createProduct},
		{method: get, path: product, needs: "read product", handle: showProduct},
		{method: patch, path: product, needs: "write product", handle: updateProduct, query: wait, matches: true},
		{method: del, path: product, needs: "write product", handle: deleteProduct},
		{method: post, path: product + "/plans", needs: "write product", handle: createPlan, query: wait},
		{method: get, path: tenant + "/plans/{plan}", needs: "read product", handle: showPlan},
		{method: patch, path: tenant + "/plans/{plan}", needs: "write product", handle: updatePlan, query: wait, matches: true},
		{method: post, path: tenant + "/plans/{plan}/close", needs: "write product", handle: closePlan, query: append([]string{"dry_run"}, wait...), matches: true},
		{method: post, path: tenant + "/plans/{plan}/keep", needs: "write product", handle: keepPlan, matches: true},

		{method: get, path: tenant + "/offers", needs: signedIn, handle: listOffers, query: append([]string{"search"}, page...)},
		{method: get, path: tenant + "/offers/{provider}/{product}", needs: signedIn, handle: showOffer},

		{method: get, path: tenant + "/applications", needs: "read application", handle: listApplications, query: page},
		{method: post, path: tenant + "/applications", needs: "write application", handle: createApplication},
		{method: get, path: application, needs: "read application", handle: showApplication},
		{method: patch, path: application, needs: "write application", handle: updateApplication, query: wait, matches: true},
		{method: del, path: application, needs: "write application", handle: deleteApplication, query: wait},
		{method: get, path: application + "/credentials", needs: "read application", handle: listCredentials},
		{method: post, path: application + "/credentials", needs: "write credential", handle: createCredential, query: wait, secret: true},
		{method: patch, path: tenant + "/credentials/{credential}", needs: "write credential", handle: updateCredential, query: wait, matches: true},
		{method: post, path: tenant + "/credentials/{credential}/rotate", needs: "write credential", handle: rotateCredential, query: wait, secret: true},
		{method: del, path: tenant + "/credentials/{credential}/secrets/{secret}", needs: "write credential", handle: endSecret, query: wait},
		{method: post, path: tenant + "/credentials/{credential}/revoke", needs: "write credential", handle: revokeCredential, query: wait},

		{method: get, path: tenant + "/usage", needs: "read api", handle: listUsage, query: append([]string{"api"}, usage...)},
		{method: get, path: tenant + "/usage/mine", needs: "read application", handle: listOwnUsage, query: usage},
		{method: get, path: tenant + "/subscriptions", needs: "read subscription", handle: listSubscriptions, query: append([]string{"show", "state", "product", "application"}, page...)},
		{method: post, path: tenant + "/subscriptions", needs: "write subscription", handle: requestAccess, query: wait},
		{method: get, path: subscription, needs: "read subscription", handle: showSubscription},
		{method: post, path: tenant + "/decisions", needs: "approve subscription", handle: decide},
		{method: put, path: subscription + "/terms", needs: "approve subscription", handle: setTerms, query: wait},
		{method: post, path: subscription + "/change-plan", needs: "write subscription", handle: changePlan, query: wait},
		{method: post, path: subscription + "/approve", needs: "approve subscription", handle: approve, query: wait},
		{method: post, path: subscription + "/reject", needs: "approve subscription", handle: reject, query: wait},
		{method: post, path: subscription + "/undo", needs: "approve subscription", handle: undo, query: wait},
		{method: post, path: subscription + "/suspend", needs: "approve subscription", handle: suspend, query: wait},
		{method: post, path: subscription + "/resume", needs: "approve subscription", handle: resume, query: wait},
		{method: post, path: subscription + "/withdraw", needs: "write subscription", handle: withdraw, query: wait},
		{method: post, path: subscription + "/cancel", needs: "write subscription", handle: cancel, query: wait},
		{method: post, path: subscription + "/stop", needs: "write subscription", handle: stop, query: wait},
		{method: post, path: subscription + "/start", needs: "write subscription", handle: start, query: wait},

		{method: get, path: values, needs: "read api", handle: listValues},
		{method: put, path: values + "/{value}", needs: "publish api", handle: setValue, query: wait},
		{method: del, path: values + "/{value}", needs: "publish api", handle: deleteValue},

		{method: post, path: explained + "/explain-tokens", needs: "read api", handle: createExplainToken, secret: true},
		{method: get, path: explained + "/explanations", needs: "read api", handle: listExplanations, query: []string{"api"}},
		{method: get, path: explained + "/explanations/{explanation}", needs: "read api", handle: showExplanation, query: []string{"wait_ms"}},

		{method: get, path: "/environments", needs: signedIn, handle: listEnvironments},
		{method: post, path: "/environments", needs: "write environment", handle: createEnvironment},
		{method: get, path: environment, needs: signedIn, handle: showEnvironment},
		{method: patch, path: environment, needs: "write environment", handle: updateEnvironment, query: wait, matches: true},
		{method: del, path: environment, needs: "write environment", handle: deleteEnvironment, matches: true},
		{method: get, path: environment + "/nodes", needs: signedIn, handle: listNodes},
		{method: post, path: environment + "/nodes/{node}/drain", needs: "manage node", handle: drainNode},
		{method: post, path: environment + "/nodes/{node}/resume", needs: "manage node", handle: resumeNode},
		{method: del, path: environment + "/nodes/{node}", needs: "manage node", handle: removeNode},
		{method: get, path: environment + "/enrolments", needs: "manage node", handle: listEnrolments},
		{method: post, path: environment + "/enrolments", needs: "manage node", handle: createEnrolment, secret: true},
		{method: del, path: environment + "/enrolments/{enrolment}", needs: "manage node", handle: deleteEnrolment},
		{method: get, path: certificates, needs: "write environment", handle: listCertificates, query: page},
		{method: post, path: certificates, needs: "write environment", handle: addCertificate, query: wait},
		{method: get, path: certificate, needs: "write environment", handle: showCertificate},
		{method: patch, path: certificate, needs: "write environment", handle: changeCertificate, query: wait, matches: true},
		{method: del, path: certificate, needs: "write environment", handle: removeCertificate},
		{method: get, path: environment + "/changes/{sequence}", needs: signedIn, handle: showChange, query: wait},
	}
}
