package portal

import (
	"net/url"
	"strings"

	"portico/internal/apim"
)

// Every address of the portal is built here; templates only print them.

const (
	catalogPath      = "/"
	applicationsPath = "/applications"
	signInPath       = "/sign-in"
	signUpPath       = "/sign-up"
	signOutPath      = "/sign-out"
	themePath        = "/theme"
	tenantPath       = "/tenant"
	accountPath      = "/account"
	sessionsPath     = "/account/sessions"
	// invitationPath is what links of manager.Tenants.Invite lead to.
	invitationPath = "/invitation"

	problemsPath       = "/docs/problems"
	searchPath         = "/search"
	appliedPath        = "/applied"
	newApplicationPath = "/applications/new"
)

// link joins path segments after a leading slash, each escaped, so that an
// operation id with a slash in it stays one segment.
func link(segments ...string) string {
	path := ""
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	return path
}

// with adds query parameters to a path, leaving out empty ones.
func with(path string, pairs ...string) string {
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	if len(q) == 0 {
		return path
	}
	if strings.Contains(path, "?") {
		return path + "&" + q.Encode()
	}
	return path + "?" + q.Encode()
}

func productLink(provider, product string) string { return link("products", provider, product) }

func subscribeLink(provider, product string) string {
	return link("products", provider, product, "subscribe")
}

func versionLink(provider, api, label string) string { return link("apis", provider, api, label) }

func plansLink(provider, api, label string) string {
	return link("apis", provider, api, label, "plans")
}

func documentLink(provider, api, label string) string {
	return link("apis", provider, api, label, "openapi")
}

func progressLink(provider, api, label string) string {
	return link("apis", provider, api, label, "progress")
}

func referenceLink(provider, api, label string) string {
	return link("apis", provider, api, label, "reference")
}

func operationLink(provider, api, label, operation string) string {
	return link("apis", provider, api, label, "reference", operation)
}

func schemaLink(provider, api, label, schema string) string {
	return link("apis", provider, api, label, "schemas", schema)
}

func applicationLink(slug string) string { return link("applications", slug) }

func editApplicationLink(slug string) string { return link("applications", slug, "edit") }

func endSessionLink(id apim.ID) string { return link("account", "sessions", string(id)) }

func keysLink(slug string) string { return link("applications", slug, "keys") }

func newKeyLink(slug string) string { return link("applications", slug, "keys", "new") }

func keyLink(application string, id apim.ID) string {
	return link("applications", application, "keys", string(id))
}

func keyActionLink(application string, id apim.ID, action string) string {
	return link("applications", application, "keys", string(id), action)
}

func endSecretLink(application string, id, secret apim.ID) string {
	return link("applications", application, "keys", string(id), "secrets", string(secret), "end")
}

func revokeLink(slug string, credential apim.ID) string {
	return link("applications", slug, "keys", string(credential), "revoke")
}

func subscriptionLink(slug string, subscription apim.ID) string {
	return link("applications", slug, "subscriptions", string(subscription))
}

// subscriptionActionLink is where a subscription's forms post: "withdraw",
// "cancel", "stop", "start". The first two have a confirming page at the same
// address.
func subscriptionActionLink(slug string, subscription apim.ID, action string) string {
	return link("applications", slug, "subscriptions", string(subscription), action)
}

func problemLink(code string) string { return link("docs", "problems", code) }
