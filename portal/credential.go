package portal

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/manager"
	"portico/openapi"
)

// callable is an API that an application may call, and by which subscription.
type callable struct {
	Product      string // name
	Provider     string // slug
	Environments []string
	Version      manager.OfferedVersion
}

// mostCallable bounds how many products are looked at.
const mostCallable = 20

// callables are the APIs that an application may call now. What is no longer
// offered is left out: pages are whole without it.
func (p *portal) callables(ctx context.Context, r *reader, a manager.ApplicationDetail) (out []callable) {
	looked := 0
	for _, s := range a.Subscriptions {
		if s.Subscription.State != apim.Active || s.Subscription.Stopped || looked == mostCallable {
			continue
		}
		looked++
		offer, err := p.Catalog.Offer(ctx, r.Actor, r.Tenant.ID, s.ProviderSlug, s.Product.Slug)
		if err != nil {
			continue
		}
		for _, v := range offer.Versions {
			out = append(out, callable{s.Product.Name, s.ProviderSlug, s.Subscription.Environments, v})
		}
	}
	return out
}

// takesOf returns what the APIs of a product take, each once.
func takesOf(all []callable, product string) (out []manager.OfferedCredential) {
	for _, c := range all {
		for _, t := range c.Version.Takes {
			if c.Product == product && !slices.ContainsFunc(out, func(o manager.OfferedCredential) bool { return o.Kind == t.Kind && o.Issuer == t.Issuer }) {
				out = append(out, t)
			}
		}
	}
	return out
}

// takesText says which credentials products take: "Parcels takes an API key.
// Visits takes a signing secret or a token of https://login.example/."
func takesText(all []callable) string {
	var products, out []string
	for _, c := range all {
		if slices.Contains(products, c.Product) {
			continue
		}
		products = append(products, c.Product)
		var kinds []string
		for _, t := range takesOf(all, c.Product) {
			kinds = append(kinds, takenText(t))
		}
		if len(kinds) > 0 {
			out = append(out, c.Product+" takes "+either(kinds)+".")
		}
	}
	return strings.Join(out, " ")
}

// either joins what there is to choose from: "a, b or c".
func either(of []string) string {
	last := len(of) - 1
	if last < 1 {
		return strings.Join(of, "")
	}
	return strings.Join(of[:last], ", ") + " or " + of[last]
}

func takenText(t manager.OfferedCredential) string {
	switch t.Kind {
	case apim.CredentialBasic:
		return "a user name and password"
	case apim.CredentialSignature:
		return "a signing secret"
	case apim.CredentialJWT:
		return "a token of " + t.Issuer
	case apim.CredentialCertificate:
		return "a client certificate"
	}
	return "an API key"
}

// suggest is the kind to begin with: a key where anything takes one, or nothing is
// known, else what the first API takes.
func suggest(all []callable) (first manager.OfferedCredential) {
	first.Kind = apim.CredentialKey
	found := false
	for _, c := range all {
		for _, t := range c.Version.Takes {
			if t.Kind == apim.CredentialKey {
				return manager.OfferedCredential{Kind: apim.CredentialKey}
			}
			if !found {
				first, found = t, true
			}
		}
	}
	return first
}

// issuerOf is the one issuer whose tokens the APIs take, "" for none or several.
func issuerOf(all []callable) (issuer string) {
	for _, c := range all {
		for _, t := range c.Version.Takes {
			if t.Kind == apim.CredentialJWT && t.Issuer != issuer {
				if issuer != "" {
					return ""
				}
				issuer = t.Issuer
			}
		}
	}
	return issuer
}

// credentialCall is how a credential is sent to the first API that takes it where
// it is good, in curl; nil where none does. secret is the credential's while it
// may be shown.
func (p *portal) credentialCall(ctx context.Context, r *reader, all []callable, k apim.Credential, secret string) *sampleView {
	for _, c := range all {
		if len(c.Environments) > 0 && !slices.Contains(c.Environments, k.Environment) || !livesIn(c.Version, k.Environment) {
			continue
		}
		at := slices.IndexFunc(c.Version.Takes, func(t manager.OfferedCredential) bool {
			return t.Kind == k.Kind && (t.Kind != apim.CredentialJWT || t.Issuer == k.Issuer)
		})
		if at < 0 {
			continue
		}
		lines, err := p.Catalog.OfferedOperations(ctx, r.Actor, r.Tenant.ID, c.Version.Version)
		if err != nil {
			continue
		}
		if asked := slices.DeleteFunc(slices.Clone(lines), func(l manager.OperationLine) bool { return l.Public }); len(asked) > 0 {
			lines = asked
		}
		if s := p.shownCall(ctx, r, c, lines, k, c.Version.Takes[at], secret); s != nil {
			return s
		}
	}
	return nil
}

func livesIn(v manager.OfferedVersion, environment string) bool {
	return slices.ContainsFunc(v.Places, func(p manager.OfferedPlace) bool { return p.Environment == environment })
}

// shownCall is the first call of an API with a credential that it takes.
func (p *portal) shownCall(ctx context.Context, r *reader, c callable, lines []manager.OperationLine, k apim.Credential, t manager.OfferedCredential, secret string) *sampleView {
	v := in(c.Version, k.Environment)
	if k.Kind == apim.CredentialKey {
		s := p.firstCall(ctx, r, c.Provider, v, lines, secret)
		if s != nil {
			s.Note = noteOf(k, t, secret)
		}
		return s
	}
	with := openapi.Credential{ID: k.Subject, Secret: secret, In: t.In, Name: t.Name}
	switch k.Kind {
	case apim.CredentialBasic:
		with.Kind = "basic"
	case apim.CredentialSignature:
		with.Kind, with.ID = cmp.Or(t.Form, "message"), k.Secrets[len(k.Secrets)-1].Prefix
	case apim.CredentialJWT:
		with.Kind = "token"
	default:
		with.Kind = "certificate"
	}
	return p.call(ctx, r, c.Provider, v, lines, func(ref openapi.Reference, target openapi.SampleTarget, _ bool) (openapi.CodeSample, bool) {
		return openapi.SampleWith(ref, target, with)
	}, noteOf(k, t, secret))
}

// noteOf says what a call's line needs before it works.
func noteOf(k apim.Credential, t manager.OfferedCredential, secret string) string {
	switch {
	case k.Kind == apim.CredentialJWT:
		return "Set TOKEN to an access token of " + k.Issuer + " whose claim " + t.Claim + " is " + k.Subject + "."
	case k.Kind == apim.CredentialCertificate:
		return "client.pem is the certificate, client-key.pem its private key, which nobody else sees."
	case secret != "":
		return "Works as it stands: it holds what is shown above, this once."
	case k.Kind == apim.CredentialBasic:
		return "Set PORTICO_SECRET to the password."
	case k.Kind == apim.CredentialSignature:
		return "Set PORTICO_SECRET to the signing secret, which is never sent."
	}
	return "Set PORTICO_KEY to the key."
}
