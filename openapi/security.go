package openapi

import "portico/openapi/tree"

// SecurityScheme is a way in which a document lets callers prove themselves.
type SecurityScheme struct {
	ID          string   `json:"id"`               // the name that requirements use
	Kind        string   `json:"kind"`             // apiKey, http, oauth2, openIdConnect, mutualTLS
	In          string   `json:"in,omitempty"`     // apiKey: header, query, cookie
	Name        string   `json:"name,omitempty"`   // apiKey: of the header, parameter or cookie
	Scheme      string   `json:"scheme,omitempty"` // http: bearer, basic, …
	Format      string   `json:"format,omitempty"` // http bearer: what the token is
	Flows       []string `json:"flows,omitempty"`  // oauth2
	Description string   `json:"description,omitempty"`
	Pointer     string   `json:"pointer,omitempty"`
	Line        int      `json:"line,omitempty"`
}

// Requirement is one scheme that a call has to satisfy. In a [][]Requirement
// the outer list is "one of these", the inner one "all of these"; an empty
// inner list is satisfied by every call.
type Requirement struct {
	Scheme string   `json:"scheme"`
	Scopes []string `json:"scopes,omitempty"`
}

func (s *source) securitySchemes() []SecurityScheme {
	out := []SecurityScheme{}
	for named := range s.root.Get("components").Get("securitySchemes").Children() {
		n := s.resolve(named)
		scheme := SecurityScheme{
			ID: named.Key(), Kind: n.Get("type").String(), In: n.Get("in").String(), Name: n.Get("name").String(),
			Scheme: n.Get("scheme").String(), Format: n.Get("bearerFormat").String(), Description: n.Get("description").String(),
			Pointer: named.Pointer(), Line: named.Line(),
		}
		for flow := range n.Get("flows").Children() {
			scheme.Flows = append(scheme.Flows, flow.Key())
		}
		switch scheme.Kind {
		case "apiKey", "http", "oauth2", "openIdConnect", "mutualTLS":
		default:
			s.found.add(named, SeverityWarning, FindSecurityKindUnknown, "Use apiKey, http, oauth2, openIdConnect or mutualTLS.",
				"The security scheme %q is of the unknown type %q.", short(named.Key()), short(scheme.Kind))
		}
		out = append(out, scheme)
	}
	return out
}

// requirements reads a security list; nil if there is none.
func requirements(list tree.Node) [][]Requirement {
	if !list.IsArray() {
		return nil
	}
	out := [][]Requirement{}
	for one := range list.Children() {
		all := []Requirement{}
		for scheme := range one.Children() {
			all = append(all, Requirement{Scheme: scheme.Key(), Scopes: texts(scheme)})
		}
		out = append(out, all)
	}
	return out
}

func (s *source) checkRequirements(list tree.Node) {
	schemes := s.root.Get("components").Get("securitySchemes")
	for one := range list.Children() {
		for scheme := range one.Children() {
			if !schemes.Get(scheme.Key()).Exists() {
				s.found.add(scheme, SeverityWarning, FindSecuritySchemeUnknown, "Declare it under components.securitySchemes.",
					"The security scheme %q is required and not declared.", short(scheme.Key()))
			}
		}
	}
}

// open reports whether a list of requirements lets a call without credentials
// through: it is there and empty, or one of its alternatives is.
func open(list [][]Requirement) bool {
	if list == nil {
		return false
	}
	for _, all := range list {
		if len(all) == 0 {
			return true
		}
	}
	return len(list) == 0
}
