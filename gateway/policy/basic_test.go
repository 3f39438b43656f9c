package policy_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

func basicAuth(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestUserNamesAndPasswordsAreTakenAsRegistered(t *testing.T) {
	old := entry.Grant{Credential: uuid(3), Application: uuid(4), Tenant: uuid(5), ExpiresAt: 1}
	long := strings.Repeat("p", 1024-len("ann:"))
	tools := policy.Tools{Limiter: policy.NewLimiter(1024), Grants: known{
		entry.BasicHash("ann", "pass:word"):                     grantFor(),
		entry.BasicHash("ann", ""):                              grantFor(),
		entry.BasicHash("Jürgen", "pässwörd"):                   grantFor(),
		entry.BasicHash("ann", long):                            grantFor(),
		entry.BasicHash("ann", long+"p"):                        grantFor(),
		entry.BasicHash("", "x"):                                grantFor(),
		entry.BasicHash("ann\nb", "x"):                          grantFor(),
		entry.BasicHash("old", "x"):                             policy.NewGrant(entry.Position{}, old, func(string) *policy.TermsSlot { return new(policy.TermsSlot) }),
		entry.SignatureHash("ann"):                              grantFor(),
		entry.TokenHash("ann", "x"):                             grantFor(),
		sum("ann:x"):                                            grantFor(),
		sum(base64.StdEncoding.EncodeToString([]byte("ann:x"))): grantFor(),
	}}
	chain := routeOf(tools, entry.Policy{Config: &entry.BasicPolicy{}})
	raw := func(text string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(text))
	}
	for name, c := range map[string]struct {
		fields []string
		want   string
	}{
		"good, with a colon":         {[]string{basicAuth("ann", "pass:word")}, "<nil>"},
		"good, empty password":       {[]string{basicAuth("ann", "")}, "<nil>"},
		"good, in UTF-8":             {[]string{basicAuth("Jürgen", "pässwörd")}, "<nil>"},
		"good, as long as may be":    {[]string{basicAuth("ann", long)}, "<nil>"},
		"good, scheme by case":       {[]string{strings.Replace(basicAuth("ann", "pass:word"), "Basic", "bASIC", 1)}, "<nil>"},
		"good, twice the same":       {[]string{basicAuth("ann", "pass:word"), basicAuth("ann", "pass:word")}, "<nil>"},
		"too long":                   {[]string{basicAuth("ann", long+"p")}, "credential_invalid"},
		"far too long":               {[]string{basicAuth("ann", strings.Repeat("p", 100_000))}, "credential_invalid"},
		"another password":           {[]string{basicAuth("ann", "pass:worD")}, "credential_invalid"},
		"another user":               {[]string{basicAuth("Ann", "pass:word")}, "credential_invalid"},
		"a space more":               {[]string{basicAuth("ann", "pass:word ")}, "credential_invalid"},
		"user and password confused": {[]string{basicAuth("ann:pass", "word")}, "<nil>"}, // a user name has no colon: it is the same text
		"two different ones":         {[]string{basicAuth("ann", "pass:word"), basicAuth("ann", "")}, "credential_invalid"},
		"no colon":                   {[]string{raw("ann")}, "credential_invalid"},
		"no user":                    {[]string{basicAuth("", "x")}, "credential_invalid"},
		"a line break":               {[]string{basicAuth("ann\nb", "x")}, "credential_invalid"},
		"a zero":                     {[]string{raw("ann:pass:word\x00")}, "credential_invalid"},
		"another kind's hash":        {[]string{basicAuth("ann", "x")}, "credential_invalid"},
		"nothing":                    {[]string{"Authorization: Basic"}, "credential_invalid"},
		"empty":                      {[]string{"Authorization: Basic "}, "credential_invalid"},
		"no base64":                  {[]string{"Authorization: Basic ann:pass"}, "credential_invalid"},
		"base64 for addresses":       {[]string{"Authorization: Basic " + base64.RawURLEncoding.EncodeToString([]byte("ann:pass:word"))}, "credential_invalid"},
		"base64 with bits to spare":  {[]string{"Authorization: Basic " + strings.Replace(base64.StdEncoding.EncodeToString([]byte("ann:")), "Og==", "Oh==", 1)}, "credential_invalid"},
		"expired":                    {[]string{basicAuth("old", "x")}, "credential_expired"},
		"none":                       {[]string{"A: b"}, "credential_missing"},
		"another scheme":             {[]string{"Authorization: Basically " + base64.StdEncoding.EncodeToString([]byte("ann:"))}, "credential_missing"},
		"for a proxy":                {[]string{"Proxy-" + basicAuth("ann", "pass:word")}, "credential_missing"},
	} {
		ex := calling(c.fields...)
		err := chain.Run(context.Background(), ex)
		if got := code(err); got != c.want || err == nil && ex.Caller.By != entry.PolicyBasic {
			t.Errorf("%s: got %s by %q, want %s", name, got, ex.Caller.By, c.want)
		}
		if _, left := ex.Header.Value("Authorization"); left != (name == "another scheme") {
			t.Errorf("%s: Authorization is left: %v", name, left)
		}
		if denied := (*policy.Denied)(nil); errors.As(err, &denied) && (denied.Status != 401 || len(denied.Challenges) != 1 || denied.Challenges[0] != `Basic realm="portico", charset="UTF-8"`) {
			t.Errorf("%s: got %d %q", name, denied.Status, denied.Challenges)
		}
	}
}

func TestAddressesOfACredentialHoldForEveryWayToIdentify(t *testing.T) {
	grant := policy.NewGrant(entry.Position{}, entry.Grant{
		Credential: uuid(3), Application: uuid(4), Tenant: uuid(5), Addresses: []string{"10.0.0.0/8"},
	}, func(string) *policy.TermsSlot { return new(policy.TermsSlot) })
	grant.Sign([]byte(signingSecret))
	shown := certificate(time.Hour)
	tools := policy.Tools{Limiter: policy.NewLimiter(1024), Grants: known{
		entry.BasicHash("ann", "x"): grant, entry.SignatureHash("key"): grant, entry.CertificateHash(sum(string(shown.Raw))): grant,
	}}
	for _, config := range []entry.PolicyConfig{&entry.BasicPolicy{}, &entry.ClientCertificatePolicy{}, &entry.SignaturePolicy{Form: "simple"}} {
		ex := calling(basicAuth("ann", "x"))
		ex.ClientCertificate = shown
		ex.Method, ex.Target = "GET", "/orders"
		signSimple(ex, "key", time.Now().Unix(), "")
		if got := code(routeOf(tools, entry.Policy{Config: config}).Run(context.Background(), ex)); got != "credential_restricted" || ex.Caller.By != "" {
			t.Errorf("%s: got %s", config.Kind(), got)
		}
	}
}
