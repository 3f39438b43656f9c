// Package issuer checks the token that an application shows once, when it says
// that an issuer's tokens stand for it: by the keys that the issuer itself
// publishes at its own address (OpenID Connect Discovery, RFC 8414).
//
// It deliberately asks no policy for keys: who writes policies could name keys of
// their own for an issuer that is not theirs. It keeps nothing of a token.
package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"portico/internal/apim"
	"portico/internal/entry/keyset"
)

// Bounds of a proof.
const (
	maxToken    = 8 << 10
	maxDocument = 256 << 10
	proofTime   = 5 * time.Second  // for all that an issuer is asked
	patience    = 20 * time.Second // until it is asked
	skew        = 30 * time.Second
	atATime     = 16
	ofTenant    = 2
	ofHost      = 2
	mostWaiting = 16 // of a tenant
)

// Prover implements manager.Prover. Make one with New; it is safe for use by
// several goroutines.
type Prover struct {
	client http.Client
	now    func() time.Time

	// Who is slow, or asks a slow issuer, waits for itself alone: a proof enters its
	// tenant's gate first, then its issuer's, and only then that of all.
	tenants, hosts, all gates
}

// New returns a prover that asks issuers by a client, which is guarded.
func New(client *http.Client, now func() time.Time) *Prover {
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // an issuer's keys are at its own address
	return &Prover{
		client: own, now: now,
		tenants: gates{most: ofTenant, waiting: mostWaiting}, hosts: gates{most: ofHost}, all: gates{most: atATime},
	}
}

// Prove checks that an issuer gave a token to a client of it, and to no person.
// What is wrong is an Invalid error at "issuer" or "proof".
func (p *Prover) Prove(ctx context.Context, tenant apim.ID, issuer, subject, token string) error {
	token = strings.TrimSpace(token)
	if len(token) > maxToken {
		return wrong("proof", "too_long", "is longer than the %d KiB that a token may have", maxToken>>10)
	}
	at, err := url.Parse(issuer)
	if err != nil || !reachable(at) || at.RawQuery != "" || at.Fragment != "" {
		return noKeys(errors.New("is no https address at which its keys could be looked for"))
	}
	leave, err := p.begin(ctx, string(tenant), strings.ToLower(at.Hostname()))
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	keys, err := p.keys(ctx, issuer, at)
	if err != nil {
		return noKeys(err)
	}
	claims, err := p.verify(token, issuer, keys)
	if err != nil {
		return err
	}
	return ofClient(claims, subject)
}

func noKeys(err error) error {
	return wrong("issuer", "no_keys", "%s. Where an issuer publishes no keys that can be found by its name, ask the operator to register the client", err)
}

// begin waits at the gates that a proof enters.
func (p *Prover) begin(ctx context.Context, tenant, host string) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var entered []func()
	leave = func() {
		for _, one := range slices.Backward(entered) {
			one()
		}
	}
	for _, of := range []struct {
		gates *gates
		key   string
	}{{&p.tenants, tenant}, {&p.hosts, host}, {&p.all, ""}} {
		one, ok := of.gates.enter(ctx, of.key)
		if !ok {
			leave()
			return nil, apim.Errorf(apim.TooMany, "too many tokens are being checked; try again in a moment")
		}
		entered = append(entered, one)
	}
	return leave, nil
}

// keys fetches what an issuer publishes.
func (p *Prover) keys(ctx context.Context, issuer string, at *url.URL) (*keyset.Set, error) {
	path := strings.TrimSuffix(at.EscapedPath(), "/")
	base := at.Scheme + "://" + at.Host
	var found struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	data, err := p.get(ctx, base+path+"/.well-known/openid-configuration", maxDocument)
	if err != nil {
		data, err = p.get(ctx, base+"/.well-known/oauth-authorization-server"+path, maxDocument)
	}
	switch {
	case err != nil:
		return nil, errors.New("publishes no configuration below /.well-known/ that could be fetched")
	case json.Unmarshal(data, &found) != nil:
		return nil, errors.New("publishes a configuration that cannot be read")
	case found.Issuer != issuer:
		return nil, errors.New("publishes a configuration that names another issuer; write it exactly as it stands there")
	}
	to, err := url.Parse(found.Keys)
	if err != nil || !reachable(to) || to.Scheme == "http" && at.Scheme != "http" {
		return nil, errors.New("publishes no https address of its keys")
	}
	if data, err = p.get(ctx, found.Keys, keyset.MaxBytes); err != nil {
		return nil, errors.New("publishes keys that could not be fetched")
	}
	keys, err := keyset.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("publishes keys that cannot be used: what is there %w", err)
	}
	return keys, nil
}

// reachable reports whether nobody on the way can put words into an address'
// mouth: it is https, or on this machine.
func reachable(u *url.URL) bool {
	if u.Host == "" || u.User != nil {
		return false
	}
	if u.Scheme == "https" {
		return true
	}
	a, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "http" && (err == nil && a.IsLoopback() || u.Hostname() == "localhost")
}

func (p *Prover) get(ctx context.Context, address string, most int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "portico")
	res, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", res.Status)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, most+1))
	if err == nil && int64(len(data)) > most {
		err = errors.New("the answer is too large")
	}
	return data, err
}

// verify returns what a token says that an issuer has signed and that is in time.
func (p *Prover) verify(token, issuer string, keys *keyset.Set) (jwt.MapClaims, error) {
	parser := jwt.NewParser(
		jwt.WithValidMethods(keyset.Algorithms()), jwt.WithIssuer(issuer), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithLeeway(skew), jwt.WithTimeFunc(p.now), jwt.WithStrictDecoding(),
	)
	claims := jwt.MapClaims{}
	_, err := parser.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		for _, name := range []string{"crit", "b64", "zip", "enc"} {
			if _, has := t.Header[name]; has {
				return nil, fmt.Errorf("its head says %q", name)
			}
		}
		if kind, has := t.Header["typ"]; has && !slices.Contains([]string{"jwt", "at+jwt"}, mediaType(kind)) {
			return nil, errors.New("it is no access token")
		}
		if kind, has := t.Header["cty"]; has && mediaType(kind) != "json" {
			return nil, errors.New("it holds another token")
		}
		id, _ := t.Header["kid"].(string)
		var set jwt.VerificationKeySet
		for _, k := range keys.Find(id, t.Method.Alg()) {
			set.Keys = append(set.Keys, k.Public)
		}
		return set, nil
	})
	switch {
	case err == nil:
		return claims, nil
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, wrong("proof", "expired", "has expired; get a new token from its issuer")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return nil, wrong("proof", "issuer", "is a token of another issuer")
	case errors.Is(err, jwt.ErrTokenMalformed):
		return nil, wrong("proof", "token", "is no signed JSON Web Token")
	}
	return nil, wrong("proof", "token", "is no access token that this issuer has signed and that is good now")
}

// mediaType is a type as a token's head says it, without what may be left out of
// it (RFC 7515, section 4.1.9); "" is none that it could be.
func mediaType(said any) string {
	text, _ := said.(string)
	return strings.TrimPrefix(strings.ToLower(text), "application/")
}

// ofClient checks that a token is the client's own. That it was issued for one is
// not enough: each person who uses a client has tokens that name it.
func ofClient(claims jwt.MapClaims, subject string) error {
	text := func(name string) string {
		s, _ := claims[name].(string)
		return s
	}
	has := func(name string) bool {
		_, ok := claims[name]
		return ok
	}
	of, named := "", false
	for _, name := range []string{"azp", "client_id", "appid", "cid"} {
		of += text(name)
		named = named || text(name) == subject
	}
	if !named && (of != "" || text("sub") != subject) {
		return wrong("proof", "subject", "is a token of another client: none of azp, client_id, appid and cid is the one that is registered, nor is sub in their place")
	}
	person := slices.ContainsFunc([]string{"nonce", "at_hash", "c_hash", "s_hash", "auth_time", "sid"}, has)
	switch {
	case person:
	case !has("sub"), text("sub") == subject, text("sub") == subject+"@clients", text("gty") == "client-credentials", text("idtyp") == "app", has("clientAddress"): // as issuers tell of clients alone
		return nil
	}
	return wrong("proof", "person", "was issued to a person who uses this client; show one that the client gets for itself (grant type client_credentials), or ask the operator to register it")
}

func wrong(field, code, format string, args ...any) error {
	var fields apim.Check
	fields.Fail(field, code, format, args...)
	return fields.Err()
}
