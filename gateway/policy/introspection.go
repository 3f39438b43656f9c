package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"portico/gateway/token"
	"portico/internal/entry"
)

// Issuers keep what is known of the tokens that issuers were asked about, and ask
// (RFC 7662).
type Issuers interface {
	// Issuer returns one that is kept as long as somebody holds it. It is the same for
	// all of a tenant's policies that ask at the same address, as the same client and
	// within the same bounds, whatever they make of the answer: these bounds hold for
	// all of them together.
	Issuer(tenant ID, question entry.IntrospectionPolicy) Issuer
}

// AskedToken is a token that an issuer is asked about.
type AskedToken struct {
	Text   string
	Hash   [32]byte // SHA-256 of it
	Policy [16]byte // which judges the answer
	Known  bool     // it was found good before: strangers do not keep it waiting
}

// Issuer is asked about tokens.
type Issuer interface {
	// Tables keep tokens that were found good, and those that were not.
	Tables() (good, refused *token.Table)
	// Ask gives the issuer's answer about a token to judge, and returns what that
	// says. Calls of a policy that ask about the same token at once share one answer.
	// It waits no longer than the question's timeout, or until ctx ends.
	Ask(ctx context.Context, about AskedToken, judge func(answer []byte) (*token.Verified, error)) (*token.Verified, error)
}

// noIssuer is of a node that can ask nobody.
type noIssuer struct{}

func (noIssuer) Tables() (good, refused *token.Table) { return nil, nil }

func (noIssuer) Ask(context.Context, AskedToken, func([]byte) (*token.Verified, error)) (*token.Verified, error) {
	return nil, errors.New("this node asks no issuers")
}

const (
	usualCache = time.Minute
	// refusedFor is how long a token that is not taken is not asked about again.
	refusedFor = 10 * time.Second
)

// introspectionStep identifies the caller by a token whose issuer is asked about
// it. Where tokens stand, and whose they are, it has from the step for JWTs.
type introspectionStep struct {
	*jwtStep
	issuer  Issuer
	refusal *token.Table // of tokens that are not taken
	cache   time.Duration
}

// placeOf is a policy for JWTs that reads the same tokens.
func placeOf(config entry.IntrospectionPolicy) entry.JWTPolicy {
	return entry.JWTPolicy{
		Issuer: config.Issuer, Audiences: config.Audiences, In: config.In, Name: config.Name, Claim: orText(config.Claim, "client_id"),
		Unregistered: config.Unregistered, Scopes: config.Scopes, Required: config.Required, SkewMS: config.SkewMS,
	}
}

func newIntrospectionStep(config entry.IntrospectionPolicy, tenant ID, tools Tools, among among) *introspectionStep {
	s := &introspectionStep{
		jwtStep: newJWTStep(placeOf(config), tenant, Tools{Grants: tools.Grants}, among),
		issuer:  noIssuer{}, cache: time.Duration(config.CacheMS) * time.Millisecond,
	}
	s.by, s.rules.Told = entry.PolicyIntrospection, true
	if s.cache == 0 {
		s.cache = usualCache
	}
	s.id = questionID(config, tenant)
	if tools.Issuers != nil {
		s.issuer = tools.Issuers.Issuer(tenant, config)
	}
	s.tokens, s.refusal = s.issuer.Tables()
	return s
}

// questionID tells questions apart: by the configuration and whose it is, with
// the secrets themselves, which are sealed anew with every publish.
func questionID(config entry.IntrospectionPolicy, tenant ID) (id [16]byte) {
	for _, s := range entry.Secrets(&config) {
		sum := sha256.Sum256([]byte(s.Opened))
		*s.Secret = entry.Secret{Ref: hex.EncodeToString(sum[:])}
	}
	text, _ := json.Marshal(config) // texts and numbers always encode
	sum := sha256.Sum256(append(text, tenant[:]...))
	return [16]byte(sum[:])
}

// Run implements Step.
func (s *introspectionStep) Run(ctx context.Context, ex *Exchange) error {
	if ex.Explain != nil {
		ex.Explain.Note = ""
	}
	text, count := s.take(ex)
	switch {
	case ex.Caller.By != "": // by a policy before this one
		return nil
	case count == 0:
		return s.missing()
	case count > 1:
		return s.denied("credential_invalid", "The request carries several different tokens. Send one only.")
	case text == "":
		return s.denied("credential_invalid", "The token is empty. Send the token as its issuer gave it.")
	case len(text) > token.MaxBytes:
		return s.denied("credential_invalid", "The token is longer than the "+bytesText(token.MaxBytes)+" that are read.")
	}
	ex.keyHash = sha256.Sum256(bytesOf(text))
	unix := ex.Now.Unix()
	known := s.tokens.Find(&ex.keyHash, &s.id)
	if known == nil || unix >= known.Until {
		var err error
		if known, err = s.learn(ctx, ex, text, known != nil); err != nil {
			return err
		}
	} else if ex.Explain != nil {
		ex.Explain.Note = "the answer is known for " + strconv.FormatInt(known.Until-unix, 10) + " s more"
	}
	return s.admit(ex, known)
}

// learn is what is said of a token that is not known to be good; before: it was.
func (s *introspectionStep) learn(ctx context.Context, ex *Exchange, text string, before bool) (*token.Verified, error) {
	unix := ex.Now.Unix()
	if bad := s.refusal.Find(&ex.keyHash, &s.id); bad != nil && unix < bad.Until {
		if ex.Explain != nil {
			ex.Explain.Note = "that the token is not taken is known for " + strconv.FormatInt(bad.Until-unix, 10) + " s more"
		}
		return nil, s.refused(bad.Refused)
	}
	began, about, now := time.Now(), AskedToken{Text: text, Hash: ex.keyHash, Policy: s.id, Known: before}, ex.Now
	known, err := s.issuer.Ask(ctx, about, func(answer []byte) (*token.Verified, error) { return s.judge(about.Hash, answer, now) })
	if ex.Explain != nil {
		ex.Explain.Note = "its issuer was asked, and answered in " + strconv.FormatInt(time.Since(began).Microseconds(), 10) + " µs"
	}
	refusal := (*token.Refusal)(nil)
	switch {
	case errors.As(err, &refusal):
		return nil, s.refused(err)
	case err != nil:
		if ex.Explain != nil {
			ex.Explain.Note = "its issuer was asked in vain, for " + strconv.FormatInt(time.Since(began).Microseconds(), 10) + " µs: " + err.Error()
		}
		return nil, &Denied{
			Status: http.StatusServiceUnavailable, Code: "introspection_unavailable", RetryAfter: 5 * time.Second, Cause: err,
			Detail: "The token's issuer cannot be asked whether the token is good. Call again in a moment.",
		}
	}
	return known, nil
}

// judge reads an issuer's answer, and keeps what it says.
func (s *introspectionStep) judge(hash [32]byte, answer []byte, now time.Time) (*token.Verified, error) {
	known := &token.Verified{Hash: hash, Policy: s.id}
	claims, err := s.rules.Introspected(answer, now)
	if err == nil {
		known.Certificate, err = claims.Bound()
	}
	if errors.As(err, &known.Refused) {
		known.Until = now.Add(min(refusedFor, s.cache)).Unix()
		s.refusal.Keep(known)
		s.tokens.Forget(&hash, &s.id) // it is a stranger's from now on
	}
	if err != nil {
		return nil, err
	}
	known.Claims, known.Scopes, known.Name = claims, claims.Words(s.scopes), claims.Text(s.claim)
	known.Grant = entry.TokenHash(s.config.Issuer, known.Name)
	known.Until = now.Add(s.cache).Unix()
	if end := s.rules.Expiry(claims); end != 0 {
		known.Until = min(known.Until, end)
	}
	s.tokens.Keep(known)
	return known, nil
}

func (s *introspectionStep) explain(ex *Exchange) string {
	switch {
	case ex.Caller.By != "" && ex.Caller.By != entry.PolicyIntrospection:
		return "the caller was identified before; tokens are taken away before the upstream"
	case ex.Explain.Note != "":
		return ex.Explain.Note
	}
	return "a token of " + s.config.Issuer + " is read from " + tokenPlace(s.config)
}
