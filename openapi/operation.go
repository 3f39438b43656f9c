package openapi

import (
	"context"
	"net/url"
	"strings"

	"portico/openapi/tree"
)

// Operation is a method on a path.
type Operation struct {
	ID          string   `json:"id"`                 // unique in the document: GivenID, or made of method and path
	GivenID     string   `json:"given_id,omitempty"` // the document's operationId
	Synthesised bool     `json:"synthesised,omitempty"`
	Slug        string   `json:"slug"` // ID as a part of a URL, unique as well
	Method      string   `json:"method"`
	Path        string   `json:"path"`       // the template to route by, repaired
	PathGiven   string   `json:"path_given"` // as the document has it
	Summary     string   `json:"summary,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Deprecated  bool     `json:"deprecated,omitempty"`

	// Predicates are conditions beside the path; all must hold.
	Predicates []Predicate `json:"predicates,omitempty"`

	// Servers are the operation's own, else its path's; empty where the
	// document's hold.
	Servers []Server `json:"servers,omitempty"`

	// Security is what holds for the operation, the document's included.
	Security          [][]Requirement `json:"security,omitempty"`
	SecurityInherited bool            `json:"security_inherited,omitempty"`

	// Public says that the document lets calls without credentials through:
	// a candidate to be asked about, not a decision.
	Public bool `json:"public,omitempty"`

	// DocumentationOnly operations cannot be routed: a finding says why.
	DocumentationOnly bool `json:"documentation_only,omitempty"`

	// HasBody says that a request body is described, NeedsInput that a call
	// without parameters or body would not do.
	HasBody    bool `json:"has_body,omitempty"`
	NeedsInput bool `json:"needs_input,omitempty"`

	Pointer string `json:"pointer"`
	Line    int    `json:"line"`
}

// Predicate is a condition on a request beside its path. An empty Value asks
// only that the name is present.
type Predicate struct {
	In    string `json:"in"` // "query" or "header"
	Name  string `json:"name"`
	Value string `json:"value,omitempty"`
}

// isMethod tells the fields of a path item that are operations; "query" is
// OpenAPI 3.2's.
func isMethod(field string) bool {
	switch field {
	case "get", "put", "post", "delete", "options", "head", "patch", "trace", "query":
		return true
	}
	return false
}

// operationReader walks the paths of a document.
type operationReader struct {
	src      *source
	base     *url.URL
	document [][]Requirement // the document's own security
	declared bool            // the document has a security list

	operations []Operation
	places     []place        // of operations, in step
	seen       map[string]int // method and shape of a route → the operation that has it
	remarks    []remark
}

func (r *operationReader) readAll(ctx context.Context) error {
	r.operations, r.seen = []Operation{}, make(map[string]int)
	keys := make(map[string]bool)
	for path := range r.src.root.Get("paths").Children() {
		key := path.Key()
		if strings.HasPrefix(key, "x-") {
			continue
		}
		if keys[key] {
			r.src.found.add(path, SeverityWarning, FindDuplicateKey, "Merge the two.", "The path %q stands twice; the first is read.", short(key))
			continue
		}
		keys[key] = true
		if err := r.readPath(path); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	r.routeRemarks()
	r.nameAll()
	return nil
}

func (r *operationReader) readPath(path tree.Node) error {
	item := path
	if path.Get("$ref").Exists() {
		if item = r.src.resolve(path); !item.Exists() {
			return nil // the reference has its own finding
		}
	}
	if !item.IsObject() {
		r.src.found.add(path, SeverityWarning, FindPathNotObject, "", "The path %q holds %s where an object of operations is expected.", short(path.Key()), item.Kind())
		return nil
	}
	read := func(method string, n tree.Node) error {
		if len(r.operations) == r.src.limits.MaxOperations {
			return refuse(n, ErrTooManyOps, "The document has more than %d operations. Split it into several APIs.", r.src.limits.MaxOperations)
		}
		if !n.IsObject() {
			r.src.found.add(n, SeverityWarning, FindOperationNotObject, "", "%s %s holds %s where an operation is expected.", strings.ToUpper(method), short(path.Key()), n.Kind())
			return nil
		}
		r.readOperation(path, item, n, method)
		return nil
	}
	methods := make(map[string]bool)
	for field := range item.Children() {
		name := field.Key()
		if name == "additionalOperations" {
			for n := range field.Children() {
				if err := read(n.Key(), n); err != nil {
					return err
				}
			}
			continue
		}
		if !isMethod(name) {
			continue
		}
		if methods[name] {
			r.src.found.add(field, SeverityWarning, FindDuplicateKey, "Merge the two.", "The method %q stands twice on one path; the first is read.", name)
			continue
		}
		methods[name] = true
		if err := read(name, field); err != nil {
			return err
		}
	}
	return nil
}

func (r *operationReader) readOperation(path, item, n tree.Node, method string) {
	o := Operation{
		GivenID: strings.TrimSpace(n.Get("operationId").String()), Method: strings.ToUpper(method), PathGiven: path.Key(),
		Summary: n.Get("summary").String(), Tags: texts(n.Get("tags")), Deprecated: n.Get("deprecated").True(),
		Pointer: n.Pointer(), Line: n.Line(), Public: false,
	}
	if o.Summary == "" {
		o.Summary = item.Get("summary").String()
	}
	params := r.src.parameters(item, n)
	rt := r.src.repairPath(path, params)
	o.Path, o.Predicates = rt.path, rt.predicates
	o.DocumentationOnly = rt.documentation
	r.readServers(&o, item, n)
	r.readSecurity(&o, n)
	r.readInput(&o, n, params)
	r.checkTwin(&o, n)
	if rt.remark != "" {
		r.remarks = append(r.remarks, remark{len(r.operations), rt.remark})
	}
	r.operations = append(r.operations, o)
	r.places = append(r.places, place{item, n})
}

// remark is an operation whose path key ends with what is no condition, and
// the path without that.
type remark struct {
	operation int
	path      string
}

// routeRemarks routes the operations whose path without the remark nothing
// else has. The others would take their requests from one another.
func (r *operationReader) routeRemarks() {
	for _, m := range r.remarks {
		o, n := &r.operations[m.operation], r.places[m.operation].operation
		key := o.Method + " " + shape(m.path)
		first, taken := r.seen[key]
		if taken {
			r.src.found.add(n, SeverityWarning, FindPathFragment, "Give the operation a path of its own.",
				"%s %s differs from %s on line %d only by what no request can be told by; it is documentation only.",
				o.Method, short(o.PathGiven), short(r.operations[first].PathGiven), r.operations[first].Line)
			continue
		}
		r.seen[key] = m.operation
		o.Path, o.DocumentationOnly = m.path, false
		r.src.found.add(n, SeverityInfo, FindPathFragment, "", "%s %s is routed as %q.", o.Method, short(o.PathGiven), short(m.path))
	}
}

func (r *operationReader) readServers(o *Operation, item, n tree.Node) {
	for _, holder := range []tree.Node{n, item} {
		if list := holder.Get("servers"); list.Len() > 0 {
			o.Servers = r.src.servers(list, r.base)
			if up, ok := Upstream(o.Servers); ok {
				r.src.found.add(list, SeverityInfo, FindServerOfOperation, "", "%s %s has a server of its own: %s.", o.Method, short(o.PathGiven), up.URL)
			}
			return
		}
	}
}

func (r *operationReader) readSecurity(o *Operation, n tree.Node) {
	own := n.Get("security")
	o.Security = requirements(own)
	r.src.checkRequirements(own)
	if o.Security == nil && r.declared {
		o.Security, o.SecurityInherited = r.document, true
	}
	o.Public = open(o.Security)
}

func (r *operationReader) readInput(o *Operation, n tree.Node, params []tree.Node) {
	for _, p := range params {
		o.NeedsInput = o.NeedsInput || p.Get("required").True() || p.Get("in").String() == "path"
	}
	o.NeedsInput = o.NeedsInput || strings.Contains(o.Path, "{")
	body := r.src.resolve(n.Get("requestBody"))
	o.HasBody = body.Exists()
	o.NeedsInput = o.NeedsInput || body.Get("required").True()
	switch o.Method {
	case "GET", "HEAD", "DELETE":
		if o.HasBody {
			r.src.found.add(n.Get("requestBody"), SeverityInfo, FindBodyUnusual, "Many clients and proxies drop it; move it to parameters or POST.",
				"%s %s describes a request body. It is kept.", o.Method, short(o.PathGiven))
		}
	}
}

// checkTwin finds a route that matches the same requests as an earlier one:
// the names of parameters make no difference. The first is kept.
func (r *operationReader) checkTwin(o *Operation, n tree.Node) {
	if o.DocumentationOnly {
		return
	}
	key := o.Method + " " + shape(o.Path)
	for _, p := range o.Predicates {
		key += "\x00" + p.In + "\x00" + p.Name + "\x00" + p.Value
	}
	first, ok := r.seen[key]
	if !ok {
		r.seen[key] = len(r.operations)
		return
	}
	o.DocumentationOnly = true
	r.src.found.add(n, SeverityWarning, FindSameRoute, "Remove one of the two, or give them different paths.",
		"%s %s matches the same requests as %s on line %d, which is kept; this one is documentation only.",
		o.Method, short(o.PathGiven), short(r.operations[first].PathGiven), r.operations[first].Line)
}

// parameters are the path item's and the operation's, resolved; the
// operation's replace the item's of the same place and name.
func (s *source) parameters(item, n tree.Node) []tree.Node {
	var out []tree.Node
	at := make(map[string]int)
	for _, list := range []tree.Node{item.Get("parameters"), n.Get("parameters")} {
		for p := range list.Children() {
			if p = s.resolve(p); !p.IsObject() {
				continue
			}
			key := p.Get("in").String() + "\x00" + p.Get("name").String()
			if i, ok := at[key]; ok {
				out[i] = p
				continue
			}
			at[key] = len(out)
			out = append(out, p)
		}
	}
	return out
}
