package policy_test

import (
	"context"
	"crypto/x509"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// certificate is one that ends after a time, as the gateway hands it on.
func certificate(left time.Duration) *x509.Certificate {
	return &x509.Certificate{Raw: []byte("certificate " + left.String()), NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(left)}
}

func TestCertificatesAreTakenAsRegistered(t *testing.T) {
	good, over, later, old, stranger := certificate(time.Hour), certificate(-time.Minute), certificate(2*time.Hour), certificate(3*time.Hour), certificate(4*time.Hour)
	later.NotBefore = time.Now().Add(time.Hour)
	tools := policy.Tools{Limiter: policy.NewLimiter(1024), Grants: known{sum(string(stranger.Raw)): grantFor(), entry.SignatureHash("x"): grantFor()}}
	for _, c := range []*x509.Certificate{good, over, later} {
		tools.Grants.(known)[entry.CertificateHash(sum(string(c.Raw)))] = grantFor()
	}
	tools.Grants.(known)[entry.CertificateHash(sum(string(old.Raw)))] = policy.NewGrant(entry.Position{}, entry.Grant{
		Credential: uuid(3), Application: uuid(4), Tenant: uuid(5), ExpiresAt: 1,
	}, func(string) *policy.TermsSlot { return new(policy.TermsSlot) })
	chain := routeOf(tools, entry.Policy{Config: &entry.ClientCertificatePolicy{}})
	for name, c := range map[string]struct {
		shown *x509.Certificate
		want  string
	}{
		"good":                         {good, "<nil>"},
		"expired":                      {over, "credential_expired"},
		"not valid yet":                {later, "credential_invalid"},
		"its registration has expired": {old, "credential_expired"},
		"not registered":               {stranger, "credential_invalid"},
		"none":                         {nil, "credential_missing"},
	} {
		ex := calling("X-Client-Cert: "+string(good.Raw), "Client-Cert: :"+string(good.Raw)+":", "X-Forwarded-Client-Cert: "+string(good.Raw))
		ex.ClientCertificate, ex.Trusted = c.shown, true
		err := chain.Run(context.Background(), ex)
		if got := code(err); got != c.want || err == nil && ex.Caller.By != entry.PolicyClientCertificate {
			t.Errorf("%s: got %s by %q, want %s", name, got, ex.Caller.By, c.want)
		}
	}
}
