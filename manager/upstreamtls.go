package manager

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
)

// checkUpstreamTLS refuses what cannot work whatever the values that it refers
// to turn out to be. Values that are not referred to are read at once.
func checkUpstreamTLS(fields *apim.Check, t apim.UpstreamTLS) {
	const at = "upstream_tls."
	if err := check.Host(standInHost(t.ServerName)); err != nil {
		fields.Fail(at+"server_name", "host", "%s", err)
	}
	for name, text := range map[string]string{"roots": t.Roots, "certificate": t.Certificate} {
		if text == "" || reference.MatchString(text) {
			continue
		}
		if _, err := check.Certificates(text, check.MaxRoots); err != nil {
			fields.Fail(at+name, "not_readable", "%s", err)
		}
	}
	m := reference.FindStringSubmatch(t.Key)
	switch {
	case t.Key != "" && (m == nil || m[0] != t.Key):
		fields.Fail(at+"key", "reference", "is ${name} of a secret value of the environment; a key is never written here")
	case t.Key != "" && t.Certificate == "":
		fields.Fail(at+"certificate", "required", "is needed beside its key")
	case t.Key == "" && t.Certificate != "":
		fields.Fail(at+"key", "required", "is needed beside the certificate: ${name} of a secret value of the environment")
	}
	if t.Unverified && (t.Roots != "" || t.ServerName != "") {
		fields.Fail(at+"unverified", "contradiction", "takes any certificate; authorities and a server name mean nothing beside it")
	}
}

func standInHost(text string) string { return reference.ReplaceAllString(text, "value") }

// upstreamTLS is how nodes of an environment speak to an upstream over TLS.
func (u *unit) upstreamTLS(ctx context.Context, v apim.Version, up apim.Upstream, at, environment string, values map[string]apim.EnvironmentValue) (*entry.UpstreamTLS, error) {
	t := up.TLS
	if t == (apim.UpstreamTLS{}) {
		return nil, nil
	}
	var fields apim.Check
	out := &entry.UpstreamTLS{Unverified: t.Unverified}
	for _, f := range []struct {
		name, text string
		into       *string
	}{{"server_name", t.ServerName, &out.ServerName}, {"roots", t.Roots, &out.Roots}, {"certificate", t.Certificate, &out.Certificate}} {
		*f.into = reference.ReplaceAllStringFunc(f.text, func(ref string) string {
			name := ref[2 : len(ref)-1]
			switch value, known := values[name]; {
			case !known:
				fields.Fail(at+".tls."+f.name, "value_missing", "refers to %s, and %s has no value of that name", ref, environment)
			case value.Secret:
				fields.Fail(at+".tls."+f.name, "secret", "refers to %s, which is a secret; only a key is one", ref)
			default:
				return value.Value
			}
			return ""
		})
	}
	if t.Unverified {
		env, err := u.System().Environment(ctx, environment)
		if err != nil {
			return nil, err
		}
		if !env.Settings.UnverifiedUpstreams {
			fields.Fail(at+".tls.unverified", "not_allowed", "is not allowed in %s: anybody could answer for the upstream. Give its authorities, or ask an operator to allow it there", environment)
		}
	}
	var key []byte
	if t.Key != "" {
		key = u.upstreamKey(&fields, t.Key, at, environment, values)
	}
	if err := fields.Err(); err != nil {
		return nil, err
	}
	if key == nil {
		return out, nil
	}
	if chain, err := check.Certificates(out.Certificate, check.MaxChain); err == nil {
		private, err := x509.ParsePKCS8PrivateKey(key)
		if err != nil || !check.Fits(chain[0], private) {
			return nil, invalid(at+".tls.key", "other_key", "%s of %s is not the key of the certificate", t.Key, environment)
		}
	}
	sealed, err := u.sealFor(ctx, environment, entry.UpstreamKeyInfo(v.ID.UUID(), up.Name), key)
	out.Key = &sealed
	return out, err
}

// upstreamKey reads a secret value as a private key in PKCS #8.
func (u *unit) upstreamKey(fields *apim.Check, ref, at, environment string, values map[string]apim.EnvironmentValue) []byte {
	name := strings.TrimSuffix(strings.TrimPrefix(ref, "${"), "}")
	value, known := values[name]
	switch {
	case !known:
		fields.Fail(at+".tls.key", "value_missing", "refers to %s, and %s has no value of that name", ref, environment)
		return nil
	case !value.Secret:
		fields.Fail(at+".tls.key", "not_secret", "refers to %s, which is no secret; make the value anew as one", ref)
		return nil
	case u.core.Box == nil:
		fields.Fail(at+".tls.key", "no_key", "%s", errNoKey)
		return nil
	}
	plain, err := u.core.Box.Open(value.Sealed, valuePlace(value))
	if err != nil {
		fields.Fail(at+".tls.key", "not_readable", "%s", fmt.Sprintf("the value %s of %s does not open with this installation's key", name, environment))
		return nil
	}
	key, err := privateKey(string(plain))
	if err != nil {
		fields.Fail(at+".tls.key", "not_readable", "%s %s", ref, err)
	}
	return key
}
