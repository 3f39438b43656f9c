package openapi

import (
	"net/url"
	"strings"

	"portico/openapi/tree"
)

// Server is an address that a document names.
type Server struct {
	URL         string           `json:"url"`      // absolute, variables replaced by their defaults; "" where that is not possible
	Template    string           `json:"template"` // as the document has it
	Name        string           `json:"name,omitempty"`
	Description string           `json:"description,omitempty"`
	Variables   []ServerVariable `json:"variables,omitempty"`
	Pointer     string           `json:"pointer,omitempty"`
	Line        int              `json:"line,omitempty"`
}

// ServerVariable is a part of an address that may be chosen.
type ServerVariable struct {
	Name        string   `json:"name"`
	Default     string   `json:"default"`
	Enum        []string `json:"enum,omitempty"`
	Description string   `json:"description,omitempty"`
}

// Expand is the server's address with other values for its variables;
// variables without a value there take their default. It is "" where the
// result is no absolute http or https address.
func (s Server) Expand(values map[string]string) string {
	template := s.Template
	for _, v := range s.Variables {
		value, ok := values[v.Name]
		if !ok {
			value = v.Default
		}
		template = strings.ReplaceAll(template, "{"+v.Name+"}", value)
	}
	u, err := url.Parse(template)
	if err != nil || !callable(u) {
		return ""
	}
	return tidy(u)
}

// Upstream is the server to call when nobody chose one: the first with https,
// else the first that can be called at all.
func (s *Outline) Upstream() (Server, bool) { return Upstream(s.Servers) }

// Upstream is, of several servers, the first with https, else the first that
// can be called at all.
func Upstream(servers []Server) (Server, bool) {
	for _, v := range servers {
		if strings.HasPrefix(v.URL, "https:") {
			return v, true
		}
	}
	for _, v := range servers {
		if v.URL != "" {
			return v, true
		}
	}
	return Server{}, false
}

func callable(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && !strings.ContainsAny(u.Host, "{}")
}

// tidy is the address without what a base address cannot have: credentials,
// query, fragment and the last slash.
func tidy(u *url.URL) string {
	c := *u
	c.User, c.RawQuery, c.Fragment, c.ForceQuery = nil, "", "", false
	return strings.TrimRight(c.String(), "/")
}

// documentServers are the document's own. One without any means "/" of where
// it came from.
func (s *source) documentServers(base *url.URL) []Server {
	list := s.root.Get("servers")
	out := s.servers(list, base)
	if up, ok := Upstream(out); ok && len(out) > 1 {
		s.found.add(list, SeverityInfo, FindServerSeveral, "Choose another if that is not the one to call.",
			"The document names %d servers; %s is taken as the upstream.", len(out), up.URL)
	}
	if len(out) > 0 {
		return out
	}
	if base == nil {
		s.found.add(s.root, SeverityWarning, FindServerMissing, "Give the address of the upstream.", "The document names no server.")
		return []Server{}
	}
	from := Server{URL: base.Scheme + "://" + base.Host, Template: "/"}
	s.found.add(s.root, SeverityInfo, FindServerFromSource, "Give another address if the upstream is elsewhere.",
		"The document names no server; %s, where it came from, is taken.", from.URL)
	return []Server{from}
}

func (s *source) servers(list tree.Node, base *url.URL) []Server {
	out := []Server{}
	for n := range list.Children() {
		if n.IsObject() {
			out = append(out, s.server(n, base))
		}
	}
	return out
}

func (s *source) server(n tree.Node, base *url.URL) Server {
	out := Server{
		Template: withoutUser(strings.TrimSpace(n.Get("url").String())), Name: n.Get("name").String(), Description: n.Get("description").String(),
		Pointer: n.Pointer(), Line: n.Line(),
	}
	expanded := strings.TrimSpace(n.Get("url").String())
	for v := range n.Get("variables").Children() {
		variable := ServerVariable{Name: v.Key(), Default: v.Get("default").Text(), Description: v.Get("description").String()}
		for e := range v.Get("enum").Children() {
			variable.Enum = append(variable.Enum, e.Text())
		}
		if !v.Get("default").Exists() && len(variable.Enum) > 0 {
			variable.Default = variable.Enum[0]
		}
		out.Variables = append(out.Variables, variable)
		if variable.Default != "" || v.Get("default").Exists() {
			expanded = strings.ReplaceAll(expanded, "{"+variable.Name+"}", variable.Default)
		}
	}
	out.URL = s.serverURL(n, expanded, base)
	return out
}

// withoutUser is an address without the user name and password in it, which
// must not be stored.
func withoutUser(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		return address
	}
	end := strings.IndexByte(rest, '/')
	if end < 0 {
		end = len(rest)
	}
	return scheme + "://" + rest[strings.LastIndexByte(rest[:end], '@')+1:]
}

// serverURL makes an expanded template absolute, or says why it cannot be.
func (s *source) serverURL(n tree.Node, expanded string, base *url.URL) string {
	if i := strings.IndexByte(expanded, '{'); i >= 0 {
		s.found.add(n, SeverityWarning, FindServerVariable, "Give the variable a default, or give the address of the upstream.",
			"The server %q has a variable without a default.", short(withoutUser(expanded)))
		return ""
	}
	u, err := url.Parse(expanded)
	if err != nil {
		s.found.add(n, SeverityWarning, FindServerInvalid, "Give the address of the upstream.", "The server %q is not a URL.", short(withoutUser(expanded)))
		return ""
	}
	switch {
	case u.Scheme == "" && base != nil:
		u = base.ResolveReference(u)
	case u.Scheme == "":
		s.found.add(n, SeverityWarning, FindServerRelative, "Give the address of the upstream, or import the document from its URL.",
			"The server %q is relative, and where the document came from is not known.", short(expanded))
		return ""
	}
	if !callable(u) {
		s.found.add(n, SeverityWarning, FindServerInvalid, "Name a server with http or https.", "The server %q is not an http or https address.", short(withoutUser(expanded)))
		return ""
	}
	if u.User != nil {
		s.found.add(n, SeverityWarning, FindServerCredentials, "Keep credentials out of documents; give them to the upstream as a secret.",
			"The server's address holds credentials; they are left out.")
	}
	return tidy(u)
}
