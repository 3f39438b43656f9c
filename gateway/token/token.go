// Package token verifies JSON Web Tokens (RFC 7519) as the gateway takes them:
// signed by a key of the issuer with an algorithm that the API's provider has
// chosen, for this audience, and in time.
//
// What a token says of how to check it is compared and never followed: no
// algorithm is taken because the token names it, and keys, chains and addresses
// that it brings along (jwk, x5c, jku, x5u) are ignored. It deliberately knows
// no encrypted and no nested tokens, and fetches nothing.
package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/internal/entry/keyset"
)

// MaxBytes is how long a token may be.
const MaxBytes = 8 << 10

// maxKeyID is how long the id of a key may be, in bytes.
const maxKeyID = 256

// Rules say which tokens are taken.
type Rules struct {
	Issuer     string
	Audiences  []string // none: any
	Algorithms []string
	AccessOnly bool // typ has to be at+jwt
	Skew       time.Duration
	Required   []Required
	// Told says that the issuer itself tells what the claims are: neither iss nor
	// exp need be there.
	Told bool
}

// Required is a claim that a token must have, with one of the values; none: any
// but null.
type Required struct {
	Name   string
	Values []string
}

// Refusal says why a token is not taken, to its caller.
type Refusal struct {
	Expired bool   // it was good
	Detail  string // a sentence, and what to do
}

// Error implements error.
func (r *Refusal) Error() string { return r.Detail }

func refused(format string, args ...any) *Refusal {
	return &Refusal{Detail: fmt.Sprintf(format, args...)}
}

// Token is one whose signature has not been checked yet. Only its head has been
// read, to find the key.
type Token struct {
	KeyID     string
	Algorithm string

	signed  string // what the signature is over
	payload string
	sig     []byte
}

// Read takes a token apart, and refuses one that could not be taken whoever
// signed it. What it returns points into text.
func (r *Rules) Read(text string) (*Token, error) {
	if len(text) > MaxBytes {
		return nil, refused("The token is longer than the %d KiB that are read. Ask its issuer for one with fewer claims.", MaxBytes>>10)
	}
	end := strings.LastIndexByte(text, '.')
	if end < 0 || strings.Count(text, ".") != 2 {
		return nil, refused("The token is no signed JSON Web Token, whose three parts are divided by dots. Send the token as its issuer gave it.")
	}
	head, payload, _ := strings.Cut(text[:end], ".")
	raw, err := decode(head)
	if err != nil {
		return nil, refused("The token's head is not base64url. Send the token as its issuer gave it.")
	}
	header, err := readObject(raw)
	if err != nil {
		return nil, refused("The token's head %s. Send the token as its issuer gave it.", err)
	}
	t := &Token{signed: text[:end], payload: payload}
	if t.sig, err = decode(text[end+1:]); err != nil || len(t.sig) == 0 {
		return nil, refused("The token has no signature that can be read. Send the token as its issuer gave it.")
	}
	return t, r.head(header, t)
}

// head compares what the token says of itself with what is taken.
func (r *Rules) head(h *Claims, t *Token) error {
	algorithm, isText := h.values["alg"].(string)
	if !isText || !slices.Contains(r.Algorithms, algorithm) {
		return refused("The token is signed with %q; this API takes %s.", clipped(fmt.Sprint(h.values["alg"])), strings.Join(r.Algorithms, ", "))
	}
	for _, name := range []string{"crit", "b64", "zip", "enc"} {
		if _, has := h.values[name]; has {
			return refused("The token's head says %q, which is not supported here.", name)
		}
	}
	switch kind, has := h.values["typ"]; {
	case !has && !r.AccessOnly:
	default:
		name, _ := kind.(string)
		name = strings.TrimPrefix(strings.ToLower(name), "application/")
		if name != "at+jwt" && (name != "jwt" || r.AccessOnly) {
			return refused("The token says that it is a %q and is not taken as an access token.", clipped(fmt.Sprint(kind)))
		}
	}
	if kind, has := h.values["cty"]; has {
		if name, _ := kind.(string); strings.TrimPrefix(strings.ToLower(name), "application/") != "json" {
			return refused("The token holds another token. Send the inner one alone.")
		}
	}
	if id, has := h.values["kid"]; has {
		text, isText := id.(string)
		if !isText || text == "" || len(text) > maxKeyID {
			return refused("The token's key id is no text of 1 to %d bytes.", maxKeyID)
		}
		t.KeyID = text
	}
	t.Algorithm = algorithm
	return nil
}

// ErrNoKey is returned by Verify when the issuer has no key that the token names or,
// where it names none, that has signed it. A newer set may have it.
var ErrNoKey = errors.New("no key of that name")

// Verify checks the signature by the issuer's keys, and then all that the token
// says.
func (r *Rules) Verify(t *Token, keys *keyset.Set, now time.Time) (*Claims, error) {
	candidates := keys.Find(t.KeyID, t.Algorithm)
	switch {
	case len(candidates) > 0:
	case !keys.Has(t.KeyID, t.Algorithm):
		return nil, ErrNoKey
	case t.KeyID == "":
		return nil, refused("The token names no key (kid), and its issuer has more for %s than are tried. Ask its issuer for tokens that name theirs.", t.Algorithm)
	default:
		return nil, refused("The token names a key (kid) of which its issuer has more than are tried. Ask its issuer to name each in its own way.")
	}
	method := methodOf(t.Algorithm)
	good := false
	for _, k := range candidates {
		good = good || method != nil && method.Verify(t.signed, t.sig, k.Public) == nil
	}
	switch {
	case good:
	case t.KeyID == "":
		return nil, ErrNoKey
	default:
		return nil, refused("The token's signature is not its issuer's. Send the token as its issuer gave it.")
	}
	raw, err := decode(t.payload)
	if err != nil {
		return nil, refused("The token's claims are not base64url.")
	}
	claims, err := readObject(raw)
	if err != nil {
		return nil, refused("The token's claims cannot be taken: what they hold %s.", err)
	}
	return claims, r.validate(claims, now)
}

func (r *Rules) validate(c *Claims, now time.Time) error {
	options := []jwt.ParserOption{jwt.WithLeeway(r.Skew), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now })}
	if !r.Told {
		options = append(options, jwt.WithIssuer(r.Issuer), jwt.WithExpirationRequired())
	}
	if len(r.Audiences) > 0 {
		options = append(options, jwt.WithAudience(r.Audiences...))
	}
	switch err := jwt.NewValidator(options...).Validate(c); {
	case err == nil:
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return refused("The token is of another issuer than %s, whose tokens this API takes.", r.Issuer)
	case errors.Is(err, jwt.ErrTokenInvalidAudience), errors.Is(err, jwt.ErrTokenRequiredClaimMissing) && len(r.Audiences) > 0 && len(c.Texts("aud")) == 0:
		return refused("The token is not for this API: its aud names none of %s. Ask its issuer for one that does.", strings.Join(r.Audiences, ", "))
	case errors.Is(err, jwt.ErrTokenExpired):
		return &Refusal{Expired: true, Detail: "The token has expired. Get a new one from its issuer."}
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return refused("The token is not valid yet. Check the clocks, or call again later.")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return refused("The token has no exp or no iss, which are needed here. Ask its issuer for one that has both.")
	default:
		return refused("The token's claims cannot be taken: one of iss, aud, exp, nbf and iat is of a form that it may not have.")
	}
	for _, want := range r.Required {
		if !c.holds(want.Name, want.Values) {
			return refused("The token's claim %q is not as this API wants it. Ask its issuer for one that has it.", want.Name)
		}
	}
	return nil
}

// Expiry returns when the claims end, in seconds since 1970, skew included; 0
// where they do not say.
func (r *Rules) Expiry(c *Claims) int64 {
	exp, err := c.GetExpirationTime()
	if err != nil || exp == nil { // which validate lets pass of Told ones alone
		return 0
	}
	return exp.Add(r.Skew).Unix()
}

// methodOf pins each algorithm to its method; nil for any other.
func methodOf(algorithm string) jwt.SigningMethod {
	switch algorithm {
	case "RS256":
		return jwt.SigningMethodRS256
	case "RS384":
		return jwt.SigningMethodRS384
	case "RS512":
		return jwt.SigningMethodRS512
	case "PS256":
		return jwt.SigningMethodPS256
	case "PS384":
		return jwt.SigningMethodPS384
	case "PS512":
		return jwt.SigningMethodPS512
	case "ES256":
		return jwt.SigningMethodES256
	case "ES384":
		return jwt.SigningMethodES384
	case "ES512":
		return jwt.SigningMethodES512
	case "EdDSA":
		return jwt.SigningMethodEdDSA
	}
	return nil
}

// decode reads base64url without padding, and nothing else: of other ways to
// write the same bytes another program might read others.
func decode(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("holds a line break")
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}
