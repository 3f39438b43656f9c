package policy

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"weak"

	"portico/gateway/token"
	"portico/internal/entry"
	"portico/internal/entry/keyset"
)

// KeySets keep the public keys of issuers, by the tenant whose policy names them
// and the address where they are published.
type KeySets interface {
	// Keys returns a set that goes on being fetched as long as somebody holds it.
	Keys(tenant ID, url string) KeySet
}

// KeySet are the keys of an issuer, as far as they are known.
type KeySet interface {
	// Keys returns the keys, nil when none were fetched yet, and when they were
	// last known to be the issuer's: seconds since 1970, 0 for always. It must not
	// lock.
	Keys() (*keyset.Set, int64)
	// Ask has the keys fetched again, if that has not just been done, and waits
	// until it has ended, or ctx has.
	Ask(ctx context.Context)
}

// fixedKeys are those that a policy holds itself.
type fixedKeys struct{ set *keyset.Set }

func (k fixedKeys) Keys() (*keyset.Set, int64) { return k.set, 0 }

func (fixedKeys) Ask(context.Context) {}

// noKeys are of an issuer whose keys this node cannot fetch.
type noKeys struct{}

func (noKeys) Keys() (*keyset.Set, int64) { return nil, 0 }

func (noKeys) Ask(context.Context) {}

const (
	// askFor is how long a call waits for keys.
	askFor = 2 * time.Second
	// knownFor is how long a token that was verified is not verified again.
	knownFor = 5 * 60 // seconds
	// usualMaxStale is how long keys are used whose issuer is away.
	usualMaxStale = 24 * time.Hour
)

// jwtStep identifies the caller by a token of an issuer.
type jwtStep struct {
	by       entry.PolicyKind
	config   entry.JWTPolicy
	id       [16]byte // of the configuration and whose it is
	rules    token.Rules
	claim    string
	scopes   string
	maxStale int64 // seconds
	keys     KeySet
	tokens   *token.Table
	grants   Grants
	among
}

func newJWTStep(config entry.JWTPolicy, tenant ID, tools Tools, among among) *jwtStep {
	s := &jwtStep{
		by: entry.PolicyJWT, config: config, claim: orText(config.Claim, "azp"), scopes: orText(config.Scopes, "scope"),
		rules: token.Rules{
			Issuer: config.Issuer, Audiences: config.Audiences, Algorithms: config.Algorithms, AccessOnly: config.AccessOnly,
			Skew: time.Duration(config.SkewMS) * time.Millisecond,
		},
		maxStale: (config.KeysMaxStaleMS + 999) / 1000, keys: noKeys{}, tokens: tools.Tokens.Of(tenant), grants: tools.Grants, among: among,
	}
	if s.maxStale == 0 {
		s.maxStale = int64(usualMaxStale / time.Second)
	}
	for _, r := range config.Required {
		s.rules.Required = append(s.rules.Required, token.Required(r))
	}
	if config.JWKS != "" {
		if set, err := keyset.Parse([]byte(config.JWKS)); err == nil { // entry/check lets no other pass
			s.keys = fixedKeys{set}
		}
	} else if tools.KeySets != nil {
		s.keys = tools.KeySets.Keys(tenant, config.JWKSURL)
	}
	text, _ := json.Marshal(config) // texts and numbers always encode
	sum := sha256.Sum256(append(text, tenant[:]...))
	copy(s.id[:], sum[:])
	return s
}

func inBearer(config entry.JWTPolicy) bool { return config.In == "" || config.In == "bearer" }

// tokenPlace says where a token stands.
func tokenPlace(config entry.JWTPolicy) string {
	if inBearer(config) {
		return bearerPlace
	}
	return "the " + config.In + " " + config.Name
}

// Run implements Step.
func (s *jwtStep) Run(ctx context.Context, ex *Exchange) error {
	text, count := s.take(ex)
	switch {
	case ex.Caller.By != "": // by a policy before this one
		return nil
	case count == 0:
		return s.missing()
	case count > 1:
		return s.denied("credential_invalid", "The request carries several different tokens. Send one only.")
	}
	var known *token.Verified
	if len(text) <= token.MaxBytes { // longer ones are refused unread
		ex.keyHash = sha256.Sum256(bytesOf(text))
		known = s.tokens.Find(&ex.keyHash, &s.id)
	}
	unix := ex.Now.Unix()
	keys := s.current(unix)
	if known == nil || keys == nil || known.Keys.Value() != keys || unix >= known.Until {
		var err error
		if known, err = s.verify(ctx, ex, text, keys); err != nil {
			return err
		}
	}
	return s.admit(ex, known)
}

// current returns the keys that may be used, nil for none.
func (s *jwtStep) current(unix int64) *keyset.Set {
	keys, goodAt := s.keys.Keys()
	if goodAt != 0 && unix-goodAt > s.maxStale {
		return nil
	}
	return keys
}

// verify reads a token that is not known. It asks for the issuer's keys anew where
// there are none, or none of the name that the token says.
func (s *jwtStep) verify(ctx context.Context, ex *Exchange, text string, keys *keyset.Set) (*token.Verified, error) {
	parsed, err := s.rules.Read(text)
	if err != nil {
		return nil, s.refused(err)
	}
	if keys == nil {
		if keys = s.ask(ctx, ex); keys == nil {
			return nil, &Denied{
				Status: http.StatusServiceUnavailable, Code: "issuer_unavailable", RetryAfter: 5 * time.Second,
				Detail: "The keys of the token's issuer cannot be fetched, so that no token can be checked. Call again in a moment.",
			}
		}
	}
	claims, err := s.rules.Verify(parsed, keys, ex.Now)
	if errors.Is(err, token.ErrNoKey) {
		if newer := s.ask(ctx, ex); newer != nil && newer != keys {
			keys = newer
			claims, err = s.rules.Verify(parsed, keys, ex.Now)
		}
	}
	if err != nil {
		return nil, s.refused(err)
	}
	known := &token.Verified{
		Hash: ex.keyHash, Policy: s.id, Keys: weak.Make(keys), Until: min(s.rules.Expiry(claims), ex.Now.Unix()+knownFor),
		Claims: claims, Scopes: claims.Words(s.scopes), Name: claims.Text(s.claim),
	}
	if known.Certificate, err = claims.Bound(); err != nil {
		return nil, s.refused(err)
	}
	known.Grant = entry.TokenHash(s.config.Issuer, known.Name)
	s.tokens.Keep(known)
	return known, nil
}

func (s *jwtStep) ask(ctx context.Context, ex *Exchange) *keyset.Set {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	s.keys.Ask(ctx)
	return s.current(ex.Now.Unix())
}

// admit finds the application that has registered what the token says.
func (s *jwtStep) admit(ex *Exchange, known *token.Verified) error {
	if known.Certificate != nil && !shows(ex, known.Certificate) {
		return s.denied("credential_invalid", "The token is bound to a client certificate (RFC 8705), and this connection does not show it. Call with the certificate that the token was issued to.")
	}
	var grant *Grant
	if known.Name != "" && strings.IndexByte(known.Name, '\n') < 0 {
		grant = s.grants.Grant(&known.Grant)
	}
	switch {
	case grant == nil && !s.config.Unregistered:
		return s.unknown(known)
	case grant != nil && grant.ExpiresAt != 0 && ex.Now.Unix() >= grant.ExpiresAt:
		return s.denied("credential_expired", "The application's registration of this token's "+s.claim+" has expired. Register it again in the portal.")
	}
	if grant != nil {
		if err := grant.restricted(ex); err != nil {
			return err
		}
		if grant.note(ex.Now.Unix(), ex.Client) {
			s.grants.Saw(grant)
		}
	}
	ex.Caller = Caller{Grant: grant, By: s.by, Claims: known.Claims, Scopes: known.Scopes, open: grant == nil}
	return nil
}

// shows reports whether the caller has shown the certificate of a SHA-256.
func shows(ex *Exchange, certificate *[32]byte) bool {
	return ex.ClientCertificate != nil && sha256.Sum256(ex.ClientCertificate.Raw) == *certificate
}

func (s *jwtStep) unknown(known *token.Verified) error {
	detail := "No application has registered the token's " + s.claim + " of this issuer. Register it at an application in the portal."
	if known.Name == "" {
		detail = "The token has no text in its claim " + s.claim + ", which names the application. Ask its issuer for one that has."
	}
	return &Denied{Status: http.StatusForbidden, Code: "application_unknown", Detail: detail}
}

// refused tells a caller why its token is not taken.
func (s *jwtStep) refused(err error) error {
	refusal := (*token.Refusal)(nil)
	switch {
	case errors.Is(err, token.ErrNoKey):
		return s.denied("credential_invalid", "The token is signed with a key that its issuer does not publish. Get a new one from its issuer.")
	case !errors.As(err, &refusal):
		return err
	case refusal.Expired:
		return s.denied("credential_expired", refusal.Detail)
	}
	return s.denied("credential_invalid", refusal.Detail)
}

func (s *jwtStep) denied(code, detail string) error {
	return &Denied{
		Status: http.StatusUnauthorized, Code: code, Detail: detail,
		Challenges: []string{bearerChallenge + `, error="invalid_token"`},
	}
}

// stripTokenStep removes tokens on a route that asks for none of them, without
// asking whose they are.
type stripTokenStep struct {
	jwt    *jwtStep
	public bool
}

// Run implements Step.
func (s stripTokenStep) Run(_ context.Context, ex *Exchange) error {
	s.jwt.take(ex)
	return nil
}

// take reads and removes every token. It returns one of them and how many
// different ones there were.
func (s *jwtStep) take(ex *Exchange) (text string, count int) {
	if s.config.In == "cookie" {
		return takeCookie(ex, s.config.Name)
	}
	drop := false
	for _, f := range ex.Header.Fields() {
		value, ok := s.token(f)
		switch {
		case !ok:
			continue
		case count == 0:
			text, count = value, 1
		case value != text:
			count++
		}
		drop = true
	}
	if drop {
		ex.Header.DelFunc(func(f Field) bool {
			_, ok := s.token(f)
			return ok
		})
	}
	return text, count
}

// token reads a token from a field.
func (s *jwtStep) token(f Field) (text string, ok bool) {
	if inBearer(s.config) {
		if !FoldEqual(f.Name, "Authorization") {
			return "", false
		}
		text, ok = bearer(f.Value)
		return text, ok && (!s.shared || strings.IndexByte(text, '.') >= 0)
	}
	if !FoldEqual(f.Name, s.config.Name) {
		return "", false
	}
	if text, ok = bearer(f.Value); ok {
		return text, true
	}
	return f.Value, true
}

// takeCookie reads and removes the cookies of a name, and leaves the others as
// they are.
func takeCookie(ex *Exchange, name string) (value string, count int) {
	gone := false
	for i := range ex.Header.fields {
		f := &ex.Header.fields[i]
		if !FoldEqual(f.Name, "Cookie") || !strings.Contains(f.Value, name) {
			continue
		}
		grown, took := ex.Scratch(), false
		for pair := range strings.SplitSeq(f.Value, ";") {
			pair = strings.Trim(pair, " \t")
			k, v, _ := strings.Cut(pair, "=")
			if strings.TrimRight(k, " \t") == name {
				v = strings.Trim(v, " \t\"")
				took = true
				if count == 0 {
					value, count = v, 1
				} else if v != value {
					count++
				}
				continue
			}
			if len(grown) > len(ex.Scratch()) {
				grown = append(grown, "; "...)
			}
			grown = append(grown, pair...)
		}
		if took {
			f.Value = ex.Keep(grown)
			gone = gone || f.Value == ""
		}
	}
	if gone {
		ex.Header.DelFunc(func(f Field) bool { return f.Value == "" && FoldEqual(f.Name, "Cookie") })
	}
	return value, count
}

func (s *jwtStep) explain(ex *Exchange) string {
	switch {
	case ex.Caller.By == "":
		return "a token of " + s.config.Issuer + " is read from " + tokenPlace(s.config)
	case ex.Caller.By != entry.PolicyJWT:
		return "the caller was identified before; tokens are taken away before the upstream"
	case ex.Caller.Grant == nil:
		return "the token is good; no application has registered it"
	}
	return "the token is good, and its application known"
}

func (s stripTokenStep) explain(*Exchange) string {
	return unasked(s.public) + "; tokens are taken away before the upstream"
}
