package openapi_test

import (
	"strings"
	"testing"

	"portico/openapi"
)

func TestSamplesShowOtherCredentialsThanKeys(t *testing.T) {
	get := openapi.Reference{Method: "GET", Path: "/parcels", Predicates: []openapi.Predicate{{In: "query", Name: "state", Value: "sent"}}}
	post := openapi.Reference{Method: "POST", Path: "/parcels", Body: &openapi.Body{Media: []openapi.Media{{Type: "application/json"}}}}
	target := openapi.SampleTarget{BaseURL: "https://gateway.example/demo/v1"}
	for name, c := range map[string]struct {
		with openapi.Credential
		want []string
	}{
		"a password":    {openapi.Credential{Kind: "basic", ID: "till"}, []string{"curl 'https://gateway.example/demo/v1/parcels?state=sent' \\\n  -u \"till:$PORTICO_SECRET\""}},
		"a shown one":   {openapi.Credential{Kind: "basic", ID: "till", Secret: "pa$s"}, []string{`-u "till:pa\$s"`}},
		"a token":       {openapi.Credential{Kind: "token"}, []string{`-H "Authorization: Bearer $TOKEN"`}},
		"in a header":   {openapi.Credential{Kind: "token", In: "header", Name: "X-Token"}, []string{`-H "X-Token: $TOKEN"`}},
		"in a cookie":   {openapi.Credential{Kind: "token", In: "cookie", Name: "session"}, []string{`-b "session=$TOKEN"`}},
		"a certificate": {openapi.Credential{Kind: "certificate"}, []string{`--cert client.pem --key client-key.pem`}},
		"a message's signature": {openapi.Credential{Kind: "message", ID: "sig_1"}, []string{
			`signed="(\"@method\" \"@path\" \"@query\");created=$(date +%s);keyid=\"sig_1\""`, `GET /demo/v1/parcels '?state=sent' "$signed"`,
			`-hmac "$PORTICO_SECRET"`, `-H "Signature-Input: sig=$signed"`, `-H "Signature: sig=:$signature:"`,
		}},
		"a simple signature": {openapi.Credential{Kind: "simple", ID: "sig_1"}, []string{
			`"$stamp" GET '/demo/v1/parcels?state=sent'`, `-H "X-Key-Id: sig_1"`, `-H "X-Timestamp: $stamp"`, `-H "X-Signature: $signature"`,
		}},
	} {
		sample, ok := openapi.SampleWith(get, target, c.with)
		if !ok {
			t.Errorf("%s: no sample", name)
		}
		for _, want := range c.want {
			if !strings.Contains(sample.Text(), want) {
				t.Errorf("%s: got\n%s\nwithout %s", name, sample.Text(), want)
			}
		}
	}
	if sample, ok := openapi.SampleWith(post, target, openapi.Credential{Kind: "simple", ID: "sig_1"}); ok {
		t.Errorf("a body is signed as none: %s", sample.Text())
	}
	if sample, ok := openapi.SampleWith(post, target, openapi.Credential{Kind: "basic", ID: "till"}); !ok || !strings.Contains(sample.Text(), "-X POST") {
		t.Errorf("a body needs no digest where nothing is signed: %s", sample.Text())
	}
}
