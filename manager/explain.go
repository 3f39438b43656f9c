package manager

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
)

// ExplainToken lets who sends it with a call see the call's way.
type ExplainToken struct {
	ID          string
	Text        secret.Text // the value of the header entry.ExplainHeader
	Environment apim.Environment
	API         apim.ID // "" for all of the tenant's
	ExpiresAt   time.Time
}

// Explained is the way of a call, and what would have let it through.
type Explained struct {
	entry.Explanation
	Remedies []Remedy // none for a call that was answered
}

// Remedy is what would have let a call through, for the API's provider.
type Remedy struct {
	Code string // what it is about: the refusal's code
	Text string // one sentence
	API  string // the version that it is about, where that is not the one that was called: "demo/orders v1"
}

// MintExplainToken makes a token, good for five minutes, that shows the ways of
// calls to one of the tenant's APIs, or to all of them with "". Who may read
// them may have one.
func (c *Catalog) MintExplainToken(ctx context.Context, actor apim.Actor, tenant apim.ID, environmentSlug, api string) (ExplainToken, error) {
	id, err := c.explainable(ctx, actor, tenant, api)
	if err != nil {
		return ExplainToken{}, err
	}
	env, err := environment(ctx, c.Store.System(), environmentSlug, "environment")
	if err != nil {
		return ExplainToken{}, err
	}
	key, err := c.explainKey(ctx, env.Slug)
	if err != nil {
		return ExplainToken{}, err
	}
	var raw [16]byte
	_, _ = rand.Read(raw[:]) // never returns an error since Go 1.24
	out := ExplainToken{ID: hex.EncodeToString(raw[:]), Environment: env, API: id, ExpiresAt: c.now().Add(entry.ExplainFor).Truncate(time.Second)}
	token := entry.ExplainToken{ID: out.ID, Environment: env.Slug, Tenant: tenant.UUID(), ExpiresAt: out.ExpiresAt.Unix()}
	if id != "" {
		token.API = id.UUID()
	}
	text, err := token.Sign(key)
	out.Text = secret.Text(text)
	return out, err
}

// explainable checks that the actor may see calls to an API, by slug or id, or
// to all of the tenant's with "".
func (c *Catalog) explainable(ctx context.Context, actor apim.Actor, tenant apim.ID, api string) (apim.ID, error) {
	if api == "" {
		return "", c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectAPI)
	}
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return "", err
	}
	a, err := c.Store.Tenant(tenant).API(ctx, api)
	if err != nil {
		return "", err
	}
	return a.ID, c.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectAPI, a.ID, a.Team)
}

// explainKey is the key that an environment's nodes check tokens with.
func (c *Catalog) explainKey(ctx context.Context, environment string) (out [32]byte, err error) {
	if c.Box == nil {
		return out, errNoKey
	}
	number, sealed, err := c.Store.System().EnvironmentKey(ctx, environment)
	if err != nil {
		return out, err
	}
	if number == 0 {
		return out, apim.Errorf(apim.Conflict, "%s has no gateway node yet that could explain a call; start one first", environment).WithCode("no_node")
	}
	key, err := c.Box.Open(sealed, entry.KeyInfo(environment, number))
	if err != nil {
		return out, fmt.Errorf("the key of environment %s: %w", environment, err)
	}
	return secret.Derive([32]byte(key), entry.ExplainKeyUse)
}

// Explanation returns the way of a call by the id that its answer named. It
// waits for one that is on its way from the node for as long as wait says.
func (c *Catalog) Explanation(ctx context.Context, actor apim.Actor, tenant apim.ID, environmentSlug, id string, wait time.Duration) (Explained, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return Explained{}, err
	}
	env, err := environment(ctx, c.Store.System(), environmentSlug, "environment")
	if err != nil {
		return Explained{}, err
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	x, ok := entry.Explanation{}, false
	if c.Ways != nil {
		x, ok = c.Ways.Explanation(waiting, env.Slug, tenant.UUID(), id)
	}
	if ok {
		if err := c.maySee(ctx, actor, tenant, x); apim.KindOf(err) == apim.NotFound || apim.KindOf(err) == apim.Forbidden {
			ok = false // it does not exist for them
		} else if err != nil {
			return Explained{}, err
		}
	}
	if !ok {
		return Explained{}, apim.Errorf(apim.NotFound, "no such explanation in %s; they are kept for 30 minutes", env.Slug)
	}
	return explained(x), nil
}

// Explanations lists the ways of calls that somebody asked for lately and the
// actor may see, the newest first. api, by slug or id, leaves the others out.
func (c *Catalog) Explanations(ctx context.Context, actor apim.Actor, tenant apim.ID, environmentSlug, api string) ([]Explained, error) {
	if err := c.Authz.Somewhere(ctx, actor, tenant, apim.Read, apim.ObjectAPI); err != nil {
		return nil, err
	}
	env, err := environment(ctx, c.Store.System(), environmentSlug, "environment")
	if err != nil {
		return nil, err
	}
	only := ""
	if api != "" {
		id, err := c.explainable(ctx, actor, tenant, api)
		if err != nil {
			return nil, err
		}
		only = id.UUID()
	}
	if c.Ways == nil {
		return nil, nil
	}
	may := map[string]bool{}
	var out []Explained
	for _, x := range c.Ways.Explanations(env.Slug, tenant.UUID()) {
		if only != "" && x.APIUUID != only && x.TokenAPI != only {
			continue
		}
		allowed, asked := may[x.TokenAPI]
		if !asked {
			err := c.maySee(ctx, actor, tenant, x)
			if kind := apim.KindOf(err); err != nil && kind != apim.NotFound && kind != apim.Forbidden {
				return nil, err
			}
			allowed = err == nil
			may[x.TokenAPI] = allowed
		}
		if allowed {
			out = append(out, explained(x))
		}
	}
	return out, nil
}

// maySee checks that the actor may see what the token of an explanation saw.
func (c *Catalog) maySee(ctx context.Context, actor apim.Actor, tenant apim.ID, x entry.Explanation) error {
	api := ""
	if x.TokenAPI != "" {
		api = apim.PrefixAPI + "_" + x.TokenAPI
	}
	_, err := c.explainable(ctx, actor, tenant, api)
	return err
}

func explained(x entry.Explanation) Explained { return Explained{x, remedies(x)} }

// remedies says what would have let a call through.
func remedies(x entry.Explanation) []Remedy {
	if x.Code == "" {
		return nil
	}
	one := func(text string) []Remedy { return []Remedy{{Code: x.Code, Text: text}} }
	app := x.Application
	if app == "" {
		app = "the application"
	}
	switch x.Code {
	case "no_route", "method_not_allowed":
		return nearest(x)
	case "credential_missing":
		return one("A credential of an application that is subscribed: " + stepDetail(x))
	case "credential_invalid":
		return one("A key that is known in " + x.Environment + ", whole and not revoked; or another credential as the API takes them: " + stepDetail(x))
	case "application_unknown":
		return one("Registering the token's client at an application that is subscribed: " + stepDetail(x))
	case "issuer_unavailable":
		return one("An issuer whose keys the node " + x.NodeName + " can fetch: " + stepDetail(x))
	case "introspection_unavailable":
		return one("An issuer that answers the node " + x.NodeName + " in time, with JSON, and takes its client or token: " + stepDetail(x))
	case "insufficient_scope":
		return one("A token that has the scope: " + stepDetail(x))
	case "not_allowed":
		return one("A call for which the expression is true: " + x.Detail)
	case "credential_expired":
		return one("A new key; the old one's time is over. Or a call that is signed when it is sent")
	case "signatures_overloaded":
		return one("Calling again, signed anew, when the node " + x.NodeName + " has forgotten older nonces: " + stepDetail(x))
	case "subscription_missing":
		return one("An active subscription of " + app + " to a product that offers this version")
	case "subscription_pending":
		return one("Approving the request of " + app)
	case "subscription_suspended":
		return one("Resuming the subscription of " + app)
	case "subscription_stopped":
		return one(app + " starting its subscription again")
	case "subscription_expired", "subscription_not_started":
		return one("A subscription of " + app + " that runs now")
	case "operation_not_in_plan":
		return one("A plan that holds the operation " + x.Operation)
	case "rate_limited", "spike_arrested", "concurrency_limited":
		return one("Waiting, or a higher limit: " + stepDetail(x))
	case "request_too_large":
		return one("A smaller body, or a higher limit for the API: " + stepDetail(x))
	case "answer_invalid":
		return one("An upstream that answers as the version's document says, or validation of answers that only reports")
	case "upstream_unreachable":
		return one("An upstream that takes connections from the node " + x.NodeName)
	case "upstream_timeout":
		return one("An upstream that answers sooner, or a longer time to wait for it")
	case "upstream_token_unavailable":
		return one("An issuer that gives the node " + x.NodeName + " a token for the upstream: " + stepDetail(x))
	case "upstream_invalid":
		return one("An upstream that answers with valid HTTP")
	}
	if text := policyRemedy(x); text != "" {
		return one(text)
	}
	return one(x.Detail)
}

// nearest says which routes would have taken a call.
func nearest(x entry.Explanation) []Remedy {
	var out []Remedy
	for _, c := range x.Candidates {
		if len(out) == 3 {
			break
		}
		switch {
		case c.Route == "":
			out = append(out, Remedy{x.Code, "The address of " + c.API + ": " + c.Detail, c.API})
		case x.Code == "no_route" || c.Reason == "method":
			out = append(out, Remedy{x.Code, c.Route + ": " + c.Detail, c.API})
		}
	}
	if len(out) == 0 {
		out = []Remedy{{Code: x.Code, Text: "A published version that is mounted at this address in " + x.Environment}}
	}
	return out
}

// stepDetail is what the step that refused said.
func stepDetail(x entry.Explanation) string {
	for _, s := range x.Steps {
		if s.Outcome == entry.ExplainRefused {
			return s.Detail
		}
	}
	return x.Detail
}
