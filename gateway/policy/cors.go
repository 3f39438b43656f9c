package policy

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"portico/internal/entry"
)

// corsStep is the policy "cors". Of those that a request passes the nearest to
// its route has the word about the answer, the last of all.
type corsStep struct {
	any         bool // every origin
	exact       map[string]struct{}
	patterns    []originPattern
	methods     []string // none: all
	headers     []string // none: only the simple ones
	anyHeader   bool
	methodsText string
	headersText string
	exposed     string
	maxAge      string
	credentials bool
	private     bool
}

// originPattern fits origins with one label between its two parts.
type originPattern struct{ before, after string }

func newCORSStep(c entry.CORSPolicy) *corsStep {
	s := &corsStep{
		exact: map[string]struct{}{}, methods: c.Methods, methodsText: strings.Join(c.Methods, ", "),
		exposed: strings.Join(c.ExposedHeaders, ", "), credentials: c.Credentials, private: c.PrivateNetwork,
	}
	for _, o := range c.Origins {
		if before, after, wild := strings.Cut(o, "*"); o == "*" {
			s.any = true
		} else if wild {
			s.patterns = append(s.patterns, originPattern{before, after})
		} else {
			s.exact[o] = struct{}{}
		}
	}
	if len(c.Headers) == 1 && c.Headers[0] == "*" {
		s.anyHeader = true
	} else {
		s.headers, s.headersText = c.Headers, strings.Join(c.Headers, ", ")
	}
	if c.MaxAgeMS > 0 {
		s.maxAge = strconv.FormatInt(c.MaxAgeMS/1000, 10)
	}
	return s
}

// Run implements Step. A route that takes OPTIONS itself gets no preflight: what
// its upstream said to it would be taken away.
func (s *corsStep) Run(_ context.Context, ex *Exchange) error {
	ex.origin, _ = ex.Header.Value("Origin")
	if ex.Method == http.MethodOptions {
		if method, asks := Preflight(ex); asks {
			ex.Preflight = method
			return corsOf(ex).preflight(ex)
		}
	}
	return nil
}

// Preflight reports whether a browser asks whether it may call, and by which
// method.
func Preflight(ex *Exchange) (method string, asks bool) {
	if ex.Method != http.MethodOptions {
		return "", false
	}
	if origin, _ := ex.Header.Value("Origin"); origin == "" {
		return "", false
	}
	method, _ = ex.Header.Value("Access-Control-Request-Method")
	return method, method != ""
}

// AnswersPreflights reports whether the chain, or the environment's, says
// which pages may call.
func (c *Chain) AnswersPreflights(ex *Exchange) bool { return c.corsBeside(ex.Shared) != nil }

func (c *Chain) corsBeside(shared *Chain) *corsStep {
	switch {
	case c != nil && c.cors != nil:
		return c.cors
	case shared != nil:
		return shared.cors
	}
	return nil
}

// corsOf returns what says which pages may call, nil for nothing.
func corsOf(ex *Exchange) *corsStep {
	if ex.chain == nil && ex.Unmatched != nil {
		return ex.Unmatched.corsBeside(ex.Shared)
	}
	return ex.chain.corsBeside(ex.Shared)
}

// Unmatched returns a chain that lets pages read why a call was refused for which
// the API has no route; nil where none may.
func (c *Compiler) Unmatched() *Chain {
	var out *Chain
	for _, p := range c.api.Policies {
		if cors, ok := p.Config.(*entry.CORSPolicy); ok {
			out = &Chain{cors: newCORSStep(*cors)} // the last of several counts, as in every chain
		}
	}
	return out
}

// preflightStep answers a preflight in the place of the whole chain.
type preflightStep struct{ *corsStep }

// Run implements Step.
func (s preflightStep) Run(_ context.Context, ex *Exchange) error {
	ex.origin, _ = ex.Header.Value("Origin")
	return s.preflight(ex)
}

// preflight answers what a browser asks before it calls. The origin's part is
// answer's, since refusals tell it too.
func (s *corsStep) preflight(ex *Exchange) error {
	if !s.allows(ex.origin) {
		return corsRefused("Pages of this origin may not call this API from a browser.")
	}
	if len(s.methods) > 0 && !contains(s.methods, ex.Preflight) {
		return corsRefused("Pages may not call this operation with this method. They may use " + s.methodsText + ".")
	}
	asked, err := s.askedHeaders(ex)
	if err != nil {
		return err
	}
	a := &ex.Answer
	a.Header.Reset()
	a.Status, a.Local = http.StatusNoContent, true
	allowed := s.methodsText
	if allowed == "" {
		allowed = ex.Preflight
	}
	a.Header.Add("Access-Control-Allow-Methods", allowed)
	if asked != "" {
		a.Header.Add("Access-Control-Allow-Headers", asked)
	}
	if s.maxAge != "" {
		a.Header.Add("Access-Control-Max-Age", s.maxAge)
	}
	if wants, _ := ex.Header.Value("Access-Control-Request-Private-Network"); s.private && wants == "true" {
		a.Header.Add("Access-Control-Allow-Private-Network", "true")
	}
	a.Header.Add("Vary", "Access-Control-Request-Method, Access-Control-Request-Headers")
	return ErrAnswered
}

// askedHeaders returns the headers that may be sent: those that were asked
// about where every one may, else all that are configured.
func (s *corsStep) askedHeaders(ex *Exchange) (string, error) {
	asked, count := "", 0
	for _, f := range ex.Header.Fields() {
		if FoldEqual(f.Name, "Access-Control-Request-Headers") {
			asked = f.Value
			count++
		}
	}
	if count > 1 {
		return "", corsRefused("The header Access-Control-Request-Headers stands there more than once.")
	}
	for rest := asked; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, ",")
		if name = strings.Trim(name, " \t"); name == "" {
			continue
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			return "", corsRefused("The header Access-Control-Request-Headers holds what is no header's name.")
		}
		if !s.anyHeader && !containsFold(s.headers, name) {
			return "", corsRefused("Pages may not send the header " + name[:min(len(name), 100)] + " to this API.")
		}
	}
	if s.anyHeader {
		return asked, nil
	}
	return s.headersText, nil
}

func corsRefused(detail string) error {
	return &Denied{
		Status: http.StatusForbidden, Code: "cors_refused",
		Detail: detail + " Whoever offers the API decides this, in its CORS policy.",
	}
}

// answer tells the browser whether the page may read the answer, in the place
// of what the upstream says about it.
func (s *corsStep) answer(ex *Exchange) {
	a := &ex.Answer
	if a.Status == http.StatusSwitchingProtocols {
		return // the WebSocket's handshake knows no CORS
	}
	if !a.Local {
		a.Header.DelFunc(func(f Field) bool {
			const prefix = "Access-Control-"
			return len(f.Name) > len(prefix) && FoldEqual(f.Name[:len(prefix)], prefix)
		})
	}
	origin := ex.origin
	if origin == "" { // refused before this policy's turn, and nothing has been edited yet
		origin, _ = ex.Header.Value("Origin")
	}
	if !s.any {
		addVary(&a.Header, "Origin")
	}
	if origin == "" && !s.any || !s.allows(origin) {
		return
	}
	if s.any { // also where no page calls: a browser may show the answer to one
		a.Header.Set("Access-Control-Allow-Origin", "*")
	} else {
		a.Header.Set("Access-Control-Allow-Origin", origin)
	}
	if s.credentials {
		a.Header.Set("Access-Control-Allow-Credentials", "true")
	}
	if s.exposed != "" && ex.Preflight == "" {
		a.Header.Set("Access-Control-Expose-Headers", s.exposed)
	}
}

// corsAnswer is answer as an Answerer.
type corsAnswer struct{ *corsStep }

// Answer implements Answerer.
func (s corsAnswer) Answer(_ context.Context, ex *Exchange) error {
	s.answer(ex)
	return nil
}

// allows compares an origin with those that are configured. Browsers write
// origins in one way only, so bytes are compared.
func (s *corsStep) allows(origin string) bool {
	if s.any {
		return true
	}
	if _, ok := s.exact[origin]; ok {
		return true
	}
	for i := range s.patterns {
		p := &s.patterns[i]
		if n := len(origin) - len(p.before) - len(p.after); n > 0 && strings.HasPrefix(origin, p.before) && strings.HasSuffix(origin, p.after) &&
			isLabel(origin[len(p.before):len(p.before)+n]) {
			return true
		}
	}
	return false
}

func isLabel(s string) bool {
	for i := range len(s) {
		if c := s[i]; !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != ""
}

// addVary says that an answer depends on a header of the request, where it
// does not say so already.
func addVary(h *Header, name string) {
	for _, f := range h.Fields() {
		if !FoldEqual(f.Name, "Vary") {
			continue
		}
		for rest := f.Value; rest != ""; {
			var one string
			one, rest, _ = strings.Cut(rest, ",")
			if one = strings.Trim(one, " \t"); one == "*" || FoldEqual(one, name) {
				return
			}
		}
	}
	h.Add("Vary", name)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if FoldEqual(x, s) {
			return true
		}
	}
	return false
}

func (s *corsStep) explain(ex *Exchange) string {
	origin := ex.origin
	switch {
	case origin == "":
		return "no page of another origin calls"
	case !s.allows(origin):
		return "pages of the origin " + origin + " may not call"
	}
	return "pages of the origin " + origin + " may call"
}
