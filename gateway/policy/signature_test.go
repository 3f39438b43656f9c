package policy_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"portico/gateway/policy"
	"portico/gateway/signature"
	"portico/internal/entry"
)

const signingSecret = "a secret of thirty-two bytes ..."

func mac(text string) []byte {
	h := hmac.New(sha256.New, []byte(signingSecret))
	h.Write([]byte(text))
	return h.Sum(nil)
}

// signSimple signs a request by the simple form.
func signSimple(ex *policy.Exchange, keyID string, at int64, body string) {
	digest := sha256.Sum256([]byte(body))
	stamp := fmt.Sprint(at)
	ex.Header.Add("X-Key-Id", keyID)
	ex.Header.Add("X-Timestamp", stamp)
	ex.Header.Add("X-Signature", hex.EncodeToString(mac(stamp+"\n"+ex.Method+"\n"+ex.Target+"\n"+hex.EncodeToString(digest[:]))))
}

// signing are tools that know the key "key", an expired one, and one of a
// credential that has no secret.
func signing() policy.Tools {
	good := grantFor()
	good.Sign([]byte(signingSecret))
	old := policy.NewGrant(entry.Position{}, entry.Grant{Credential: uuid(3), Application: uuid(4), Tenant: uuid(5), ExpiresAt: 1}, func(string) *policy.TermsSlot { return new(policy.TermsSlot) })
	old.Sign([]byte(signingSecret))
	return policy.Tools{
		Limiter: policy.NewLimiter(1024), Replays: signature.NewReplays(1 << 12),
		Grants: known{entry.SignatureHash("key"): good, entry.SignatureHash("old"): old, entry.SignatureHash("empty"): grantFor()},
	}
}

// message is a request that is signed after RFC 9421.
type message struct {
	method, target, authority string
	secure                    bool
	fields                    []string
	body                      string
	components                []string // and their values as signed
	values                    []string
	params                    string
}

// goodMessage is one that is taken.
func goodMessage() *message {
	const body = `{"hello": "world"}`
	digest := sha256.Sum256([]byte(body))
	field := "sha-256=:" + base64.StdEncoding.EncodeToString(digest[:]) + ":"
	return &message{
		method: "POST", target: "/orders?page=2&api_key=x", authority: "API.example.com:80", body: body,
		fields:     []string{"Content-Type: application/json", "Content-Digest: " + field, "X-Two: a ", "X-Two: b"},
		components: []string{"@method", "@path", "@query", "@authority", "content-digest", "x-two"},
		values:     []string{"POST", "/orders", "?page=2&api_key=x", "api.example.com", field, "a, b"},
		params:     fmt.Sprintf(`;created=%d;keyid="key";alg="hmac-sha256";nonce="n"`, time.Now().Unix()),
	}
}

// sign returns the fields of the signature.
func (m *message) sign() (input, value string) {
	base, params := "", "("
	for i, c := range m.components {
		base += `"` + c + `": ` + m.values[i] + "\n"
		if i > 0 {
			params += " "
		}
		params += `"` + c + `"`
	}
	params += ")" + m.params
	return "sig=" + params, "sig=:" + base64.StdEncoding.EncodeToString(mac(base+`"@signature-params": `+params)) + ":"
}

// request signs the message.
func (m *message) request() *policy.Exchange {
	ex := calling(m.fields...)
	ex.Method, ex.Target, ex.Authority, ex.Secure = m.method, m.target, m.authority, m.secure
	if m.body != "" {
		ex.Body, ex.BodyLength = policy.NewBody(strings.NewReader(m.body)), int64(len(m.body))
	}
	ex.Scope.MaxBodyBytes = 1 << 20
	input, value := m.sign()
	ex.Header.Add("Signature-Input", input)
	ex.Header.Add("Signature", value)
	return ex
}

// without covers one component less.
func (m *message) without(component string) {
	for i, c := range m.components {
		if c == component {
			m.components = append(m.components[:i:i], m.components[i+1:]...)
			m.values = append(m.values[:i:i], m.values[i+1:]...)
			return
		}
	}
}

func (m *message) with(component, value string) {
	m.components, m.values = append(m.components, component), append(m.values, value)
}

func TestMessageSignatures(t *testing.T) {
	now := time.Now().Unix()
	params := func(format string, args ...any) func(*message) {
		return func(m *message) { m.params = fmt.Sprintf(format, args...) }
	}
	same := func(*policy.Exchange) {}
	for name, c := range map[string]struct {
		config entry.SignaturePolicy
		edit   func(*message)
		after  func(*policy.Exchange) // on the way
		want   string
	}{
		"good": {entry.SignaturePolicy{}, func(*message) {}, same, "<nil>"},
		"good, all that is derived": {entry.SignaturePolicy{}, func(m *message) {
			m.secure = true
			m.authority = "api.example.com:443"
			m.with("@scheme", "https")
			m.with("@target-uri", "https://api.example.com/orders?page=2&api_key=x")
			m.with("@request-target", "/orders?page=2&api_key=x")
		}, same, "<nil>"},
		"good, target alone": {entry.SignaturePolicy{}, func(m *message) {
			m.without("@path")
			m.without("@query")
			m.with("@target-uri", "http://api.example.com/orders?page=2&api_key=x")
		}, same, "<nil>"},
		"good, no query":                  {entry.SignaturePolicy{}, func(m *message) { m.target = "/orders"; m.without("@query") }, same, "<nil>"},
		"good, an empty query":            {entry.SignaturePolicy{}, func(m *message) { m.target = "/orders"; m.values[2] = "?" }, same, "<nil>"},
		"good, absolute target":           {entry.SignaturePolicy{}, func(m *message) { m.target = "http://api.example.com" + m.target }, same, "<nil>"},
		"good, no body":                   {entry.SignaturePolicy{}, func(m *message) { m.body = ""; m.without("content-digest") }, same, "<nil>"},
		"good, unsigned body":             {entry.SignaturePolicy{UnsignedBody: true}, func(m *message) { m.without("content-digest") }, same, "<nil>"},
		"good, components wanted":         {entry.SignaturePolicy{Components: []string{"@authority", "x-two"}}, func(*message) {}, same, "<nil>"},
		"good, nonce wanted":              {entry.SignaturePolicy{Nonce: "required"}, func(*message) {}, same, "<nil>"},
		"good, the last moment":           {entry.SignaturePolicy{MaxAgeMS: 60_000, SkewMS: 5000}, params(`;created=%d;keyid="key"`, now-62), same, "<nil>"},
		"good, a clock that is ahead":     {entry.SignaturePolicy{SkewMS: 5000}, params(`;created=%d;keyid="key"`, now+4), same, "<nil>"},
		"method not covered":              {entry.SignaturePolicy{}, func(m *message) { m.without("@method") }, same, "credential_invalid"},
		"path not covered":                {entry.SignaturePolicy{}, func(m *message) { m.without("@path") }, same, "credential_invalid"},
		"query not covered":               {entry.SignaturePolicy{}, func(m *message) { m.without("@query") }, same, "credential_invalid"},
		"an empty query not covered":      {entry.SignaturePolicy{}, func(m *message) { m.target = "/orders?"; m.without("@query") }, same, "credential_invalid"},
		"body not covered":                {entry.SignaturePolicy{}, func(m *message) { m.without("content-digest") }, same, "credential_invalid"},
		"nothing covered":                 {entry.SignaturePolicy{}, func(m *message) { m.components, m.values = nil, nil }, same, "credential_invalid"},
		"a component wanted":              {entry.SignaturePolicy{Components: []string{"content-type"}}, func(*message) {}, same, "credential_invalid"},
		"nonce wanted, none":              {entry.SignaturePolicy{Nonce: "required"}, params(`;created=%d;keyid="key"`, now), same, "credential_invalid"},
		"a header that is not there":      {entry.SignaturePolicy{}, func(m *message) { m.with("x-three", "") }, same, "credential_invalid"},
		"something not derived here":      {entry.SignaturePolicy{}, func(m *message) { m.with("@status", "200") }, same, "credential_invalid"},
		"too old":                         {entry.SignaturePolicy{MaxAgeMS: 60_000, SkewMS: 5000}, params(`;created=%d;keyid="key"`, now-70), same, "credential_expired"},
		"expired by its own word":         {entry.SignaturePolicy{SkewMS: 1000}, params(`;created=%d;expires=%d;keyid="key"`, now-10, now-5), same, "credential_expired"},
		"of the future":                   {entry.SignaturePolicy{SkewMS: 5000}, params(`;created=%d;keyid="key"`, now+60), same, "credential_invalid"},
		"no time":                         {entry.SignaturePolicy{}, params(`;keyid="key"`), same, "credential_invalid"},
		"no key":                          {entry.SignaturePolicy{}, params(`;created=%d`, now), same, "credential_invalid"},
		"another key":                     {entry.SignaturePolicy{}, params(`;created=%d;keyid="other"`, now), same, "credential_invalid"},
		"a key without a secret":          {entry.SignaturePolicy{}, params(`;created=%d;keyid="empty"`, now), same, "credential_invalid"},
		"an expired key":                  {entry.SignaturePolicy{}, params(`;created=%d;keyid="old"`, now), same, "credential_expired"},
		"no algorithm":                    {entry.SignaturePolicy{}, params(`;created=%d;keyid="key";alg="none"`, now), same, "credential_invalid"},
		"another algorithm":               {entry.SignaturePolicy{}, params(`;created=%d;keyid="key";alg="ed25519"`, now), same, "credential_invalid"},
		"forged":                          {entry.SignaturePolicy{}, func(m *message) { m.values[0] = "GET" }, same, "credential_invalid"},
		"method changed":                  {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Method = "PUT" }, "credential_invalid"},
		"path changed":                    {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Target = "/refunds?page=2&api_key=x" }, "credential_invalid"},
		"query changed":                   {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Target = "/orders?page=3&api_key=x" }, "credential_invalid"},
		"host changed":                    {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Authority = "other.example.com" }, "credential_invalid"},
		"header added":                    {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Header.Add("X-Two", "c") }, "credential_invalid"},
		"digest changed":                  {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Header.Set("Content-Digest", "sha-256=:AAAA:") }, "credential_invalid"},
		"body changed":                    {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Body = policy.NewBody(strings.NewReader(`{"hello": "worlD"}`)) }, "credential_invalid"},
		"body taken away":                 {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Body, ex.BodyLength = nil, 0 }, "credential_invalid"},
		"unsigned is not unchecked":       {entry.SignaturePolicy{UnsignedBody: true}, func(*message) {}, func(ex *policy.Exchange) { ex.Body = policy.NewBody(strings.NewReader(`{}`)) }, "credential_invalid"},
		"body too large":                  {entry.SignaturePolicy{MaxBodyBytes: 4}, func(*message) {}, same, "request_too_large"},
		"body too large, as it turns out": {entry.SignaturePolicy{MaxBodyBytes: 4}, func(*message) {}, func(ex *policy.Exchange) { ex.BodyLength = -1 }, "request_too_large"},
		"input twice":                     {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Header.Add("signature-input", "x") }, "credential_invalid"},
		"no input":                        {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Header.Del("Signature-Input") }, "credential_invalid"},
		"no signature":                    {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Header.Del("Signature") }, "credential_invalid"},
		"neither":                         {entry.SignaturePolicy{}, func(*message) {}, func(ex *policy.Exchange) { ex.Header.Del("Signature"); ex.Header.Del("Signature-Input") }, "credential_missing"},
		"oversized":                       {entry.SignaturePolicy{}, func(m *message) { m.params += `;x="` + strings.Repeat("x", 100_000) + `"` }, same, "credential_invalid"},
	} {
		m := goodMessage()
		c.edit(m)
		ex := m.request()
		c.after(ex)
		err := routeOf(signing(), entry.Policy{Config: &c.config}).Run(context.Background(), ex)
		if got := code(err); got != c.want || err == nil && ex.Caller.By != entry.PolicySignature || err != nil && ex.Caller.Grant != nil {
			t.Errorf("%s: got %s by %q, want %s", name, got, ex.Caller.By, c.want)
		}
		_, in := ex.Header.Value("Signature-Input")
		if _, out := ex.Header.Value("Signature"); in || out {
			t.Errorf("%s: the signature is left for the upstream", name)
		}
		if err == nil && m.body != "" {
			if body, err := ex.Body.Whole(1 << 20); err != nil || string(body) != m.body {
				t.Errorf("%s: the upstream reads %q, %v", name, body, err)
			}
		}
	}
}

func TestANonceIsGoodForOneCall(t *testing.T) {
	tools := signing()
	config := &entry.SignaturePolicy{Nonce: "required"}
	chain, other := routeOf(tools, entry.Policy{Config: config}), routeOf(tools, entry.Policy{Config: config})
	m := goodMessage()
	bad := m.request()
	bad.Body = policy.NewBody(strings.NewReader("other"))
	forged := m.request()
	forged.Method = "GET"
	for name, c := range map[string]*policy.Exchange{"another body": bad, "forged": forged} { // neither uses the nonce up
		if got := code(chain.Run(context.Background(), c)); got != "credential_invalid" {
			t.Errorf("%s: got %s", name, got)
		}
	}
	if got := code(chain.Run(context.Background(), m.request())); got != "<nil>" {
		t.Errorf("the first: got %s", got)
	}
	for _, c := range []*policy.Chain{chain, other} {
		if got := code(c.Run(context.Background(), m.request())); got != "credential_invalid" {
			t.Errorf("once more: got %s", got)
		}
	}
	m.params = strings.Replace(m.params, `nonce="n"`, `nonce="m"`, 1)
	if got := code(chain.Run(context.Background(), m.request())); got != "<nil>" {
		t.Errorf("another nonce: got %s", got)
	}
	tools.Replays = signature.NewReplays(0)
	chain, refused := routeOf(tools, entry.Policy{Config: config}), 0
	for i := range 1000 {
		m.params = fmt.Sprintf(`;created=%d;keyid="key";nonce="%d"`, time.Now().Unix(), i)
		switch got := code(chain.Run(context.Background(), m.request())); got {
		case "<nil>":
		case "signatures_overloaded":
			refused++
		default:
			t.Fatal(got)
		}
	}
	if refused < 900 {
		t.Errorf("%d of 1000 refused by a node with no room for nonces", refused)
	}
	tools.Replays = nil
	if got := code(routeOf(tools, entry.Policy{Config: config}).Run(context.Background(), m.request())); got != "signatures_overloaded" {
		t.Errorf("nobody remembers: got %s", got)
	}
}

func TestSimpleSignatures(t *testing.T) {
	now, same := time.Now().Unix(), func(*policy.Exchange) {}
	set := func(name, value string) func(*policy.Exchange) {
		return func(ex *policy.Exchange) { ex.Header.Set(name, value) }
	}
	for name, c := range map[string]struct {
		key   string
		at    int64
		body  string
		after func(*policy.Exchange)
		want  string
	}{
		"good":              {"key", now, "", same, "<nil>"},
		"good, with a body": {"key", now, "body", same, "<nil>"},
		"good, in upper case": {"key", now, "", func(ex *policy.Exchange) {
			v, _ := ex.Header.Value("X-Signature")
			ex.Header.Set("X-Signature", strings.ToUpper(v))
		}, "<nil>"},
		"another method":       {"key", now, "", func(ex *policy.Exchange) { ex.Method = "DELETE" }, "credential_invalid"},
		"another path":         {"key", now, "", func(ex *policy.Exchange) { ex.Target = "/other?a=b" }, "credential_invalid"},
		"another query":        {"key", now, "", func(ex *policy.Exchange) { ex.Target = "/orders?a=c" }, "credential_invalid"},
		"another body":         {"key", now, "body", func(ex *policy.Exchange) { ex.Body = policy.NewBody(strings.NewReader("bodY")) }, "credential_invalid"},
		"a body added":         {"key", now, "", func(ex *policy.Exchange) { ex.Body, ex.BodyLength = policy.NewBody(strings.NewReader("x")), 1 }, "credential_invalid"},
		"another time":         {"key", now, "", set("X-Timestamp", fmt.Sprint(now-1)), "credential_invalid"},
		"another key":          {"other", now, "", same, "credential_invalid"},
		"a key without secret": {"empty", now, "", same, "credential_invalid"},
		"an expired key":       {"old", now, "", same, "credential_expired"},
		"replayed too late":    {"key", now - 400, "", same, "credential_expired"},
		"of the future":        {"key", now + 100, "", same, "credential_invalid"},
		"no time":              {"key", now, "", func(ex *policy.Exchange) { ex.Header.Del("X-Timestamp") }, "credential_invalid"},
		"no key":               {"key", now, "", func(ex *policy.Exchange) { ex.Header.Del("X-Key-Id") }, "credential_invalid"},
		"no signature":         {"key", now, "", func(ex *policy.Exchange) { ex.Header.Del("X-Signature") }, "credential_invalid"},
		"two signatures":       {"key", now, "", func(ex *policy.Exchange) { ex.Header.Add("X-Signature", "00") }, "credential_invalid"},
		"two keys":             {"key", now, "", func(ex *policy.Exchange) { ex.Header.Add("X-Key-Id", "key") }, "credential_invalid"},
		"time with a sign":     {"key", now, "", set("X-Timestamp", "+"+fmt.Sprint(now)), "credential_invalid"},
		"time with zeros":      {"key", now, "", set("X-Timestamp", "0"+fmt.Sprint(now)), "credential_invalid"},
		"time in milliseconds": {"key", now * 1000, "", same, "credential_invalid"},
		"time that overflows":  {"key", now, "", set("X-Timestamp", "9223372036854775807"), "credential_invalid"},
		"time of nothing":      {"key", now, "", set("X-Timestamp", ""), "credential_invalid"},
		"no hexadecimal":       {"key", now, "", set("X-Signature", strings.Repeat("x", 64)), "credential_invalid"},
		"too short":            {"key", now, "", set("X-Signature", "00"), "credential_invalid"},
		"empty":                {"key", now, "", set("X-Signature", ""), "credential_invalid"},
		"an oversized key id":  {"key", now, "", set("X-Key-Id", strings.Repeat("x", 100_000)), "credential_invalid"},
		"too large":            {"key", now, strings.Repeat("x", 200), same, "request_too_large"},
	} {
		ex := calling("A: b")
		ex.Method, ex.Target, ex.Scope.MaxBodyBytes = "GET", "/orders?a=b", 1<<20
		if c.body != "" {
			ex.Body, ex.BodyLength = policy.NewBody(strings.NewReader(c.body)), int64(len(c.body))
		}
		signSimple(ex, c.key, c.at, c.body)
		c.after(ex)
		err := routeOf(signing(), entry.Policy{Config: &entry.SignaturePolicy{Form: "simple", MaxBodyBytes: 100}}).Run(context.Background(), ex)
		if got := code(err); got != c.want || err == nil && ex.Caller.By != entry.PolicySignature || err != nil && ex.Caller.Grant != nil {
			t.Errorf("%s: got %s by %q, want %s", name, got, ex.Caller.By, c.want)
		}
		if f := ex.Header.Fields(); len(f) != 1 {
			t.Errorf("%s: left %q", name, f)
		}
	}
}

// TestSecretsAreTakenAwayWhereNobodyAsks calls routes that are public, or ask for
// something else.
func TestSecretsAreTakenAwayWhereNobodyAsks(t *testing.T) {
	policies := []entry.Policy{{Config: &entry.BasicPolicy{}}, {Config: &entry.SignaturePolicy{}}, {Config: &entry.SignaturePolicy{Form: "simple"}}, {Config: &entry.ClientCertificatePolicy{}}}
	for name, route := range map[string]entry.Route{
		"public":          {Operation: "list", Public: true},
		"another way":     {Operation: "list", Policies: []entry.Policy{{Config: &entry.KeyPolicy{Header: "X"}}, {Config: &entry.AnonymousPolicy{}}}},
		"by the first":    {Operation: "list", Policies: policies},
		"and by the last": {Operation: "list", Policies: []entry.Policy{policies[3], policies[1], policies[2], policies[0]}},
	} {
		tools := signing()
		tools.Grants.(known)[entry.BasicHash("ann", "x")] = grantFor()
		ex := calling(basicAuth("ann", "x"), "Signature: a=:AAAA:", "Signature-Input: a=()", "X-Signature: 00", "X-Timestamp: 1", "X-Key-Id: key", "A: b")
		err := policy.NewCompiler(entry.API{Version: uuid(1), Policies: policies}, tools).Route(route).Run(context.Background(), ex)
		if want := name == "and by the last"; (err != nil) != want {
			t.Errorf("%s: got %v", name, err)
		}
		if f := ex.Header.Fields(); err == nil && (len(f) != 1 || f[0].Name != "A") {
			t.Errorf("%s: left %q", name, f)
		}
	}
}
