package console

import (
	"net/url"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
)

// Addresses outside a tenant.
const (
	rootPath   = "/"
	signInPath = "/sign-in"
	// invitationPath is what links of manager.Tenants.Invite lead to.
	invitationPath = "/invitation"
	signOutPath    = "/sign-out"
	firstRunPath   = "/first-run"
	themePath      = "/theme"
	newTenantPath  = "/tenants"
)

// links builds the addresses of a tenant's pages. It is the only place that
// does. The zero value is not useful.
type links struct{ tenant string }

func (l links) at(parts ...string) string {
	var b strings.Builder
	b.WriteString("/t/")
	b.WriteString(url.PathEscape(l.tenant))
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(part))
	}
	return b.String()
}

func (l links) overview() string     { return l.at() }
func (l links) palette() string      { return l.at("palette") }
func (l links) chip() string         { return l.at("chip") }
func (l links) environment() string  { return l.at("environment") }
func (l links) apis() string         { return l.at("apis") }
func (l links) importSource() string { return l.at("import") }
func (l links) products() string     { return l.at("products") }
func (l links) newProduct() string   { return l.at("new-product") }
func (l links) approvals() string    { return l.at("approvals") }
func (l links) bulk() string         { return l.at("approvals") }
func (l links) applications() string { return l.at("applications") }
func (l links) nodes() string        { return l.at("nodes") }
func (l links) addNode() string      { return l.at("add-node") }
func (l links) explain() string      { return l.at("explain") }
func (l links) values() string       { return l.at("values") }
func (l links) policies() string     { return l.at("policies") }
func (l links) members() string      { return l.at("members") }
func (l links) invite() string       { return l.at("invite") }
func (l links) teams() string        { return l.at("teams") }
func (l links) newTeam() string      { return l.at("new-team") }
func (l links) roles() string        { return l.at("roles") }
func (l links) account() string      { return l.at("account") }
func (l links) endSessions() string  { return l.at("account", "sessions") }
func (l links) tokens() string       { return l.at("tokens") }
func (l links) audit() string        { return l.at("audit") }
func (l links) settings() string     { return l.at("settings") }

func (l links) nodeDo(name, verb string) string { return l.at("nodes", name, verb) }

// member is a page about a member that asks something.
func (l links) member(person apim.ID, page string) string {
	return l.at("members", string(person), page)
}

func (l links) invitationDo(id apim.ID, verb string) string {
	return l.at("invitations", string(id), verb)
}

func (l links) team(slug string, page ...string) string {
	return l.at(append([]string{"teams", slug}, page...)...)
}

func (l links) endSession(id apim.ID) string { return l.at("account", "sessions", string(id)) }

// exportAudit is where the management API gives the rows that a page shows.
func (l links) exportAudit(format string, query ...string) string {
	return with("/api/v1/tenants/"+url.PathEscape(l.tenant)+"/audit/export", append(query, "format", format)...)
}

func (l links) takeBackEnrolment(id apim.ID) string { return l.at("enrolments", string(id), "delete") }

func (l links) editEnvironment(slug string) string { return l.at("environments", slug) }

// certificates are those of an environment.
func (l links) certificates(environment string) string {
	return l.at("environments", environment, "certificates")
}

func (l links) certificate(environment string, id apim.ID) string {
	return l.at("environments", environment, "certificates", string(id))
}

func (l links) deleteValue(name string) string { return l.at("values", name, "delete") }

func (l links) subscriptions() string { return l.at("subscriptions") }

func (l links) subscription(id apim.ID) string { return l.at("subscriptions", string(id)) }

// subscriptionDo is where a subscription is suspended, resumed or cancelled.
func (l links) subscriptionDo(id apim.ID, verb string) string {
	return l.at("subscriptions", string(id), verb)
}

func (l links) staged(id apim.ID) string      { return l.at("import", string(id)) }
func (l links) stagedCheck(id apim.ID) string { return l.at("import", string(id), "check") }

// importInto is the source page for a new document of an API's version.
func (l links) importInto(api, version string) string {
	return with(l.importSource(), "api", api, "label", version)
}

func (l links) api(api string) string { return l.at("apis", api) }

// version is a page about a version: its first one, or a tab or action of it.
func (l links) version(api, label string, page ...string) string {
	return l.at(append([]string{"apis", api, label}, page...)...)
}

// policyKind is a kind's page in the reference.
func (l links) policyKind(kind entry.PolicyKind) string { return l.at("policies", string(kind)) }

// rollBack asks whether revision number is to be live again.
func (l links) rollBack(api, label string, number int) string {
	return l.version(api, label, "roll-back", strconv.Itoa(number))
}

func (l links) product(slug string, page ...string) string {
	return l.at(append([]string{"products", slug}, page...)...)
}

func (l links) plan(product string, plan apim.ID, page ...string) string {
	return l.product(product, append([]string{"plans", string(plan)}, page...)...)
}

func (l links) request(tab string, id apim.ID) string {
	return with(l.approvals(), "tab", tab, "request", string(id))
}

// decide is where a request is approved, rejected or an approval undone.
func (l links) decide(id apim.ID, verb string) string {
	return l.at("approvals", string(id), verb)
}

func (l links) revokeToken(id apim.ID) string { return l.at("tokens", string(id), "revoke") }

// change is the fragment that tells what the nodes confirm of a change; what
// names the thing that is to be live ("v1 r8").
func (l links) change(c apim.Change, what string) string {
	return with(l.at("change"), "environment", c.Environment,
		"sequence", strconv.FormatUint(c.Sequence, 10), "what", what)
}

// withChange puts a change into a page's address, so that the page can tell how
// far it has come, also after a reload.
func withChange(page string, c apim.Change) string {
	if c.Sequence == 0 {
		return page
	}
	return with(page, "environment", c.Environment, "sequence", strconv.FormatUint(c.Sequence, 10))
}

// Addresses in the developer portal; base is its own, "" when there is none.

func portalProduct(base, tenant, product string) string {
	return portal(base, "products", tenant, product)
}

func portalVersion(base, tenant, api, label string) string {
	return portal(base, "apis", tenant, api, label)
}

func portalApplication(base, application string) string {
	return portal(base, "applications", application)
}

func portal(base string, parts ...string) string {
	if base == "" {
		return ""
	}
	for _, part := range parts {
		base += "/" + url.PathEscape(part)
	}
	return base
}

// with sets query parameters of an address, given as name and value; empty
// values are left out.
func with(page string, pairs ...string) string {
	u, err := url.Parse(page)
	if err != nil {
		return page // addresses are built here, of escaped parts
	}
	query := u.Query()
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	u.RawQuery = query.Encode()
	return u.String()
}
