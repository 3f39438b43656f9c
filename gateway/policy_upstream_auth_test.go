package gateway_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// startProving starts a node that opens secrets and gets tokens, and an API that is
// changed before it is served. What is Opened of its secrets travels sealed.
func startProving(t *testing.T, lane change, edit func(*entry.API)) *explaining {
	t.Helper()
	r := startExplaining(t, fetching(lane))
	r.putSealed(t, 3, edit)
	return r
}

// putSealed serves the demo's API as it is changed.
func (r *explaining) putSealed(t *testing.T, sequence uint64, edit func(*entry.API)) {
	t.Helper()
	api := demoAPI(r.upstream.URL)
	edit(&api)
	s := &sealing{raw: [32]byte{1, 2, 3}}
	seal := func(operation string, list []entry.Policy) {
		for i, p := range list {
			for _, field := range entry.Secrets(p.Config) {
				if field.Opened != "" {
					box := s.seal(t, entry.PolicySecretInfo(api.Version, operation, i, p.Kind(), field.Field), []byte(field.Opened))
					*field.Secret = entry.Secret{Sealed: &box}
				}
			}
		}
	}
	seal("", api.Policies)
	for _, route := range api.Routes {
		seal(route.Operation, route.Policies)
	}
	r.serve(t, sequence, item(t, sequence, api))
}

func opened(text string) entry.Secret { return entry.Secret{Opened: text} }

func basicProof(user, password, upstream string) entry.Policy {
	return entry.Policy{Config: &entry.UpstreamBasic{Username: opened(user), Password: opened(password), Upstream: upstream}}
}

func tokenProof(i *fake.Tokens) entry.Policy {
	return entry.Policy{Config: &entry.UpstreamOAuth{TokenURL: i.URL, ClientID: opened(fake.TokenClient), ClientSecret: opened(fake.TokenSecret), TimeoutMS: 1000}}
}

func signatureProof(edit func(*entry.UpstreamSigV4)) entry.Policy {
	c := &entry.UpstreamSigV4{AccessKeyID: opened("AKIDEXAMPLE"), SecretAccessKey: opened(awsSecret), Region: "eu-central-1", Service: "execute-api"}
	if edit != nil {
		edit(c)
	}
	return entry.Policy{Config: c}
}

const awsSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

func basicText(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func (r *running) wantsAuthorization(t *testing.T, what, want, method, path, body string, headers ...string) {
	t.Helper()
	got := r.call(t, method, path, body, headers...)
	if got.status != 200 {
		t.Errorf("%s: got %d %s", what, got.status, got.body)
		return
	}
	e := got.echo(t)
	if seen := strings.Join(e.Header["Authorization"], "|"); seen != want || e.Body != body {
		t.Errorf("%s: the upstream saw %q and %q, want %q", what, seen, e.Body, want)
	}
}

func upstreamBasicCase(t *testing.T, lane change) {
	r := startProving(t, lane, func(api *entry.API) {
		api.Upstreams[0].Headers = []entry.UpstreamHeader{{Name: "Authorization", Value: "static"}, {Name: "X-Static", Value: "yes"}}
		api.Policies = append(api.Policies, basicProof("gate", "pa:ss wörd", ""), entry.Policy{Config: &entry.IdentityToken{Audience: "orders"}})
		api.Routes[4].Policies = []entry.Policy{basicProof("open", "other", "")}
	})
	want := basicText("gate", "pa:ss wörd")
	r.wantsAuthorization(t, "with a key", want, "GET", "/demo/orders/v1/orders/echo", "", "X-API-Key: "+goodKey)
	r.wantsAuthorization(t, "with a key in the same place", want, "GET", "/demo/orders/v1/orders/echo", "", "Authorization: Bearer "+goodKey)
	r.wantsAuthorization(t, "with another in the caller's name", want, "POST", do+"echo", "body", "Authorization: Basic Zm9yZ2VkOg==", "Authorization: Bearer x")
	r.wantsAuthorization(t, "at an operation", basicText("open", "other"), "GET", openPath, "", "Authorization: Basic Zm9yZ2VkOg==")
	if got := r.call(t, "HEAD", do+"echo", ""); got.status != 200 || got.body != "" {
		t.Errorf("HEAD: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", do+"echo", "").echo(t); strings.Join(got.Header["X-Static"], "|") != "yes" {
		t.Errorf("the upstream's other headers: got %v", got.Header)
	}
}

func upstreamOAuthCase(t *testing.T, lane change) {
	i := fake.NewTokens(t)
	r := startProving(t, lane, func(api *entry.API) { api.Policies = append(api.Policies, tokenProof(i)) })
	for range 3 {
		r.wantsAuthorization(t, "with a key", "Bearer token-1", "GET", "/demo/orders/v1/orders/echo", "", "X-API-Key: "+goodKey)
		r.wantsAuthorization(t, "with one in the caller's name", "Bearer token-1", "POST", do+"echo", "body", "Authorization: Bearer mine")
	}
	r.putSealed(t, 4, func(api *entry.API) {
		api.Revision = 2
		api.Policies = append(api.Policies, tokenProof(i))
	})
	r.wantsAuthorization(t, "after a publish", "Bearer token-1", "GET", openPath, "")
	i.Say(503, "text/plain", "away")
	r.wantsAuthorization(t, "while the issuer is away", "Bearer token-1", "GET", openPath, "")
	r.putSealed(t, 5, func(api *entry.API) {
		policy := tokenProof(i)
		policy.Config.(*entry.UpstreamOAuth).Scopes = []string{"another"}
		api.Policies = append(api.Policies, policy)
	})
	before := r.upstream.Calls()
	got := r.call(t, "POST", do+"echo", "body", "Authorization: Bearer mine")
	if got.status != 503 || got.code() != "upstream_token_unavailable" || got.header.Get("Retry-After") == "" || r.upstream.Calls() != before {
		t.Errorf("without a token: got %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
}

func upstreamSigV4Case(t *testing.T, lane change) {
	aws := newAWS(t)
	r := startProving(t, lane, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = aws.URL + "/prod"
		api.Upstreams[0].Headers = []entry.UpstreamHeader{{Name: "X-Amz-Target", Value: "Orders.List"}, {Name: "X-Amz-Date", Value: "19700101T000000Z"}}
		api.Policies = append(api.Policies, signatureProof(func(c *entry.UpstreamSigV4) {
			c.SessionToken, c.Headers, c.MaxBodyBytes = opened("session/token+="), []string{"x-amz-target"}, 700_000
		}))
		api.Routes[6].Policies = []entry.Policy{{Config: &entry.HeadersPolicy{Set: []entry.NamedValue{{Name: "X-Late", Value: "yes"}}}}}
	})
	for _, c := range [][3]string{
		{"GET", "/demo/orders/v1/orders/a%20b%3Ac?b=2&a=1+1&a=%2f&empty&=x&c=%E1%88%B4", ""},
		{"GET", openPath, ""},
		{"POST", do + "echo?x=y", `{"id": 1}`},
		{"POST", do + "echo", strings.Repeat("large ", 10_000)},
		{"POST", do + "echo", strings.Repeat("larger", 100_000)},
	} {
		got := r.call(t, c[0], c[1], c[2], "X-API-Key: "+goodKey, "Content-Type: application/json", "Authorization: AWS4-HMAC-SHA256 forged",
			"X-Amz-Date: 20200101T000000Z", "X-Amz-Security-Token: mine", "X-Amz-Copy-Source: /bucket/secret", "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD")
		if got.status != 200 || got.body != "host;x-amz-date;x-amz-security-token;x-amz-target" && got.body != "content-type;host;x-amz-date;x-amz-security-token;x-amz-target" {
			t.Errorf("%s %s: got %d %s", c[0], c[1], got.status, got.body)
		}
	}
	if got := r.call(t, "HEAD", openPath, ""); got.status != 200 || got.body != "" {
		t.Errorf("HEAD: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "POST", do+"echo", strings.Repeat("x", 700_001)); got.status != 413 {
		t.Errorf("a body that is too large: got %d %s", got.status, got.body)
	}
}

// aws is a service that checks signatures by its own reading of how they are made,
// and answers with what was signed.
type aws struct {
	URL string
	s3  bool
}

func newAWS(t *testing.T) *aws {
	a := &aws{}
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	a.URL = server.URL
	return a
}

func (a *aws) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	names, err := a.verify(r, body)
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		names = err.Error()
	}
	w.Header().Set("X-Path", r.URL.EscapedPath())
	w.Header().Set("Content-Length", fmt.Sprint(len(names)))
	io.WriteString(w, names)
}

func (a *aws) verify(r *http.Request, body []byte) (string, error) {
	all := r.Header.Values("Authorization")
	if len(all) != 1 {
		return "", fmt.Errorf("%d headers Authorization", len(all))
	}
	scope, rest, _ := strings.Cut(strings.TrimPrefix(all[0], "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), ", SignedHeaders=")
	names, signature, _ := strings.Cut(rest, ", Signature=")
	list := strings.Split(names, ";")
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(list, lower) {
			return "", fmt.Errorf("%s is not signed", name)
		}
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	encode := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	if !a.s3 { // what is escaped already is escaped again
		path = strings.ReplaceAll(encode(path), "%2F", "/")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return "", err
	}
	var pairs []string
	for name, list := range values {
		for _, v := range list {
			pairs = append(pairs, encode(name)+"="+encode(v))
		}
	}
	slices.Sort(pairs)
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if told := r.Header.Get("X-Amz-Content-Sha256"); told == "UNSIGNED-PAYLOAD" {
		payload = told
	}
	canonical := r.Method + "\n" + path + "\n" + strings.Join(pairs, "&") + "\n"
	for _, name := range list {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical += name + ":" + value + "\n"
	}
	canonical += "\n" + names + "\n" + payload
	date := r.Header.Get("X-Amz-Date")
	if at, err := time.Parse("20060102T150405Z", date); err != nil || time.Since(at).Abs() > time.Minute {
		return "", fmt.Errorf("signed at %q", date)
	}
	whole := sha256.Sum256([]byte(canonical))
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	key := []byte("AWS4" + awsSecret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	want := hex.EncodeToString(mac(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(whole[:])))
	if want != signature {
		return "", fmt.Errorf("the signature is of something else than %q", canonical)
	}
	return names, nil
}

func TestUnsignedBodiesStreamToS3(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		aws := newAWS(t)
		aws.s3 = true
		r := startProving(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = aws.URL
			api.Policies = append(api.Policies, signatureProof(func(c *entry.UpstreamSigV4) { c.Service, c.Body = "s3", "unsigned" }))
		})
		if got := r.call(t, "POST", do+"echo", strings.Repeat("x", 1<<20)); got.status != 200 || !strings.Contains(got.body, "x-amz-content-sha256") {
			t.Errorf("a large body: got %d %s", got.status, got.body)
		}
		if got := r.call(t, "GET", "/demo/orders/v1/files/a+b*c/d%20e?prefix=a/b+c", ""); got.status != 200 {
			t.Errorf("a path that is not plain: got %d %s", got.status, got.body)
		}
	})
}

func TestPathsToServicesBesideS3StayAsTheyAre(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		aws := newAWS(t)
		r := startProving(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = aws.URL
			api.Policies = append(api.Policies, signatureProof(func(c *entry.UpstreamSigV4) { c.Service = "s3tables" }))
		})
		if got := r.call(t, "GET", "/demo/orders/v1/files/arn%3Aaws:b+c*", ""); got.status != 200 || got.header.Get("X-Path") != "/files/arn%3Aaws:b+c*" {
			t.Errorf("got %d %s, and the service %q", got.status, got.body, got.header.Get("X-Path"))
		}
	})
}

func TestARefusedTokenIsGotAnewAndTheCallMadeAgain(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		i, clock := fake.NewTokens(t), &atomicClock{}
		var good atomic.Pointer[string] // the one token that the upstream takes
		var calls atomic.Int64
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			body, _ := io.ReadAll(r.Body)
			if r.Header.Get("Authorization") != "Bearer "+*good.Load() {
				w.WriteHeader(http.StatusUnauthorized)
			}
			fmt.Fprintf(w, "%d bytes", len(body))
		}))
		t.Cleanup(up.Close)
		now := func(token string) { good.Store(&token) }
		now("token-1")
		r := startProving(t, func(c *gateway.Config) {
			lane(c)
			c.Now = clock.now
		}, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = up.URL
			api.Policies = append(api.Policies, tokenProof(i))
		})
		if got := r.call(t, "GET", openPath, ""); got.status != 200 {
			t.Fatalf("got %d %s", got.status, got.body)
		}
		now("token-2")
		if got := r.call(t, "POST", do+"echo", "body"); got.status != 401 || calls.Load() != 2 {
			t.Errorf("just after it was got: got %d after %d calls", got.status, calls.Load())
		}
		clock.move(6 * time.Second)
		if got := r.call(t, "POST", do+"echo", "body"); got.status != 200 || got.body != "4 bytes" || calls.Load() != 4 {
			t.Errorf("with a small body: got %d %s after %d calls", got.status, got.body, calls.Load())
		}
		now("token-3")
		clock.move(6 * time.Second)
		if got := r.call(t, "POST", do+"echo", strings.Repeat("x", 100_000)); got.status != 401 {
			t.Errorf("with a body that is not at hand any more: got %d %s", got.status, got.body)
		}
		wait(t, "the third token", func() bool { return i.Asked() == 3 })
		wait(t, "calls with it", func() bool { return r.call(t, "GET", openPath, "").status == 200 })
		now("none")
		clock.move(6 * time.Second)
		before := calls.Load()
		if got := r.call(t, "GET", openPath, ""); got.status != 401 || calls.Load() != before+2 {
			t.Errorf("refused again: got %d after %d calls", got.status, calls.Load()-before)
		}
	})
}

func TestEachUpstreamGetsItsOwnProof(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startProving(t, lane, func(api *entry.API) {
			for _, name := range []string{"stock", "copy"} {
				up := api.Upstreams[0]
				up.Name = name
				api.Upstreams = append(api.Upstreams, up)
			}
			api.Policies = append(api.Policies, basicProof("all", "1", ""), basicProof("stock", "2", "stock"))
			api.Routes[4].Policies = []entry.Policy{{Config: &entry.Composition{
				Calls: []entry.CompositionCall{
					{Name: "main", Path: "/echo", Headers: map[string]string{"Authorization": "Basic forged"}},
					{Name: "stock", Upstream: "stock", Path: "/echo"},
				},
				Answer: json.RawMessage(`{"main": "${calls.main.body.header.Authorization}", "stock": "${calls.stock.body.header.Authorization}"}`),
			}}}
			api.Routes[5].Upstream = "stock"
			api.Routes[6].Upstream = "stock"
			api.Routes[6].Policies = []entry.Policy{basicProof("own", "3", "")}
		})
		r.wantsAuthorization(t, "the first upstream", basicText("all", "1"), "GET", "/demo/orders/v1/orders/echo", "", "X-API-Key: "+goodKey)
		r.wantsAuthorization(t, "another", basicText("stock", "2"), "GET", do+"echo", "")
		r.wantsAuthorization(t, "another, by an operation's own", basicText("own", "3"), "POST", do+"echo", "x")
		got := r.call(t, "GET", openPath, "")
		if want := fmt.Sprintf(`{"main":["%s"],"stock":["%s"]}`, basicText("all", "1"), basicText("stock", "2")); got.body != want {
			t.Errorf("composed: got %d %s, want %s", got.status, got.body, want)
		}
	})
}

// TestWhatIsCalledInAnUpstreamsPlaceGetsItsProof has a split and a mirror as the
// manager compiles them, begun and ended by publishes.
func TestWhatIsCalledInAnUpstreamsPlaceGetsItsProof(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		var saw atomic.Pointer[string] // by the mirror
		mirror := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			text := strings.Join(r.Header.Values("Authorization"), "|")
			saw.Store(&text)
		}))
		t.Cleanup(mirror.Close)
		api := func(perMille int, more ...entry.Policy) func(*entry.API) {
			return func(api *entry.API) {
				for _, name := range []string{"stock", "candidate:stock"} {
					up := api.Upstreams[0]
					up.Name = name
					api.Upstreams = append(api.Upstreams, up)
				}
				api.Upstreams = append(api.Upstreams, entry.Upstream{Name: "mirror:", Targets: []entry.Target{{URL: mirror.URL}}})
				api.Policies = append(append(api.Policies, basicProof("all", "1", ""), basicProof("stock", "2", "stock"), basicProof("main", "3", "main")), more...)
				api.Routes[5].Upstream, api.Routes[6].Upstream = "stock", "stock"
				api.Routes[6].Policies = []entry.Policy{basicProof("own", "4", "")}
				if perMille < 0 {
					return
				}
				api.Split = &entry.Split{Run: uuid(8), Candidates: map[string]string{"stock": "candidate:stock"}, PerMille: perMille}
				api.Mirror = &entry.Mirror{Run: uuid(9), Upstream: "mirror:", PerMille: 1000, Concurrency: 2, MaxBodyBytes: 1000}
			}
		}
		r := startProving(t, lane, api(-1)) // they are there, and stand for nothing yet
		for i, c := range []struct {
			perMille int
			want     string
		}{{0, "live"}, {1000, "candidate"}} {
			saw.Store(nil)
			r.putSealed(t, uint64(4+i), api(c.perMille))
			r.wantsAuthorization(t, c.want, basicText("stock", "2"), "GET", do+"echo", "")
			r.wantsAuthorization(t, c.want+", by an operation's own", basicText("own", "4"), "POST", do+"echo", "x")
			wait(t, "a copy", func() bool { return saw.Load() != nil })
			if *saw.Load() != basicText("main", "3") {
				t.Errorf("the mirror saw %q beside the %s one", *saw.Load(), c.want)
			}
		}
		r.putSealed(t, 6, api(1000, basicProof("exact", "5", "candidate:stock")))
		r.wantsAuthorization(t, "the candidate, by its own name", basicText("exact", "5"), "GET", do+"echo", "")
	})
}

func TestProofsGoByHTTP2AndGRPC(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		i := fake.NewTokens(t)
		var saw atomic.Pointer[string]
		up := serveH2C(t, grpcServer(t, func(req *http.Request) {
			text := strings.Join(req.Header.Values("Authorization"), "|")
			saw.Store(&text)
		}))
		r := startProving(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL, api.Upstreams[0].Protocol = up, "h2c"
			api.Policies = append(api.Policies, tokenProof(i))
		})
		in, out := io.Pipe()
		go out.Write(message("first"))
		res := r.grpc(t, context.Background(), do+"talk", "application/grpc", in, "Authorization: Bearer mine")
		for _, text := range []string{"first", "second"} {
			if text != "first" {
				go out.Write(message(text))
			}
			if got, err := readMessage(res.Body); err != nil || got != strings.ToUpper(text) {
				t.Fatalf("got %q %v", got, err)
			}
		}
		out.Close()
		if _, err := io.ReadAll(res.Body); err != nil || res.Trailer.Get("Grpc-Status") != "0" || *saw.Load() != "Bearer token-1" {
			t.Errorf("ended with %v %v, the upstream saw %q", err, res.Trailer, *saw.Load())
		}
	})
}

func TestSignedRequestsGoByHTTP2(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		a := &aws{}
		up := serveH2C(t, a.ServeHTTP)
		r := startProving(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL, api.Upstreams[0].Protocol = up+"/prod", "h2c"
			api.Policies = append(api.Policies, signatureProof(nil))
		})
		for _, body := range []string{"", "small", strings.Repeat("large ", 10_000)} {
			method := "POST"
			if body == "" {
				method = "GET"
			}
			if got := r.call(t, method, do+"a%20b?x=1+2", body); got.status != 200 {
				t.Errorf("%d bytes: got %d %s", len(body), got.status, got.body)
			}
		}
	})
}

func TestProofsGoWithSwitchedProtocolsAndStreams(t *testing.T) {
	inHTTP1AndTLS(t, func(t *testing.T, lane change) {
		up := switching(t)
		r := startProving(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = up.URL
			api.Policies = append(api.Policies, signatureProof(nil))
		})
		conn, in := r.open(t, "first")
		go io.WriteString(conn, "second")
		expect(t, in, "second")
	})
	inEachLane(t, func(t *testing.T, lane change) {
		r := startProving(t, lane, func(api *entry.API) { api.Policies = append(api.Policies, basicProof("a", "b", "")) })
		res, err := r.get(do + "sse")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for n := range 3 {
			go r.upstream.Release()
			expect(t, res.Body, fmt.Sprintf("data: %d\n\n", n))
		}
	})
}

// TestStoredAnswersNeedNoProof has a cache on each side of the policy.
func TestStoredAnswersNeedNoProof(t *testing.T) {
	for _, first := range []bool{true, false} {
		i := fake.NewTokens(t)
		var calls atomic.Int64
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls.Add(1)
			w.Header().Set("Cache-Control", "max-age=0, stale-while-revalidate=60")
			io.WriteString(w, r.Header.Get("Authorization"))
		}))
		t.Cleanup(up.Close)
		r := startProving(t, func(*gateway.Config) {}, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL = up.URL
			list := []entry.Policy{tokenProof(i), {Config: &entry.CachePolicy{}}}
			if first {
				slices.Reverse(list)
			}
			api.Policies = append(api.Policies, list...)
		})
		for range 2 {
			if got := r.call(t, "GET", openPath, ""); got.status != 200 || got.body != "Bearer token-1" {
				t.Errorf("the cache is first: %v: got %d %s", first, got.status, got.body)
			}
		}
		wait(t, "asked anew behind a stale answer", func() bool { return calls.Load() == 2 })
		if got := r.call(t, "GET", openPath, ""); got.status != 200 || got.body != "Bearer token-1" {
			t.Errorf("the cache is first: %v: got %d %s", first, got.status, got.body)
		}
	}
}

func TestCopiesForAMirrorAreProvedToo(t *testing.T) {
	var saw atomic.Pointer[string]
	mirror := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text := strings.Join(r.Header.Values("Authorization"), "|")
		saw.Store(&text)
	}))
	t.Cleanup(mirror.Close)
	r := startProving(t, func(*gateway.Config) {}, func(api *entry.API) {
		api.Upstreams = append(api.Upstreams, entry.Upstream{Name: "next", Targets: []entry.Target{{URL: mirror.URL}}})
		api.Mirror = &entry.Mirror{Run: uuid(9), Upstream: "next", PerMille: 1000, Concurrency: 2}
		api.Policies = append(api.Policies, basicProof("main", "1", "main"), basicProof("next", "2", "next"))
	})
	r.wantsAuthorization(t, "the call itself", basicText("main", "1"), "GET", do+"echo", "")
	wait(t, "a copy", func() bool { return saw.Load() != nil })
	if *saw.Load() != basicText("next", "2") {
		t.Errorf("the mirror saw %q", *saw.Load())
	}
}

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestProofsAreShownNowhere looks for secrets in all that a node tells.
func TestProofsAreShownNowhere(t *testing.T) {
	i, log := fake.NewTokens(t), &journal{}
	r := startProving(t, func(c *gateway.Config) {
		c.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}, func(api *entry.API) {
		api.Policies = append(api.Policies, basicProof("canary-user", "canary-password", ""))
		api.Routes[4].Policies = []entry.Policy{tokenProof(i)}
		api.Routes[5].Policies = []entry.Policy{signatureProof(func(c *entry.UpstreamSigV4) { c.SessionToken = opened("canary-session") })}
	})
	var said []string
	explain := func(path, want string) {
		t.Helper()
		got, way := r.explain(t, token(), "GET", path, "", "X-API-Key: "+goodKey)
		raw, err := json.Marshal(way)
		if err != nil {
			t.Fatal(err)
		}
		if got.status != 200 || !strings.Contains(string(raw), want) {
			t.Errorf("%s: got %d, explained %s", path, got.status, raw)
		}
		said = append(said, string(raw))
	}
	explain("/demo/orders/v1/orders/echo", "a user name and a password are sent in Authorization")
	explain(openPath, "which is to be got")
	explain(openPath, "good for another")
	explain(do+"echo", "the request is signed with its body for execute-api in eu-central-1")
	i.Answer(func(w http.ResponseWriter, req *http.Request, _ int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(400)
		req.ParseForm()
		fmt.Fprintf(w, `{"error": "invalid_client", "error_description": "%s %s %s"}`, req.Form.Encode(), req.Header.Get("Authorization"), fake.TokenSecret)
	})
	r.putSealed(t, 4, func(api *entry.API) {
		policy := tokenProof(i)
		policy.Config.(*entry.UpstreamOAuth).Authentication = "post"
		api.Policies = append(api.Policies, policy)
	})
	got := r.call(t, "GET", openPath, "")
	if got.status != 503 || !strings.Contains(log.String(), "invalid_client") {
		t.Errorf("got %d %s, logged %s", got.status, got.body, log)
	}
	_, way := r.explain(t, token(), "GET", openPath, "")
	raw, err := json.Marshal(way)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), "the issuer has answered 400 Bad Request: invalid_client") {
		t.Errorf("explained %s", raw)
	}
	said = append(said, string(raw))
	status, err := json.Marshal(r.Status())
	if err != nil {
		t.Fatal(err)
	}
	said = append(said, got.body, string(status), log.String())
	for _, secret := range []string{
		"canary-user", "canary-password", "canary-session", basicText("canary-user", "canary-password"), "token-1", fake.TokenSecret, url.QueryEscape(fake.TokenSecret),
		fake.TokenClient, awsSecret, "AKIDEXAMPLE",
	} {
		for _, text := range said {
			if strings.Contains(text, secret) {
				t.Errorf("%s is shown: %s", secret, text)
			}
		}
	}
}
