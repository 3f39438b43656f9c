package policy

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"portico/internal/entry"
)

// Several identify policies stand one after another. Each reads and removes the
// credentials that are its own. The first that finds one decides: the caller is
// known, or refused. One that finds none leaves the call to the next, and the
// last of them refuses it, unless that is anonymous.

// among is what an identify policy knows of those beside it.
type among struct {
	last       bool     // the call is refused without a credential
	shared     bool     // both keys and tokens are read from Authorization: Bearer
	wanted     string   // every way to identify, for people
	challenges []string // of them all
}

const (
	bearerPlace     = `"Authorization: Bearer …"`
	bearerChallenge = `Bearer realm="portico"`
)

// identifying returns the identify policies of a list.
func identifying(list []entry.Policy) (out []entry.Policy) {
	for _, p := range list {
		if p.Kind().Stage() == entry.Identify {
			out = append(out, p)
		}
	}
	return out
}

// among returns what a policy knows of those beside it.
func (s site) among(config entry.PolicyConfig) among {
	a := among{last: len(s.methods) == 0 || s.methods[len(s.methods)-1].Config == config}
	var ways []string
	keys, tokens := false, false
	for _, m := range s.methods {
		challenge := ""
		switch c := m.Config.(type) {
		case *entry.KeyPolicy:
			ways = append(ways, "an API key as "+keyPlaces(*c))
			challenge, keys = keyChallenge(*c), keys || c.Bearer
		case *entry.JWTPolicy:
			ways = append(ways, "a token of "+c.Issuer+" as "+tokenPlace(*c))
			challenge, tokens = bearerChallenge, tokens || inBearer(*c)
		case *entry.IntrospectionPolicy:
			ways = append(ways, "a token of "+c.Issuer+" as "+tokenPlace(placeOf(*c)))
			challenge = bearerChallenge
		case *entry.BasicPolicy:
			ways = append(ways, `a user name and password as "Authorization: Basic …"`)
			challenge = basicChallenge(*c)
		case *entry.SignaturePolicy:
			ways = append(ways, "a signature of the call in "+signaturePlaces(*c))
			challenge = signatureChallenge
		case *entry.ClientCertificatePolicy:
			ways = append(ways, "a registered client certificate over TLS")
			challenge = certificateChallenge
		}
		if challenge != "" && !slices.Contains(a.challenges, challenge) {
			a.challenges = append(a.challenges, challenge)
		}
	}
	a.shared = keys && tokens
	a.wanted = "This call needs a credential. Send " + strings.Join(ways, ", or ") + "."
	if key, ok := config.(*entry.KeyPolicy); ok && len(ways) == 1 {
		a.wanted = "This call needs an API key. Send one as " + keyPlaces(*key) + "."
	}
	return a
}

// missing is what a policy says that has found no credential: nothing, where
// another one is asked after it.
func (a *among) missing() error {
	if !a.last {
		return nil
	}
	return &Denied{Status: http.StatusUnauthorized, Code: "credential_missing", Detail: a.wanted, Challenges: a.challenges}
}

func keyChallenge(config entry.KeyPolicy) string {
	if config.Bearer {
		return bearerChallenge
	}
	return `ApiKey realm="portico"`
}

// over reports whether a grant has expired.
func (g *Grant) over(ex *Exchange) bool { return g.ExpiresAt != 0 && ex.Now.Unix() >= g.ExpiresAt }

// enter makes the holder of a grant the caller, unless it may not be used from
// there.
func enter(ex *Exchange, grants Grants, grant *Grant, by entry.PolicyKind) error {
	if err := grant.restricted(ex); err != nil {
		return err
	}
	ex.Caller.Grant, ex.Caller.By = grant, by
	if grant.note(ex.Now.Unix(), ex.Client) {
		grants.Saw(grant)
	}
	return nil
}

// stripOnly removes the credentials of a policy on a route that asks for none of
// them, without asking whose they are.
type stripOnly struct {
	credentials interface{ strip(ex *Exchange) }
	what        string
	public      bool
}

// Run implements Step.
func (s stripOnly) Run(_ context.Context, ex *Exchange) error {
	s.credentials.strip(ex)
	return nil
}

func (s stripOnly) explain(*Exchange) string {
	return unasked(s.public) + "; " + s.what + " are taken away before the upstream"
}

// anonymousStep lets through whom nobody before it has identified.
type anonymousStep struct{}

// Run implements Step.
func (anonymousStep) Run(_ context.Context, ex *Exchange) error {
	if ex.Caller.By == "" {
		ex.Caller.By, ex.Caller.open = entry.PolicyAnonymous, true
	}
	return nil
}

func (anonymousStep) explain(ex *Exchange) string {
	if ex.Caller.By == entry.PolicyAnonymous {
		return "the call carries no credential and is let through without an application"
	}
	return "the caller was identified before"
}
