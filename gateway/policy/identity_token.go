package policy

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"net/http"
	"sync/atomic"
	"time"

	"portico/gateway/identity"
	"portico/internal/entry"
)

// identityTokenStep tells the upstream who is calling.
type identityTokenStep struct {
	audience string
	header   string
	prefix   string
	lifetime time.Duration
	signer   *identity.Signer
	seed     maphash.Seed

	// kept has the last token of a caller, at the place of its hash: signing costs
	// more than all the rest of a call.
	kept [keptTokens]atomic.Pointer[identityToken]
}

const keptTokens = 1024 // a power of two

// identityToken is a token that was signed. It never changes.
type identityToken struct {
	application, subscription, api ID
	theirs, subject                string // of the caller's own token, where no application has registered it
	issuer, key                    string
	freshUntil                     int64 // seconds since 1970
	text                           string
}

const identityLifetime = time.Minute

func newIdentityTokenStep(config entry.IdentityToken, signer *identity.Signer) *identityTokenStep {
	s := &identityTokenStep{audience: config.Audience, header: config.Header, lifetime: identityLifetime, signer: signer, seed: maphash.MakeSeed()}
	if s.header == "" {
		s.header = "Authorization"
	}
	if FoldEqual(s.header, "Authorization") {
		s.prefix = "Bearer "
	}
	if config.LifetimeMS > 0 {
		s.lifetime = time.Duration(config.LifetimeMS) * time.Millisecond
	}
	return s
}

// Run implements Step.
func (s *identityTokenStep) Run(_ context.Context, ex *Exchange) error {
	var application, subscription ID
	if ex.Caller.Grant != nil {
		application = ex.Caller.Grant.Application
	}
	if ex.Caller.Subscription != nil {
		subscription = ex.Caller.Subscription.ID
	}
	theirs, subject := unregistered(&ex.Caller)
	at := binary.LittleEndian.Uint64(application[8:]) ^ binary.LittleEndian.Uint64(subscription[8:])
	if subject != "" {
		at ^= maphash.String(s.seed, subject)
	}
	place := &s.kept[at%keptTokens]
	t := place.Load()
	if t == nil || t.application != application || t.subscription != subscription || t.api != ex.Scope.Version || t.subject != subject || t.theirs != theirs ||
		t.key != s.signer.KeyID() || t.issuer != ex.Issuer || ex.Now.Unix() >= t.freshUntil {
		var err error
		if t, err = s.sign(ex, identityToken{application: application, subscription: subscription, theirs: theirs, subject: subject}); err != nil {
			return err
		}
		place.Store(t)
	}
	ex.Header.Set(s.header, t.text)
	return nil
}

// unregistered returns whose token a caller has shown that no application has
// registered; "" where that is not how it was identified.
func unregistered(c *Caller) (issuer, subject string) {
	if c.Grant != nil || c.Claims == nil {
		return "", ""
	}
	for _, name := range [...]string{"sub", "client_id", "azp"} {
		if subject = c.Claims.Text(name); subject != "" {
			break
		}
	}
	return c.Claims.Text("iss"), subject
}

// sign makes the token of a caller.
func (s *identityTokenStep) sign(ex *Exchange, of identityToken) (*identityToken, error) {
	now := ex.Now.Truncate(time.Second)
	claims := map[string]any{
		"iss": ex.Issuer, "aud": s.audience, "sub": "anonymous", "api": ex.Scope.Name,
		"iat": now.Unix(), "exp": now.Add(s.lifetime).Unix(),
	}
	if grant := ex.Caller.Grant; grant != nil {
		claims["sub"], claims["application"], claims["tenant"] = of.application.String(), grant.Name, grant.Tenant.String()
	}
	if of.subject != "" || of.theirs != "" {
		claims["sub"] = of.theirs + "|" + of.subject // an application's id holds no such line
		claims["token_issuer"], claims["token_subject"] = of.theirs, of.subject
	}
	if sub := ex.Caller.Subscription; sub != nil {
		claims["subscription"], claims["plan_id"] = of.subscription.String(), sub.Terms.Plan.String()
		if terms := sub.Terms.Load(); terms != nil {
			claims["plan"] = terms.Name
		}
	}
	key := s.signer.KeyID()
	text, err := s.signer.Sign(claims)
	if errors.Is(err, identity.ErrNoKey) {
		return nil, &Denied{
			Status: http.StatusServiceUnavailable, Code: "not_ready", Cause: err, RetryAfter: time.Second,
			Detail: "This gateway node does not have its configuration yet. Call again in a moment.",
		}
	}
	if err != nil {
		return nil, err
	}
	of.api, of.issuer, of.key = ex.Scope.Version, ex.Issuer, key
	of.freshUntil, of.text = now.Add(s.lifetime/2).Unix(), s.prefix+text
	return &of, nil
}

func (s *identityTokenStep) explain(*Exchange) string {
	return "a token for " + s.audience + " is sent in " + s.header
}
