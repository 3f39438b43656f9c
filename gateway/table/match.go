package table

import (
	"math"
	"net/http"
	"strings"
	"unsafe"

	"portico/gateway/policy"
	"portico/gateway/prefetch"
	"portico/internal/entry/template"
)

// Match finds a request's route and writes it into the exchange: scope,
// parameters, the path for the upstream, and what the answer announces. A *policy.Denied says that there is
// none, or none for the method; the API is returned even then, once it is known.
func (t *Table) Match(ex *policy.Exchange) (*Route, *API, error) {
	path := ex.Path.Decoded
	there, base := t.find(ex.Host, path)
	api := there.api
	switch {
	case there.choices != nil:
		var err error
		if api, err = there.choose(ex); err != nil {
			return nil, nil, err
		}
	case api != nil:
		prefetch.Memory(unsafe.Pointer(api), unsafe.Sizeof(*api))
		ex.Announced = api.Announced
	default:
		return nil, nil, noRoute("No API is published under this address. Compare the host and the path with those in the API's reference.")
	}
	below := path[base:]
	if below == "" {
		below = "/"
	}
	s := search{ex: ex, path: below, rank: math.MaxInt32, method: api.matcher.bit(ex.Method, false)}
	s.walk(&api.matcher.root, 0)
	if s.route == nil && ex.Method == http.MethodHead {
		s.method = api.matcher.bit(http.MethodGet, false)
		s.walk(&api.matcher.root, 0)
	}
	if s.route == nil && ex.Method == http.MethodOptions {
		api = s.preflight(there, api)
	}
	switch {
	case s.route != nil:
	case s.others != 0:
		ex.Unmatched = api.unmatched
		return nil, api, &policy.Denied{
			Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Allow: api.matcher.allow(s.others),
			Detail: api.Name + " has no operation with this method at this path. The header Allow lists those it has.",
		}
	default:
		ex.Unmatched = api.unmatched
		return nil, api, noRoute(api.Name + " has no operation at this path. Compare it, trailing slash included, with the API's reference.")
	}
	// What is read of it next is spread over it, and of thousands few are in a cache.
	prefetch.Memory(unsafe.Pointer(s.route), unsafe.Sizeof(*s.route))
	ex.Scope = &s.route.Scope
	s.route.bind(&ex.Params, below)
	return s.route, api, s.route.upstreamPath(ex, base, below)
}

func noRoute(detail string) *policy.Denied {
	return &policy.Denied{Status: http.StatusNotFound, Code: "no_route", Detail: detail}
}

type search struct {
	ex     *policy.Exchange
	path   string
	method uint64
	route  *Route
	rank   int32
	others uint64 // methods of routes that would match but for theirs
	loose  bool   // headers that a route wants are taken to be there
}

// preflight finds the route about which a browser asks before it calls, and
// returns its API; the one it was given where nothing answers such questions.
// The call's own headers are not there yet, so that a version or a route that
// is told apart by them is any that would fit.
func (s *search) preflight(there seat, api *API) *API {
	method, asks := policy.Preflight(s.ex)
	if !asks {
		return api
	}
	if found := s.asked(api, method); found != nil {
		return found
	}
	for _, c := range there.list() {
		if found := s.asked(c.api, method); found != nil {
			return found
		}
	}
	return api
}

// asked looks for the route in one API.
func (s *search) asked(api *API, method string) *API {
	if api == nil {
		return nil
	}
	p := search{ex: s.ex, path: s.path, rank: math.MaxInt32, method: api.matcher.bit(method, false), loose: true}
	p.walk(&api.matcher.root, 0)
	if p.route == nil && method == http.MethodHead {
		p.method = api.matcher.bit(http.MethodGet, false)
		p.walk(&api.matcher.root, 0)
	}
	if p.route == nil || !p.route.Chain.AnswersPreflights(s.ex) {
		return nil
	}
	s.route, s.ex.Preflight = p.route, method
	return api
}

// walk searches below a node; at is the slash before the next segment.
func (s *search) walk(n *node, at int) {
	if n.best > s.rank {
		return
	}
	end := strings.IndexByte(s.path[at+1:], '/')
	last := end < 0
	if last {
		end = len(s.path)
	} else {
		end += at + 1
	}
	segment := s.path[at+1 : end]
	if next := n.literal(segment); next != nil {
		next.ahead()
		s.step(next, end, last)
	}
	for i := range n.partials {
		if e := &n.partials[i]; e.node.best <= s.rank && matchPartial(e.literals, segment, nil) {
			s.step(e.node, end, last)
		}
	}
	if n.whole != nil && segment != "" {
		s.step(n.whole, end, last)
	}
	if n.rest != nil {
		s.try(n.rest)
	}
}

func (s *search) step(n *node, end int, last bool) {
	if !last {
		s.walk(n, end)
	} else if n.leaf != nil {
		s.try(n.leaf)
	}
}

func (s *search) try(l *leaf) {
	if l.rank > s.rank {
		return
	}
	for i := range l.methods {
		mr := &l.methods[i]
		r := mr.only
		if r == nil {
			r = mr.several.pick(s.ex)
		}
		if r == nil && s.loose {
			r = mr.several.routes[0]
		}
		if r == nil {
			continue
		}
		if mr.bit == s.method {
			if l.rank < s.rank || len(r.predicates) > len(s.route.predicates) {
				s.route, s.rank = r, l.rank
			}
			return
		}
		s.others |= mr.bit
	}
}

// matchPartial matches one segment and, when params is set, adds the values.
// A parameter takes as little as it can, and at least one byte.
func matchPartial(literals []string, segment string, params *policy.Params) bool {
	if !strings.HasPrefix(segment, literals[0]) {
		return false
	}
	at, last := len(literals[0]), len(literals)-1
	for _, lit := range literals[1:last] {
		if at+1 > len(segment) {
			return false
		}
		i := strings.Index(segment[at+1:], lit)
		if i < 0 {
			return false
		}
		if params != nil {
			params.Add(segment[at : at+1+i])
		}
		at += 1 + i + len(lit)
	}
	end := len(segment) - len(literals[last])
	if end < at+1 || segment[end:] != literals[last] {
		return false
	}
	if params != nil {
		params.Add(segment[at:end])
	}
	return true
}

// bind reads the parameters of a path that the route is known to match.
func (r *Route) bind(params *policy.Params, path string) {
	params.Begin(r.path.Names)
	if len(r.path.Names) == 0 {
		return
	}
	rest := path[1:]
	for whole := r.wholes; whole != 0; whole >>= 1 {
		segment := rest
		if end := strings.IndexByte(rest, '/'); end >= 0 {
			segment, rest = rest[:end], rest[end+1:]
		}
		if whole&1 != 0 {
			params.Add(segment)
		}
	}
	if r.wholes != 0 {
		return
	}
	for i := range r.path.Segments {
		seg := &r.path.Segments[i]
		if seg.Kind == template.Rest {
			params.Add(rest)
			return
		}
		segment := rest
		if end := strings.IndexByte(rest, '/'); end >= 0 {
			segment, rest = rest[:end], rest[end+1:]
		}
		switch seg.Kind {
		case template.Whole:
			params.Add(segment)
		case template.Partial:
			matchPartial(seg.Literals, segment, params)
		}
	}
}

// upstreamPath writes the path that the destination calls. A path that is not
// rewritten stays byte for byte what the canonical form has below the mount.
func (r *Route) upstreamPath(ex *policy.Exchange, base int, below string) error {
	if r.upstream == nil {
		wire := ex.Path.Wire
		if skip := segments(ex.Path.Decoded[:base]); len(wire) != len(ex.Path.Decoded) {
			for base = 0; skip > 0; skip-- {
				if i := strings.IndexByte(wire[base+1:], '/'); i >= 0 {
					base += 1 + i
				} else {
					base = len(wire)
				}
			}
		}
		if ex.UpstreamPath = wire[base:]; ex.UpstreamPath == "" {
			ex.UpstreamPath = below
		}
		return nil
	}
	grown := policy.AppendPath(ex.Scratch(), r.upstream, &ex.Params)
	ex.UpstreamPath = ex.Keep(grown)
	if policy.HasDots(ex.UpstreamPath) {
		return policy.BadRequest("The path holds a dot segment.")
	}
	return nil
}
