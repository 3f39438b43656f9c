package policy

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"portico/internal/entry"
)

// ClientTokens gets tokens for upstreams that ask for them.
type ClientTokens interface {
	// Source returns what gets the tokens of a client for a tenant. It is the same
	// one as long as somebody holds it and nothing of the request changes.
	Source(tenant ID, request TokenRequest) TokenSource
}

// TokenRequest says how a client gets a token (RFC 6749 section 4.4).
type TokenRequest struct {
	URL, ClientID, ClientSecret string

	InBody     bool // the client says who it is in the body, not in a header
	Scopes     []string
	Parameters map[string]string // further ones
	Timeout    time.Duration
}

// TokenSource keeps a token at hand. It is safe for concurrent use.
type TokenSource interface {
	// Token returns one that is good now, and waits for it where it must. after is
	// how long to wait before it may be asked again, where there is an error; that is
	// for people and tells no secret.
	Token(ctx context.Context) (token string, after time.Duration, err error)
	// Renew hears that an upstream has refused a token, and reports whether there is
	// another one now. It waits for that only where wait is set.
	Renew(ctx context.Context, refused string, wait bool) bool
	// GoodFor says how long the token at hand is good, 0 for none.
	GoodFor() time.Duration
}

// tokenProof is a token that the gateway gets as a client.
type tokenProof struct{ source TokenSource }

// NoUpstreamToken is the code of the refusal where there is none.
const NoUpstreamToken = "upstream_token_unavailable"

const usualTokenTimeout = 5 * time.Second

func newUpstreamOAuthStep(config entry.UpstreamOAuth, tenant ID, tokens ClientTokens, own bool) Step {
	if tokens == nil {
		return unknownStep{}
	}
	r := TokenRequest{
		URL: config.TokenURL, ClientID: config.ClientID.Opened, ClientSecret: config.ClientSecret.Opened,
		InBody: config.Authentication == "post", Scopes: config.Scopes, Parameters: map[string]string{}, Timeout: usualTokenTimeout,
	}
	for name, value := range config.Parameters {
		r.Parameters[name] = value
	}
	if config.Audience != "" {
		r.Parameters["audience"] = config.Audience
	}
	if config.Resource != "" {
		r.Parameters["resource"] = config.Resource
	}
	if config.TimeoutMS > 0 {
		r.Timeout = time.Duration(config.TimeoutMS) * time.Millisecond
	}
	p := &tokenProof{tokens.Source(tenant, r)}
	host := ""
	if u, err := url.Parse(config.TokenURL); err == nil {
		host = u.Host
	}
	return &proofStep{Proof: p, upstream: config.Upstream, own: own, text: "a token of " + host + " is sent in Authorization, ", told: p.told}
}

func (p *tokenProof) told(*Exchange) string {
	if good := p.source.GoodFor(); good > 0 {
		return "good for another " + roundUp(good).String()
	}
	return "which is to be got"
}

// Ready implements Proof.
func (p *tokenProof) Ready(ctx context.Context, ex *Exchange) error {
	token, after, err := p.source.Token(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return &Broken{ctx.Err()}
	case err != nil:
		return &Denied{
			Status: http.StatusServiceUnavailable, Code: NoUpstreamToken, Cause: err, RetryAfter: max(after.Round(time.Second), time.Second),
			Detail: "The gateway cannot get the token with which it calls the service behind this API. Call again later.",
		}
	}
	ex.proven = token
	return nil
}

// Replaces implements Proof.
func (*tokenProof) Replaces(name string) bool { return FoldEqual(name, "Authorization") }

// Append implements Proof.
func (*tokenProof) Append(head []byte, ex *Exchange) []byte {
	return append(append(append(head, "Authorization: Bearer "...), ex.proven...), '\r', '\n')
}

// Refused implements Proof.
func (p *tokenProof) Refused(ctx context.Context, ex *Exchange, again bool) bool {
	if !p.source.Renew(ctx, ex.proven, again) || !again {
		return false
	}
	token, _, err := p.source.Token(ctx)
	if err != nil {
		return false
	}
	ex.proven = token
	return true
}
