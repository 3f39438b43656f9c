package manager

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"portico/internal/apim"
	"portico/internal/entry"
)

// TryInput is a call that the manager makes to an environment's gateway for a
// person, to see its way.
type TryInput struct {
	Environment string // slug
	Version     apim.ID
	Method      string
	Path        string // with its query, below one of the version's mounts
	Headers     []TryHeader
	Body        string
}

// TryHeader is one header field.
type TryHeader struct{ Name, Value string }

// Tried is what came of a call.
type Tried struct {
	Status    int
	Headers   []TryHeader
	Body      string // text only
	Cut       bool   // there was more
	Binary    bool   // it was no text
	Took      time.Duration
	Explained *Explained // nil: no node told
}

// Bounds of a call that is tried.
const (
	tryFor      = 15 * time.Second
	mostTried   = 16 << 10 // of an answer's body
	longestTry  = 64 << 10 // of a request's body
	mostHeaders = 50
	wayComes    = 2 * time.Second
)

// TryCall calls an environment's own gateway and returns the answer with its
// way. Nothing else can be called: the gateway's address is the operator's, and
// the path lies below a mount of the version. Who may change the API may do so.
func (c *Catalog) TryCall(ctx context.Context, actor apim.Actor, tenant apim.ID, in TryInput) (Tried, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Write, apim.ObjectAPI); err != nil {
		return Tried{}, err
	}
	t := c.Store.Tenant(tenant)
	v, err := t.Version(ctx, in.Version)
	if err != nil {
		return Tried{}, err
	}
	if err := c.allowVersion(ctx, t, actor, apim.Write, v.API); err != nil {
		return Tried{}, err
	}
	token, err := c.MintExplainToken(ctx, actor, tenant, in.Environment, string(v.API))
	if err != nil {
		return Tried{}, err
	}
	mounts := v.Runtime.Mounts
	live, err := t.Deployments(ctx, []apim.ID{v.ID})
	if err != nil {
		return Tried{}, err
	}
	for _, d := range live[v.ID] {
		if d.Environment != token.Environment.Slug {
			continue
		}
		rev, err := t.Revision(ctx, v.ID, d.Revision)
		if err != nil {
			return Tried{}, err
		}
		mounts = append(append([]apim.Mount{}, rev.Runtime.Mounts...), mounts...)
	}
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	req, err := tryRequest(ctx, token.Environment.GatewayURL, mounts, in)
	if err != nil {
		return Tried{}, err
	}
	if c.Try == nil {
		return Tried{}, apim.Errorf(apim.Unavailable, "this process calls no gateways; a manager does")
	}
	req.Header.Set(entry.ExplainHeader, token.Text.Reveal())
	return c.try(ctx, actor, tenant, token, req)
}

func (c *Catalog) try(ctx context.Context, actor apim.Actor, tenant apim.ID, token ExplainToken, req *http.Request) (Tried, error) {
	began := time.Now()
	res, err := c.Try.Do(req)
	if err != nil {
		if failed := (*url.Error)(nil); errors.As(err, &failed) {
			err = failed.Err // the address is known
		}
		return Tried{}, apim.Errorf(apim.Unavailable, "the gateway of %s at %s did not answer: %s", token.Environment.Slug, token.Environment.GatewayURL, err).WithCode("gateway_unreachable")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostTried+1))
	out := Tried{Status: res.StatusCode, Took: time.Since(began), Cut: err != nil || len(body) > mostTried}
	body = body[:min(len(body), mostTried)]
	for cut := 0; out.Cut && cut < utf8.UTFMax && !utf8.Valid(body) && len(body) > 0; cut++ {
		body = body[:len(body)-1] // a letter may have been cut in two
	}
	if out.Binary = !utf8.Valid(body) || bytes.IndexByte(body, 0) >= 0; !out.Binary {
		out.Body = string(body)
	}
	for name, values := range res.Header {
		for _, value := range values {
			out.Headers = append(out.Headers, TryHeader{name, value})
		}
	}
	if id := res.Header.Get(entry.ExplainIDHeader); id != "" {
		_ = res.Body.Close() // a node tells when the answer is over
		x, err := c.Explanation(ctx, actor, tenant, token.Environment.Slug, id, wayComes)
		switch {
		case err == nil:
			out.Explained = &x
		case apim.KindOf(err) != apim.NotFound:
			return out, err
		}
	}
	return out, nil
}

// tryRequest checks what a person typed, in the fields' own names.
func tryRequest(ctx context.Context, gateway string, mounts []apim.Mount, in TryInput) (*http.Request, error) {
	var check apim.Check
	to, err := url.Parse(gateway)
	if err != nil || to.Host == "" {
		return nil, apim.Errorf(apim.Conflict, "the environment's gateway URL %q cannot be called", gateway)
	}
	want, err := url.ParseRequestURI(in.Path)
	host := ""
	switch {
	case err != nil || !strings.HasPrefix(in.Path, "/") || strings.HasPrefix(in.Path, "//") || want.Host != "" || want.Scheme != "":
		check.Fail("path", "path", "begins with one slash and holds nothing that is not encoded, such as /parcels/7?page=2")
	default:
		m, ok := mountOf(mounts, want.Path)
		if !ok {
			check.Fail("path", "not_below_mount", "lies below none of this version's mounts: %s", mountNames(mounts))
		}
		host = m.Host
		to.Path, to.RawPath, to.RawQuery = want.Path, want.RawPath, want.RawQuery
	}
	switch strings.ToUpper(in.Method) {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
	default:
		check.Fail("method", "unknown", "is one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS")
	}
	if len(in.Body) > longestTry {
		check.Fail("body", "too_long", "has %d bytes, the most is %d", len(in.Body), longestTry)
	}
	if len(in.Headers) > mostHeaders {
		check.Fail("headers", "too_many", "are %d, the most is %d", len(in.Headers), mostHeaders)
	}
	fields := http.Header{}
	for _, h := range in.Headers {
		switch {
		case !fieldName(h.Name):
			check.Fail("headers", "name", "holds %q, which is no name of a header; write Name: value, one in a line", clipped(h.Name, 60))
		case ownHeader(h.Name):
			check.Fail("headers", "own", "holds %s, which the gateway or its client sets itself", h.Name)
		case strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }):
			check.Fail("headers", "control", "holds a control character in %s", h.Name)
		default:
			fields.Add(h.Name, h.Value)
		}
	}
	if err := check.Err(); err != nil {
		return nil, err
	}
	body := io.Reader(nil)
	if in.Body != "" {
		body = strings.NewReader(in.Body)
	}
	req, err := http.NewRequestWithContext(ctx, strings.ToUpper(in.Method), to.String(), body)
	if err != nil {
		return nil, invalid("path", "path", "%s", err)
	}
	if req.Header = fields; req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "portico")
	}
	if host != "" {
		req.Host = host
	}
	return req, nil
}

// mountOf returns the mount that a path lies below.
func mountOf(mounts []apim.Mount, path string) (apim.Mount, bool) {
	for _, m := range mounts {
		if path == m.BasePath || strings.HasPrefix(path, m.BasePath+"/") {
			return m, true
		}
	}
	return apim.Mount{}, false
}

func mountNames(mounts []apim.Mount) string {
	var names []string
	for _, m := range mounts {
		name := m.BasePath + "/"
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "it has none"
	}
	return strings.Join(names, ", ")
}

// fieldName reports whether a text may be a header's name (RFC 9110 section 5.6.2).
func fieldName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != "" && len(name) <= 128
}

// ownHeader tells the headers that nobody may choose: those of the connection,
// and those by which a gateway would believe who calls. This process may be one
// of its trusted proxies.
func ownHeader(name string) bool {
	lower := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	switch lower {
	case "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect",
		"proxy-connection", "proxy-authorization", "forwarded", "x-real-ip", "x-request-id", "traceparent", "tracestate":
		return true
	}
	return strings.HasPrefix(lower, "x-forwarded-") || strings.HasPrefix(lower, "x-portico-")
}
