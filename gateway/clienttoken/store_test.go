package clienttoken_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway/clienttoken"
	"portico/gateway/policy"
	"portico/test/fake"
)

// clock is a time that a test moves.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration // guarded by mu
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
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

type running struct {
	*clienttoken.Store
	clock  *clock
	log    *journal
	issuer *fake.Tokens
}

func start(t *testing.T) *running {
	t.Helper()
	return startWith(t, &http.Client{Transport: http.DefaultTransport})
}

func startWith(t *testing.T, client *http.Client) *running {
	t.Helper()
	r := &running{clock: &clock{}, log: &journal{}, issuer: fake.NewTokens(t)}
	r.Store = clienttoken.NewStore(clienttoken.Options{Client: client, Now: r.clock.now, Log: slog.New(slog.NewTextHandler(r.log, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *running) request() policy.TokenRequest {
	return policy.TokenRequest{URL: r.issuer.URL, ClientID: fake.TokenClient, ClientSecret: fake.TokenSecret, Timeout: 2 * time.Second}
}

func tenant(b byte) (id policy.ID) {
	id[0] = b
	return id
}

func want(t *testing.T, s policy.TokenSource, token string) {
	t.Helper()
	if got, _, err := s.Token(t.Context()); err != nil || got != token {
		t.Errorf("got %q, %v, want %q", got, err, token)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

func TestAClientSaysWhoItIs(t *testing.T) {
	r := start(t)
	var seen url.Values
	var id, secret string
	var in bool
	r.issuer.Answer(func(w http.ResponseWriter, req *http.Request, _ int) {
		req.ParseForm()
		seen = req.PostForm
		id, secret, in = req.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"access_token": "a", "token_type": "Bearer"}`))
	})
	request := r.request()
	request.Scopes, request.Parameters = []string{"read", "write"}, map[string]string{"audience": "https://orders", "organization": "acme"}
	want(t, r.Source(tenant(1), request), "a")
	id, _ = url.QueryUnescape(id)
	secret, _ = url.QueryUnescape(secret)
	if !in || id != fake.TokenClient || secret != fake.TokenSecret {
		t.Errorf("in the header: got %q %q", id, secret)
	}
	if got := seen.Encode(); got != "audience=https%3A%2F%2Forders&grant_type=client_credentials&organization=acme&scope=read+write" {
		t.Errorf("in the body: got %s", got)
	}
	request.InBody = true
	want(t, r.Source(tenant(1), request), "a")
	if in || seen.Get("client_id") != fake.TokenClient || seen.Get("client_secret") != fake.TokenSecret || seen.Get("scope") != "read write" {
		t.Errorf("in the body: got %v, header %v", seen, in)
	}
}

func TestNoTokenIsGotThroughATransportThatNobodyGuards(t *testing.T) {
	for name, client := range map[string]*http.Client{"no client": nil, "the usual transport": {}} {
		r := startWith(t, client)
		if got, after, err := r.Source(tenant(1), r.request()).Token(t.Context()); got != "" || err == nil || after <= 0 || r.issuer.Asked() != 0 {
			t.Errorf("%s: got %q, %v after %v, asked %d times", name, got, err, after, r.issuer.Asked())
		}
	}
}

func TestManyCallsWaitForOneToken(t *testing.T) {
	r := start(t)
	release := make(chan struct{})
	r.issuer.Answer(func(w http.ResponseWriter, _ *http.Request, _ int) {
		<-release
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"access_token": "a", "expires_in": "3600"}`))
	})
	s := r.Source(tenant(1), r.request())
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { want(t, r.Source(tenant(1), r.request()), "a") })
	}
	eventually(t, "asked", func() bool { return r.issuer.Asked() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that has gone: got %v", err)
	}
	close(release)
	all.Wait()
	want(t, s, "a")
	if good := s.GoodFor(); r.issuer.Asked() != 1 || good < 59*time.Minute || good > time.Hour {
		t.Errorf("asked %d times, good for %v", r.issuer.Asked(), good)
	}
}

func TestTheNextTokenIsGotBeforeTheFirstEnds(t *testing.T) {
	r := start(t)
	r.issuer.Give(100)
	s := r.Source(tenant(1), r.request())
	want(t, s, "token-1")
	r.clock.move(75 * time.Second)
	want(t, s, "token-1")
	r.clock.move(10 * time.Second)
	want(t, s, "token-1") // calls do not wait
	eventually(t, "the next", func() bool {
		got, _, _ := s.Token(t.Context())
		return got == "token-2"
	})
	if r.issuer.Asked() != 2 {
		t.Errorf("asked %d times", r.issuer.Asked())
	}
	r.clock.move(96 * time.Second) // it is good for five seconds less than it says
	want(t, s, "token-3")
}

func TestATokenThatNobodyUsesIsNotGotAgain(t *testing.T) {
	r := start(t)
	r.issuer.Give(100)
	used, idle := r.Source(tenant(1), r.request()), r.Source(tenant(2), r.request())
	want(t, used, "token-1")
	want(t, idle, "token-2")
	r.clock.move(85 * time.Second)
	before := ""
	eventually(t, "both once more, since a call has used each", func() bool {
		before, _, _ = used.Token(t.Context())
		return r.issuer.Asked() == 4 && before != "token-1"
	})
	r.clock.move(85 * time.Second)
	eventually(t, "the one that is used", func() bool {
		now, _, _ := used.Token(t.Context())
		return now != before
	})
	if r.issuer.Asked() != 5 {
		t.Errorf("asked %d times", r.issuer.Asked())
	}
}

func TestCallsGoOnWhileTheIssuerIsAway(t *testing.T) {
	r := start(t)
	r.issuer.Give(100)
	s := r.Source(tenant(1), r.request())
	want(t, s, "token-1")
	r.issuer.Say(500, "application/json", `{"error": "server_error", "error_description": "`+fake.TokenSecret+`"}`)
	r.clock.move(85 * time.Second)
	want(t, s, "token-1")
	eventually(t, "asked", func() bool { return strings.Contains(r.log.String(), "server_error") })
	want(t, s, "token-1")
	r.clock.move(20 * time.Second)
	_, _, err := s.Token(t.Context())
	if err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("after its end: got %v", err)
	}
	asked := r.issuer.Asked()
	for range 20 {
		if _, after, err := s.Token(t.Context()); err == nil || after <= 0 {
			t.Errorf("got %v after %v", err, after)
		}
	}
	if r.issuer.Asked() != asked {
		t.Error("an issuer that fails is not left alone")
	}
	r.issuer.Give(100)
	r.clock.move(2 * time.Minute)
	if got, _, err := s.Token(t.Context()); err != nil || !strings.HasPrefix(got, "token-") {
		t.Errorf("when it is back: got %q, %v", got, err)
	}
	if strings.Contains(r.log.String(), fake.TokenSecret) {
		t.Errorf("the log says the secret: %s", r.log)
	}
}

// TestAnIssuerThatRefusesIsNotAskedWithoutCalls has a client that is no client any
// more, and an upstream that nobody calls.
func TestAnIssuerThatRefusesIsNotAskedWithoutCalls(t *testing.T) {
	r := start(t)
	r.issuer.Give(100)
	s := r.Source(tenant(1), r.request())
	want(t, s, "token-1")
	other := fake.NewTokens(t)
	round := func(n byte) { // another's first token: who is due is looked for, and asked, by then
		request := r.request()
		request.URL = other.URL
		want(t, r.Source(tenant(n), request), "token-"+strconv.Itoa(int(n)-1))
	}
	r.issuer.Say(401, "application/json", `{"error": "invalid_client"}`)
	r.clock.move(85 * time.Second)
	want(t, s, "token-1")
	eventually(t, "asked while the token is good", func() bool { return r.issuer.Asked() == 2 && strings.Contains(r.log.String(), "invalid_client") })
	r.clock.move(20 * time.Second)
	eventually(t, "asked once more", func() bool { return r.issuer.Asked() == 3 })
	eventually(t, "and refused", func() bool { return strings.Count(r.log.String(), "invalid_client") == 2 })
	for n := range byte(5) {
		r.clock.move(2 * time.Minute)
		round(2 + n)
	}
	if asked := r.issuer.Asked(); asked != 3 {
		t.Errorf("asked %d times, %d of them though nobody calls", asked, asked-3)
	}
	if _, _, err := s.Token(t.Context()); err == nil || r.issuer.Asked() != 4 {
		t.Errorf("a call: got %v, asked %d times", err, r.issuer.Asked())
	}
	r.issuer.Give(100)
	r.clock.move(2 * time.Minute)
	if _, _, err := s.Token(t.Context()); err != nil {
		t.Errorf("when it is a client again: %v", err)
	}
}

// TestWhatIsNoTokenIsRefused answers with all that an issuer should not.
func TestWhatIsNoTokenIsRefused(t *testing.T) {
	elsewhere := fake.NewTokens(t)
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request, int){
		"nothing": func(http.ResponseWriter, *http.Request, int) {},
		"a page":  func(w http.ResponseWriter, _ *http.Request, _ int) { w.Write([]byte("<html>token</html>")) },
		"another type": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"access_token": "a", "token_type": "mac"}`))
		},
		"an empty token": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"access_token": "", "token_type": "bearer"}`))
		},
		"a number": func(w http.ResponseWriter, _ *http.Request, _ int) { w.Write([]byte(`{"access_token": 7}`)) },
		"a line end": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"access_token": "a\r\nX-Evil: b"}`))
		},
		"no ASCII": func(w http.ResponseWriter, _ *http.Request, _ int) { w.Write([]byte(`{"access_token": "ü"}`)) },
		"one that is over": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"access_token": "a", "expires_in": -1}`))
		},
		"a long token": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"access_token": "` + strings.Repeat("a", 20<<10) + `"}`))
		},
		"endless": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"access_token": "` + strings.Repeat("a", 8<<20) + `"}`))
		},
		"an error with 200": func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"access_token": "a", "error": "invalid_client"}`))
		},
		"401": func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(401) },
		"a redirect": func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"too slow": func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			r.issuer.Answer(func(w http.ResponseWriter, req *http.Request, n int) {
				req.ParseForm() // or the server would not see that the client goes
				w.Header().Set("Content-Type", "application/json")
				answer(w, req, n)
			})
			request := r.request()
			request.Timeout = 500 * time.Millisecond
			got, after, err := r.Source(tenant(1), request).Token(t.Context())
			if got != "" || err == nil || after <= 0 {
				t.Errorf("got %.100q, %v after %v", got, err, after)
			}
		})
	}
	t.Cleanup(func() {
		if elsewhere.Asked() > 0 {
			t.Error("the client's secret was sent elsewhere")
		}
	})
}

func TestARefusedTokenIsGotAnewOnceInAWhile(t *testing.T) {
	r := start(t)
	s := r.Source(tenant(1), r.request())
	want(t, s, "token-1")
	if s.Renew(t.Context(), "token-1", true) {
		t.Error("got anew at once")
	}
	r.clock.move(6 * time.Second)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if !s.Renew(t.Context(), "token-1", true) {
				t.Error("not got anew")
			}
		})
	}
	all.Wait()
	want(t, s, "token-2")
	if !s.Renew(t.Context(), "token-1", true) || s.Renew(t.Context(), "token-2", true) || r.issuer.Asked() != 2 {
		t.Errorf("asked %d times", r.issuer.Asked())
	}
	r.clock.move(6 * time.Second)
	if s.Renew(t.Context(), "token-2", true) || r.issuer.Asked() != 2 {
		t.Error("the second in a row is got as soon as the first")
	}
	r.clock.move(5 * time.Second)
	if s.Renew(t.Context(), "token-2", false) {
		t.Error("it has waited")
	}
	eventually(t, "the third", func() bool {
		got, _, _ := s.Token(t.Context())
		return got == "token-3"
	})
	r.issuer.Say(503, "text/plain", "away")
	r.clock.move(21 * time.Second)
	if s.Renew(t.Context(), "token-3", true) || r.issuer.Asked() != 4 {
		t.Error("got anew though the issuer is away")
	}
	want(t, s, "token-3") // others may not be refused
}

func TestATokenIsGotThoughAKeptConnectionHasJustEnded(t *testing.T) {
	r := start(t)
	var sent atomic.Pointer[http.Header]
	r.issuer.Answer(func(w http.ResponseWriter, req *http.Request, n int) {
		sent.Store(&req.Header)
		if n == 2 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				err = conn.Close()
			}
			if err != nil {
				t.Error(err)
			}
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"access_token": "a", "expires_in": 100}`))
	})
	s := r.Source(tenant(1), r.request())
	want(t, s, "a")
	r.clock.move(200 * time.Second)
	want(t, s, "a")
	if _, told := (*sent.Load())["Idempotency-Key"]; told || r.issuer.Asked() != 3 {
		t.Errorf("asked %d times, the key is sent: %v", r.issuer.Asked(), told)
	}
}

// TestAnUpstreamThatRefusesAllTokensHasFewGot refuses each, as one does whose own
// users have no session: whoever may call it must not make the issuer work.
func TestAnUpstreamThatRefusesAllTokensHasFewGot(t *testing.T) {
	for _, waits := range []bool{true, false} {
		r := start(t)
		s := r.Source(tenant(1), r.request())
		refuse := func() {
			token, _, err := s.Token(t.Context())
			if err != nil {
				t.Error(err)
			}
			s.Renew(t.Context(), token, waits)
		}
		for range 600 {
			refuse()
			time.Sleep(time.Millisecond)
			r.clock.move(time.Second)
		}
		if asked := r.issuer.Asked(); asked > 8 || asked < 7 {
			t.Errorf("asked %d times in ten minutes, want 7", asked)
		}
		// The next is got since it is due, and refused for once: no pause is left.
		asked := r.issuer.Asked()
		r.clock.move(50 * time.Minute)
		eventually(t, "the next", func() bool {
			_, _, err := s.Token(t.Context())
			return err == nil && r.issuer.Asked() == asked+1
		})
		r.clock.move(6 * time.Second)
		token, _, err := s.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Renew(t.Context(), token, waits)
		eventually(t, "one in the place of the first that is refused", func() bool {
			now, _, _ := s.Token(t.Context())
			return now != token
		})
	}
}

// TestATokenRefusedWhileTheIssuerIsAwayIsNotTheFirstOfMany has a token refused for
// which nothing can be done at once: the next, got since it was due, is not one that
// was got because of that.
func TestATokenRefusedWhileTheIssuerIsAwayIsNotTheFirstOfMany(t *testing.T) {
	t.Parallel() // with those that wait for seconds to pass
	r := start(t)
	r.issuer.Give(1000)
	s := r.Source(tenant(1), r.request())
	want(t, s, "token-1")
	r.issuer.Say(503, "text/plain", "away")
	r.clock.move(850 * time.Second)
	want(t, s, "token-1")
	for failures := 1; failures <= 4; failures++ { // until the pause is longer than that before a refused token is got anew
		eventually(t, "asked in vain", func() bool { return strings.Count(r.log.String(), "not got") == failures })
		if failures < 4 {
			r.clock.move(time.Second << (failures - 1))
		}
	}
	r.clock.move(6 * time.Second)
	asked := r.issuer.Asked()
	if s.Renew(t.Context(), "token-1", true) || r.issuer.Asked() != asked {
		t.Fatal("an issuer that fails is not left alone")
	}
	r.issuer.Give(1000)
	r.clock.move(time.Minute)
	var next string
	eventually(t, "the next", func() bool {
		next, _, _ = s.Token(t.Context())
		return next != "token-1"
	})
	r.clock.move(6 * time.Second)
	if !s.Renew(t.Context(), next, true) {
		t.Error("the first that is refused after that is taken for the second in a row")
	}
}

func TestATokenIsOneTenantsAndOneRequests(t *testing.T) {
	r := start(t)
	request, other := r.request(), r.request()
	other.ClientSecret = "another"
	first := r.Source(tenant(1), request)
	if r.Source(tenant(1), request) != first {
		t.Error("the same request: another source")
	}
	if r.Source(tenant(2), request) == first || r.Source(tenant(1), other) == first {
		t.Error("another tenant or another secret: the same source")
	}
	request.ClientSecret, other.ClientSecret = "\xfe", "\xff" // which are no UTF-8
	second := r.Source(tenant(1), request)
	if r.Source(tenant(1), other) == second {
		t.Error("two secrets of other bytes: the same source")
	}
	runtime.KeepAlive(second)
	runtime.KeepAlive(first)
}

// TestOneTenantsSourcesAreBounded has one too many, as a publish of many APIs makes
// them beside those that it replaces: that one's turn comes without another.
func TestOneTenantsSourcesAreBounded(t *testing.T) {
	r := start(t)
	var kept []policy.TokenSource
	for i := range 200 {
		request := r.request()
		request.Scopes = []string{strings.Repeat("a", i)}
		kept = append(kept, r.Source(tenant(1), request))
	}
	beyond := r.Source(tenant(1), r.request())
	if _, after, err := beyond.Token(t.Context()); err == nil || after <= 0 || r.issuer.Asked() != 0 {
		t.Errorf("the one too many: got %v after %v, asked %d times", err, after, r.issuer.Asked())
	}
	if beyond.Renew(t.Context(), "a", true) || beyond.GoodFor() != 0 {
		t.Error("the one too many has a token")
	}
	want(t, r.Source(tenant(2), r.request()), "token-1")
	want(t, kept[199], "token-2")
	runtime.KeepAlive(kept)
	eventually(t, "room for another", func() bool {
		runtime.GC()
		_, _, err := beyond.Token(t.Context())
		return err == nil
	})
}

// TestOneTenantsSlowIssuersHoldUpNoOthers has more of them than there are requests
// at a time for one tenant.
func TestOneTenantsSlowIssuersHoldUpNoOthers(t *testing.T) {
	r := start(t)
	slow := fake.NewTokens(t)
	slow.Answer(func(_ http.ResponseWriter, req *http.Request, _ int) {
		req.ParseForm()
		<-req.Context().Done()
	})
	var all sync.WaitGroup
	for i := range 20 {
		request := r.request()
		request.URL, request.ClientID, request.Timeout = slow.URL, strings.Repeat("a", i+1), time.Second
		s := r.Source(tenant(1), request)
		all.Go(func() {
			if _, _, err := s.Token(t.Context()); err == nil {
				t.Error("got a token")
			}
		})
	}
	eventually(t, "as many as may be", func() bool { return slow.Asked() >= 8 })
	want(t, r.Source(tenant(2), r.request()), "token-1")
	all.Wait()
}
