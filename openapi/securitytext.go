package openapi

import "strings"

// securityText says in a sentence what a call has to bring.
func (d *Document) securityText(o Operation) string {
	if len(o.Security) == 0 {
		if o.Public {
			return "No credential is needed."
		}
		return ""
	}
	var ways []string
	optional := false
	for _, all := range o.Security {
		if len(all) == 0 {
			optional = true
			continue
		}
		var parts []string
		for _, r := range all {
			parts = append(parts, d.schemeText(r))
		}
		ways = append(ways, strings.Join(parts, " and "))
	}
	if len(ways) == 0 {
		return "No credential is needed."
	}
	text := strings.Join(ways, ", or ")
	if optional {
		text += ", or no credential"
	}
	return clip(strings.ToUpper(text[:1])+text[1:]+".", mostDescription)
}

func (d *Document) schemeText(r Requirement) string {
	for _, s := range d.Outline.SecuritySchemes {
		if s.ID != r.Scheme {
			continue
		}
		text := ""
		switch s.Kind {
		case "apiKey":
			place := map[string]string{"header": "the header ", "query": "the query parameter ", "cookie": "the cookie "}[s.In]
			text = "an API key in " + place + s.Name
		case "http":
			switch strings.ToLower(s.Scheme) {
			case "bearer":
				text = "a bearer token"
			case "basic":
				text = "user name and password (basic)"
			default:
				text = "HTTP authentication (" + s.Scheme + ")"
			}
		case "oauth2":
			text = "OAuth 2.0"
		case "openIdConnect":
			text = "OpenID Connect"
		case "mutualTLS":
			text = "a client certificate"
		default:
			text = s.ID
		}
		if len(r.Scopes) > 0 {
			word := " with the scope "
			if len(r.Scopes) > 1 {
				word = " with the scopes "
			}
			text += word + strings.Join(r.Scopes, ", ")
		}
		return text
	}
	return r.Scheme
}
