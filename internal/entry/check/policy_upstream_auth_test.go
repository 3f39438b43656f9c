package check_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

func TestProofsThatCouldNotBeGivenAreRefused(t *testing.T) {
	wrong(t, entry.PolicyUpstreamBasic, map[string]string{
		`{"username": "${user}", "password": "${password}", "upstream": "any"}`: "",
		`{"username": "gateway", "password": "${password}"}`:                    "username",
		`{"username": "${user}", "password": "hunter2"}`:                        "password",
		`{"username": "${user}", "password": ""}`:                               "password",
	})
	const client = `"client_id": "${id}", "client_secret": "${secret}"`
	oauth := map[string]string{
		`{"token_url": "https://id.example.com/token", ` + client + `}`:                                                          "",
		`{"token_url": "http://id.internal:8080/token?realm=a", ` + client + `, "parameters": {"organization": "acme"}}`:         "",
		`{"token_url": "", ` + client + `}`:                                                                                      "token_url",
		`{"token_url": "ftp://id.example.com/token", ` + client + `}`:                                                            "token_url",
		`{"token_url": "https://me:secret@id.example.com/token", ` + client + `}`:                                                "token_url",
		`{"token_url": "https://id.example.com/token#x", ` + client + `}`:                                                        "token_url",
		`{"token_url": "https://id.example.com/token", "client_id": "plain", "client_secret": "${secret}"}`:                      "client_id",
		`{"token_url": "https://id.example.com/token", "client_id": "${id}", "client_secret": ""}`:                               "client_secret",
		`{"token_url": "https://id.example.com/token", ` + client + `, "authentication": "jwt"}`:                                 "authentication",
		`{"token_url": "https://id.example.com/token", ` + client + `, "scopes": ["a b"]}`:                                       "scopes[0]",
		`{"token_url": "https://id.example.com/token", ` + client + `, "scopes": ["a", "a"]}`:                                    "scopes[1]",
		`{"token_url": "https://id.example.com/token", ` + client + `, "audience": "a\nb"}`:                                      "audience",
		`{"token_url": "https://id.example.com/token", ` + client + `, "resource": "orders"}`:                                    "resource",
		`{"token_url": "https://id.example.com/token", ` + client + `, "resource": "https://orders.internal#a"}`:                 "resource",
		`{"token_url": "https://id.example.com/token", ` + client + `, "timeout_ms": 99}`:                                        "timeout_ms",
		`{"token_url": "https://id.example.com/token", ` + client + `, "timeout_ms": 20000}`:                                     "",
		`{"token_url": "https://id.example.com/token", ` + client + `, "timeout_ms": 20001}`:                                     "timeout_ms",
		`{"token_url": "https://id.example.com/token", ` + client + `, "parameters": {"a": "` + strings.Repeat("x", 513) + `"}}`: "parameters.a",
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "client_assertion", "scope", "audience", "resource"} {
		oauth[`{"token_url": "https://id.example.com/token", `+client+`, "parameters": {"`+name+`": "x"}}`] = "parameters." + name
	}
	var many []string
	for i := range 21 {
		many = append(many, fmt.Sprintf(`"p%d": "x"`, i))
	}
	oauth[`{"token_url": "https://id.example.com/token", `+client+`, "parameters": {`+strings.Join(many, ",")+`}}`] = "parameters"
	wrong(t, entry.PolicyUpstreamOAuth, oauth)
	const key = `"access_key_id": "${id}", "secret_access_key": "${secret}"`
	sigv4 := map[string]string{
		`{` + key + `, "region": "eu-central-1", "service": "execute-api", "session_token": "${session}", "headers": ["X-Amz-Target"]}`: "",
		`{` + key + `, "region": "eu-central-1", "service": "s3", "body": "unsigned"}`:                                                  "",
		`{"access_key_id": "AKIDEXAMPLE", "secret_access_key": "${secret}", "region": "eu-central-1", "service": "s3"}`:                 "access_key_id",
		`{"access_key_id": "${id}", "secret_access_key": "", "region": "eu-central-1", "service": "s3"}`:                                "secret_access_key",
		`{` + key + `, "region": "eu-central-1", "service": "s3", "session_token": "plain"}`:                                            "session_token",
		`{` + key + `, "region": "", "service": "s3"}`:                                                                                  "region",
		`{` + key + `, "region": "EU/central", "service": "s3"}`:                                                                        "region",
		`{` + key + `, "region": "eu-central-1", "service": "S3"}`:                                                                      "service",
		`{` + key + `, "region": "eu-central-1", "service": "s3", "body": "streamed"}`:                                                  "body",
		`{` + key + `, "region": "eu-central-1", "service": "s3", "max_body_bytes": 67108865}`:                                          "max_body_bytes",
		`{` + key + `, "region": "eu-central-1", "service": "s3", "body": "unsigned", "max_body_bytes": 1}`:                             "max_body_bytes",
		`{` + key + `, "region": "eu-central-1", "service": "s3", "headers": ["X-Amz-Acl", "x-amz-acl"]}`:                               "headers[1]",
	}
	for _, name := range []string{"X-Amz-Date", "x-amz-security-token", "X-Amz-Content-Sha256", "Authorization", "X-Amz-", "X-Amz- A", "X-Amz-A: b"} {
		sigv4[`{`+key+`, "region": "eu-central-1", "service": "s3", "headers": ["`+name+`"]}`] = "headers[0]"
	}
	wrong(t, entry.PolicyUpstreamSigV4, sigv4)
}

// TestASecretIsNotRepeatedInWhatIsWrong writes secrets where references belong.
func TestASecretIsNotRepeatedInWhatIsWrong(t *testing.T) {
	for kind, config := range map[entry.PolicyKind]string{
		entry.PolicyUpstreamBasic: `{"username": "canary", "password": "canary"}`,
		entry.PolicyUpstreamOAuth: `{"token_url": "https://a.example.com", "client_id": "canary", "client_secret": "canary"}`,
		entry.PolicyUpstreamSigV4: `{"access_key_id": "canary", "secret_access_key": "canary", "session_token": "canary", "region": "a", "service": "b"}`,
	} {
		pol, err := entry.ParsePolicy(kind, []byte(config))
		if err != nil {
			t.Fatal(err)
		}
		found, err := json.Marshal(check.Policy(pol))
		if err != nil || len(check.Policy(pol)) < 2 || strings.Contains(string(found), "canary") {
			t.Errorf("%s: got %s %v", kind, found, err)
		}
	}
}

func TestAnUpstreamGetsOneProof(t *testing.T) {
	sealed := entry.Secret{Sealed: &entry.Sealed{Key: 1, Box: "AAAA"}}
	basic := func(upstream string) entry.Policy {
		return entry.Policy{Config: &entry.UpstreamBasic{Username: sealed, Password: sealed, Upstream: upstream}}
	}
	oauth := func(upstream string) entry.Policy {
		return entry.Policy{Config: &entry.UpstreamOAuth{TokenURL: "https://id.example.com", ClientID: sealed, ClientSecret: sealed, Upstream: upstream}}
	}
	sigv4 := func(upstream string) entry.Policy {
		return entry.Policy{Config: &entry.UpstreamSigV4{AccessKeyID: sealed, SecretAccessKey: sealed, Region: "a", Service: "b", Upstream: upstream}}
	}
	for _, c := range []struct {
		list  []entry.Policy
		wrong int    // among list; -1 for none
		field string // of it
	}{
		{[]entry.Policy{basic(""), oauth("main"), sigv4("other")}, -1, ""},
		{[]entry.Policy{basic(""), oauth("")}, 1, ""},
		{[]entry.Policy{oauth("main"), basic(""), sigv4("main")}, 2, ""},
		{[]entry.Policy{sigv4("nowhere")}, 0, ".upstream"},
	} {
		for _, at := range []string{"policies", "routes[0].policies"} {
			api := goodAPI()
			api.Upstreams[0].Name = "main"
			for i := range api.Routes {
				api.Routes[i].Upstream = "main"
			}
			up := api.Upstreams[0]
			up.Name = "other"
			api.Upstreams = append(api.Upstreams, up)
			list := &api.Policies
			if at != "policies" {
				list = &api.Routes[0].Policies
			}
			before := len(*list)
			*list = append(*list, c.list...)
			found, want := check.API(api), fmt.Sprintf("%s[%d]%s", at, before+c.wrong, c.field)
			if c.wrong < 0 && len(found) > 0 || c.wrong >= 0 && (len(found) != 1 || found[0].Field != want) {
				t.Errorf("got %v, want %s refused", found, want)
			}
		}
	}
}
