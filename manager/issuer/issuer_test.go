package issuer_test

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager/issuer"
	"portico/test/fake"
)

// refusedAt fails the test unless an error is of wrong input at a field.
func refusedAt(t *testing.T, what string, err error, field string) {
	t.Helper()
	if apim.KindOf(err) != apim.Invalid || !strings.Contains(err.Error(), field+": ") {
		t.Errorf("%s: got %v, want %s refused", what, err, field)
	}
}

// headWith is a token's head that says more than its key.
func headWith(more map[string]any) map[string]any {
	head := map[string]any{"alg": "ES256", "kid": "ES256-1"}
	maps.Copy(head, more)
	return head
}

func TestTheClientsOwnTokenAloneProvesIt(t *testing.T) {
	i := fake.NewIssuer(t, "ES256", "RS256")
	i.Discover()
	other := fake.NewIssuer(t, "ES256")
	p := issuer.New(&http.Client{}, time.Now)
	prove := func(token string) error { return p.Prove(t.Context(), "ten_a", i.Name, "client", token) }
	for name, claims := range map[string]map[string]any{
		"nobody's":          nil, // azp alone
		"RFC 9068":          {"sub": "client", "client_id": "client", "azp": nil},
		"by sub alone":      {"sub": "client", "azp": nil},
		"Auth0":             {"sub": "client@clients", "gty": "client-credentials"},
		"Entra":             {"sub": "1-2-3", "azp": nil, "appid": "client", "idtyp": "app"},
		"Keycloak":          {"sub": "1-2-3", "clientAddress": "192.0.2.1"},
		"Okta":              {"sub": "client", "cid": "client", "azp": nil},
		"with a line break": {"sub": "client"},
	} {
		if err := prove(i.Token(t, "ES256", claims) + "\n"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, more := range map[string]map[string]any{
		"of RFC 9068's type":      {"typ": "at+jwt"},
		"of its whole media type": {"typ": "application/at+jwt"},
		"in capitals":             {"typ": "Application/AT+JWT"},
		"of any JWT's type":       {"typ": "JWT"},
		"that holds JSON":         {"cty": "application/json"},
	} {
		if err := prove(i.Sign(t, "ES256", headWith(more), "ES256-1", i.Claims(nil))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	now := time.Now().Unix()
	good := i.Token(t, "ES256", nil)
	head := map[string]any{"alg": "ES256", "kid": "ES256-1"}
	for name, token := range map[string]string{
		"nothing":                  "",
		"no token":                 "client",
		"too long":                 good + strings.Repeat("A", 9<<10),
		"another client's":         i.Token(t, "ES256", map[string]any{"azp": "other"}),
		"another's by a name":      i.Token(t, "ES256", map[string]any{"azp": "other", "sub": "client"}),
		"a person's":               i.Token(t, "ES256", map[string]any{"sub": "alice"}),
		"a person's identity":      i.Token(t, "ES256", map[string]any{"sub": "client", "azp": nil, "nonce": "n"}),
		"expired":                  i.Token(t, "ES256", map[string]any{"exp": now - 60}),
		"without an end":           i.Token(t, "ES256", map[string]any{"exp": nil}),
		"not yet good":             i.Token(t, "ES256", map[string]any{"nbf": now + 600}),
		"of another issuer":        i.Token(t, "ES256", map[string]any{"iss": "https://id.example.com/"}),
		"signed by another":        fake.Signed(t, "ES256", head, other.Signer("ES256-1"), i.Claims(nil)),
		"unsigned":                 fake.Part(t, map[string]any{"alg": "none"}) + "." + fake.Part(t, i.Claims(nil)) + ".",
		"a shared key":             fake.Signed(t, "HS256", map[string]any{"alg": "HS256", "kid": "ES256-1"}, []byte(i.Set()), i.Claims(nil)),
		"another algorithm's key":  i.Sign(t, "RS256", map[string]any{"alg": "RS256", "kid": "ES256-1"}, "RS256-1", i.Claims(nil)),
		"critical":                 i.Sign(t, "ES256", headWith(map[string]any{"crit": []string{"x"}}), "ES256-1", i.Claims(nil)),
		"a proof of another thing": i.Sign(t, "ES256", headWith(map[string]any{"typ": "dpop+jwt"}), "ES256-1", i.Claims(nil)),
		"of a type in a type":      i.Sign(t, "ES256", headWith(map[string]any{"typ": "application/application/at+jwt"}), "ES256-1", i.Claims(nil)),
		"of a type that is empty":  i.Sign(t, "ES256", headWith(map[string]any{"typ": ""}), "ES256-1", i.Claims(nil)),
		"of a type that is none":   i.Sign(t, "ES256", headWith(map[string]any{"typ": 1}), "ES256-1", i.Claims(nil)),
		"with another in it":       i.Sign(t, "ES256", headWith(map[string]any{"cty": "application/JWT"}), "ES256-1", i.Claims(nil)),
	} {
		refusedAt(t, name, prove(token), "proof")
		if err := prove(token); err != nil && len(token) > 20 && strings.Contains(err.Error(), token[:20]) {
			t.Errorf("%s: the refusal shows the token: %v", name, err)
		}
	}
}

func TestKeysAreThoseThatTheIssuerPublishesItself(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	i.Discover()
	p := issuer.New(&http.Client{}, time.Now)
	token := i.Token(t, "ES256", nil)
	config := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/oauth-authorization-server/as":
			fmt.Fprintf(w, `{"issuer":"http://%s/as","jwks_uri":%q}`, r.Host, i.URL)
		case "/other/.well-known/openid-configuration":
			fmt.Fprint(w, config)
		case "/moved/.well-known/openid-configuration":
			http.Redirect(w, r, i.Name+"/.well-known/openid-configuration", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	if err := p.Prove(t.Context(), "ten_a", server.URL+"/as", "client", i.Token(t, "ES256", map[string]any{"iss": server.URL + "/as"})); err != nil {
		t.Errorf("found by RFC 8414: %v", err)
	}
	other := server.URL + "/other"
	for name, c := range map[string]struct{ issuer, config string }{
		"a name":             {"acme", ""},
		"plain":              {"http://id.example.com/", ""},
		"with a user":        {"https://a@id.example.com/", ""},
		"with a query":       {i.Name + "?a", ""},
		"nothing there":      {server.URL + "/none", ""},
		"somewhere else":     {server.URL + "/moved", ""},
		"no configuration":   {other, "hello"},
		"another's":          {other, `{"issuer":"` + i.Name + `","jwks_uri":"` + i.URL + `"}`},
		"no keys":            {other, `{"issuer":"` + other + `"}`},
		"keys in plain":      {other, `{"issuer":"` + other + `","jwks_uri":"http://id.example.com/jwks"}`},
		"keys of a file":     {other, `{"issuer":"` + other + `","jwks_uri":"file:///etc/passwd"}`},
		"keys that are none": {other, `{"issuer":"` + other + `","jwks_uri":"` + other + `/.well-known/openid-configuration"}`},
		"endless":            {other, strings.Repeat(" ", 300<<10)},
	} {
		config = c.config
		refusedAt(t, name, p.Prove(t.Context(), "ten_a", c.issuer, "client", token), "issuer")
	}
}

// silentIssuers are issuers that take a connection and say nothing until they are
// released: all those on this machine but the one at 127.0.0.1.
type silentIssuers struct {
	asked   chan struct{}
	release chan struct{}
	client  *http.Client
}

func silence(t *testing.T) *silentIssuers {
	s := &silentIssuers{asked: make(chan struct{}, 100), release: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		s.asked <- struct{}{}
		<-s.release
	}))
	t.Cleanup(server.Close)
	var dialer net.Dialer
	s.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		if !strings.HasPrefix(address, "127.0.0.1:") {
			address = server.Listener.Addr().String()
		}
		return dialer.DialContext(ctx, network, address)
	}}}
	return s
}

func TestATenantsSilentIssuersHoldUpNoOthers(t *testing.T) {
	i, silent := fake.NewIssuer(t, "ES256"), silence(t)
	i.Discover()
	p := issuer.New(silent.client, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range 2 {
		group.Go(func() {
			refusedAt(t, "of a silent issuer", p.Prove(ctx, "ten_a", "http://127.0.0.2", "client", "t"), "issuer")
		})
		<-silent.asked
	}
	brief, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	if err := p.Prove(brief, "ten_a", i.Name, "client", i.Token(t, "ES256", nil)); apim.KindOf(err) != apim.TooMany {
		t.Errorf("a third of the tenant that cannot wait: got %v", err)
	}
	third := make(chan error)
	go func() { third <- p.Prove(t.Context(), "ten_a", i.Name, "client", i.Token(t, "ES256", nil)) }()
	if err := p.Prove(t.Context(), "ten_b", i.Name, "client", i.Token(t, "ES256", nil)); err != nil {
		t.Errorf("another tenant's: %v", err)
	}
	cancel()
	group.Wait()
	close(silent.release)
	if err := <-third; err != nil {
		t.Errorf("a third of the tenant that waits: %v", err)
	}
}

func TestASilentIssuerHoldsUpNoOthers(t *testing.T) {
	i, silent := fake.NewIssuer(t, "ES256"), silence(t)
	i.Discover()
	p := issuer.New(silent.client, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for n := range 16 { // eight tenants' two each
		group.Go(func() {
			if err := p.Prove(ctx, apim.ID(fmt.Sprint("ten_", n/2)), "http://127.0.0.2:"+fmt.Sprint(8000+n), "client", "t"); err == nil {
				t.Error("a silent issuer has proved something")
			}
		})
	}
	<-silent.asked
	<-silent.asked
	if err := p.Prove(t.Context(), "ten_good", i.Name, "client", i.Token(t, "ES256", nil)); err != nil {
		t.Errorf("of another issuer: %v", err)
	}
	if n := len(silent.asked); n > 0 {
		t.Errorf("the silent issuer was asked %d more at a time", n)
	}
	cancel()
	group.Wait()
	close(silent.release)
}

func TestWhoFindsAllPlacesTakenWaits(t *testing.T) {
	i, silent := fake.NewIssuer(t, "ES256"), silence(t)
	i.Discover()
	p := issuer.New(silent.client, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			_ = p.Prove(ctx, apim.ID(fmt.Sprint("ten_", n/2)), fmt.Sprint("http://127.0.0.", 2+n), "client", "t")
		})
		<-silent.asked
	}
	brief, end := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer end()
	if err := p.Prove(brief, "ten_good", i.Name, "client", i.Token(t, "ES256", nil)); apim.KindOf(err) != apim.TooMany {
		t.Errorf("where all gates are full: got %v", err)
	}
	waits := make(chan error)
	go func() { waits <- p.Prove(t.Context(), "ten_good", i.Name, "client", i.Token(t, "ES256", nil)) }()
	cancel()
	if err := <-waits; err != nil {
		t.Errorf("who waits: %v", err)
	}
	group.Wait()
	close(silent.release)
}

func TestWaitingOfATenantIsBounded(t *testing.T) {
	silent := silence(t)
	p := issuer.New(silent.client, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	const begun, most = 30, 2 + 16
	ended := make(chan error, begun)
	for range begun {
		go func() { ended <- p.Prove(ctx, "ten_a", "http://127.0.0.2", "client", "t") }()
	}
	for range begun - most {
		if err := <-ended; apim.KindOf(err) != apim.TooMany {
			t.Errorf("too many that wait: got %v", err)
		}
	}
	cancel()
	for range most {
		<-ended
	}
	close(silent.release)
}
