package portal

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
)

const placeCookie = "portico_environment"

// chosenPlace returns the environment whose addresses the reader sees of a
// version: the one in the address, which is then remembered, else that in the
// cookie, else a sandbox, where trying out costs nothing, else the first.
func chosenPlace(c *gin.Context, v manager.OfferedVersion) string {
	has := func(slug string) bool {
		return slices.ContainsFunc(v.Places, func(p manager.OfferedPlace) bool { return p.Environment == slug })
	}
	if e := c.Query("environment"); has(e) {
		http.SetCookie(c.Writer, &http.Cookie{
			Name: placeCookie, Value: e, Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.Request.TLS != nil,
		})
		return e
	}
	if e, err := c.Cookie(placeCookie); err == nil && has(e) {
		return e
	}
	return preferred(v, nil)
}

// preferred returns a sandbox that a version is live in, else the first
// environment; of those that are among only, where that names any.
func preferred(v manager.OfferedVersion, only []string) string {
	first := ""
	for _, p := range v.Places {
		if len(only) > 0 && !slices.Contains(only, p.Environment) {
			continue
		}
		if p.Kind == apim.Sandbox {
			return p.Environment
		}
		if first == "" {
			first = p.Environment
		}
	}
	return first
}

// in returns a version with the address of an environment; where it is not live
// there it stays as it is.
func in(v manager.OfferedVersion, environment string) manager.OfferedVersion {
	for _, p := range v.Places {
		if p.Environment == environment {
			v.URL, v.Asks, v.Ways = p.URL, p.Asks, p.Ways
		}
	}
	return v
}

// placeOf is the environment whose address a version is shown with.
func placeOf(v manager.OfferedVersion) (manager.OfferedPlace, bool) {
	for _, p := range v.Places {
		if p.URL == v.URL {
			return p, true
		}
	}
	return manager.OfferedPlace{}, false
}

// placeChoices are the links of the switch between environments, none where
// there is nothing to choose. page is where they lead back to.
func placeChoices(v manager.OfferedVersion, page string) []placeChoice {
	if len(v.Places) < 2 {
		return nil
	}
	var out []placeChoice
	for _, p := range v.Places {
		out = append(out, placeChoice{Label: p.Name, URL: with(page, "environment", p.Environment), Current: p.URL == v.URL})
	}
	return out
}

// keyNote says which key a sample needs.
func keyNote(v manager.OfferedVersion) string {
	place, ok := placeOf(v)
	switch {
	case !ok || len(v.Places) == 1 && place.Kind != apim.Sandbox:
		return "Set PORTICO_KEY to your application's key."
	case place.Kind == apim.Sandbox:
		return "Set PORTICO_KEY to a test key of your application, made for " + place.Name + "."
	}
	return "Set PORTICO_KEY to a live key of your application, made for " + place.Name + "."
}

// environmentsText writes which environments a subscription covers.
func environmentsText(slugs []string) string {
	if len(slugs) == 0 {
		return "all"
	}
	return list(slugs)
}
