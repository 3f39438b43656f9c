package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
	"portico/test/fake"
)

// origin is an upstream of a cache under test. Each answer says which call it is
// of, by its number.
type origin struct {
	*httptest.Server
	calls atomic.Int64
	time  clock

	mu   sync.Mutex
	does func(w http.ResponseWriter, r *http.Request, n int64)
	seen []*http.Request
}

// newOrigin starts one that answers with such headers, "Name: value".
func newOrigin(t testing.TB, headers ...string) *origin {
	o := &origin{}
	o.does = says(headers...)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := o.calls.Add(1)
		o.mu.Lock()
		does := o.does
		o.seen = append(o.seen, r)
		o.mu.Unlock()
		w.Header().Set("Date", o.time.now().UTC().Format(http.TimeFormat))
		does(w, r, n)
	}))
	t.Cleanup(o.Close)
	return o
}

// says answers with headers and a body of ten bytes and more.
func says(headers ...string) func(http.ResponseWriter, *http.Request, int64) {
	return func(w http.ResponseWriter, _ *http.Request, n int64) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		fmt.Fprintf(w, "answer %04d", n)
	}
}

func (o *origin) do(does func(w http.ResponseWriter, r *http.Request, n int64)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.does = does
}

// last returns the newest call.
func (o *origin) last() *http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen[len(o.seen)-1]
}

// clock is a time that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) pass(d time.Duration) { c.ahead.Add(int64(d)) }

// caching runs a node whose API has a cache before an origin.
func caching(t *testing.T, lane change, o *origin, config entry.CachePolicy, edit ...func(*entry.API)) (*running, *clock) {
	t.Helper()
	r := governed(t, func(c *gateway.Config) { lane(c); c.Now = o.time.now }, func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = o.URL
		api.Policies = append(api.Policies, entry.Policy{Config: &config})
		for _, e := range edit {
			e(api)
		}
	})
	return r, &o.time
}

const cachedPath = "/demo/orders/v1/open"

func cacheCase(t *testing.T, lane change) {
	o := newOrigin(t, "Cache-Control: max-age=60", "ETag: \"a\"", "Cache-Tag: one, two")
	r, time := caching(t, lane, o, entry.CachePolicy{})
	first := r.call(t, "GET", cachedPath, "")
	if first.status != 200 || first.body != "answer 0001" || first.header.Get("Cache-Status") != "portico; fwd=uri-miss; stored" || first.header.Get("Cache-Tag") != "" {
		t.Fatalf("the first: got %d %q %v", first.status, first.body, first.header)
	}
	time.pass(3 * second)
	again := r.call(t, "GET", cachedPath, "")
	if again.status != 200 || again.body != "answer 0001" || !strings.HasPrefix(again.header.Get("Cache-Status"), "portico; hit; ttl=5") || again.header.Get("Age") != "3" || again.header.Get("Cache-Tag") != "" {
		t.Errorf("the second: got %d %q %v", again.status, again.body, again.header)
	}
	if head := r.call(t, "HEAD", cachedPath, ""); head.status != 200 || head.body != "" || head.header.Get("Content-Length") != "11" || head.header.Get("Age") != "3" {
		t.Errorf("HEAD: got %d %v", head.status, head.header)
	}
	if part := r.call(t, "GET", cachedPath, "", "Range: bytes=7-"); part.status != 206 || part.body != "0001" || part.header.Get("Content-Range") != "bytes 7-10/11" {
		t.Errorf("a range: got %d %q %v", part.status, part.body, part.header)
	}
	if known := r.call(t, "GET", cachedPath, "", `If-None-Match: "b", W/"a"`); known.status != 304 || known.header.Get("Etag") != `"a"` {
		t.Errorf("known: got %d %v", known.status, known.header)
	}
	if o.calls.Load() != 1 {
		t.Errorf("the upstream got %d calls, want 1", o.calls.Load())
	}
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		if r.Header.Get("If-None-Match") != `"a"` {
			t.Errorf("asked without the tag: %v", r.Header)
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("X-Renewed", "yes")
		w.WriteHeader(304)
	})
	time.pass(58 * second)
	if renewed := r.call(t, "GET", cachedPath, ""); renewed.status != 200 || renewed.body != "answer 0001" || renewed.header.Get("X-Renewed") != "yes" || renewed.header.Get("Age") != "0" {
		t.Errorf("validated: got %d %q %v", renewed.status, renewed.body, renewed.header)
	}
	if again := r.call(t, "GET", cachedPath, ""); again.body != "answer 0001" || o.calls.Load() != 2 {
		t.Errorf("after it: got %q from %d calls", again.body, o.calls.Load())
	}
}

const second = time.Second

// noLane is for tests that need no lane of their own.
func noLane(*gateway.Config) {}

// TestNoAnswerCrossesCallers asks for the same address in ways that an upstream
// can tell apart, after an answer to another was stored.
func TestNoAnswerCrossesCallers(t *testing.T) {
	const path = "/demo/orders/v1/orders"
	other := demoGrant()
	other.Credential, other.Application = uuid(310), uuid(311)
	start := func(t *testing.T, config entry.CachePolicy) (*running, *origin) {
		o := newOrigin(t, "Cache-Control: max-age=60")
		r, _ := caching(t, noLane, o, config)
		r.serve(t, 3, grantItem(t, 3, mint(2), other))
		return r, o
	}
	for name, c := range map[string]struct {
		config entry.CachePolicy
		method string
		path   string
		body   string
		header []string
		shared bool // it gets the stored answer
	}{
		"the same":                    {shared: true},
		"another header":              {header: []string{"X-Anything: 1", "Accept: text/html"}, shared: true},
		"an untrusted forwarded host": {header: []string{"X-Forwarded-Host: evil.example", "Forwarded: host=evil.example"}, shared: true},
		"another application":         {header: []string{"X-API-Key: " + mint(2)}},
		"another, of public answers":  {config: entry.CachePolicy{Public: true}, header: []string{"X-API-Key: " + mint(2)}, shared: true},
		"another host":                {header: []string{"Host: evil.example"}},
		"another port":                {header: []string{"Host: 127.0.0.1:1"}},
		"another query":               {path: path + "?a=1"},
		"a parameter that is ignored": {config: entry.CachePolicy{IgnoreQuery: []string{"utm"}}, path: path + "?u%74m=1", shared: true},
		"another path":                {path: path + "/1"},
		"the same path, encoded":      {path: "/demo/orders/v1/%6Frders", shared: true},
		"a cookie":                    {header: []string{"Cookie: session=1"}},
		"a cookie that is ignored":    {config: entry.CachePolicy{IgnoreCookies: true}, header: []string{"Cookie: session=1"}, shared: true},
		"a method override":           {header: []string{"X-HTTP-Method-Override: DELETE"}},
		"the same with underscores":   {header: []string{"X_HTTP_Method_Override: DELETE"}},
		"an address override":         {header: []string{"X-Original-URL: /admin"}},
		"a host override":             {header: []string{"X-Host: evil.example"}},
		"a body":                      {body: "fat"},
		"a header of the policy":      {config: entry.CachePolicy{Vary: []string{"X-Country"}}, header: []string{"X-Country: NZ"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, o := start(t, c.config)
			key := "X-API-Key: " + goodKey
			if got := r.call(t, "GET", path, "", key); got.body != "answer 0001" {
				t.Fatalf("got %d %q", got.status, got.body)
			}
			at := path
			if c.path != "" {
				at = c.path
			}
			headers := c.header
			if !strings.Contains(strings.Join(headers, "\n"), "X-API-Key") {
				headers = append(headers, key)
			}
			got, want := r.call(t, "GET", at, c.body, headers...), "answer 0002"
			if c.shared {
				want = "answer 0001"
			}
			if got.status != 200 || got.body != want {
				t.Errorf("got %d %q %q, want %q", got.status, got.body, got.header.Get("Cache-Status"), want)
			}
			if again := r.call(t, "GET", path, "", key); again.body != "answer 0001" {
				t.Errorf("the first caller then got %q", again.body)
			}
			if c.config.IgnoreCookies && o.last().Header.Get("Cookie") != "" || o.last().URL.Query().Has("utm") {
				t.Errorf("the upstream saw what is ignored: %v %v", o.last().URL, o.last().Header)
			}
		})
	}
}

func TestWhatIsNotStored(t *testing.T) {
	for name, c := range map[string]struct {
		config  entry.CachePolicy
		answer  []string
		request []string
		stored  bool
	}{
		"says nothing":               {answer: nil},
		"says nothing, by default":   {config: entry.CachePolicy{DefaultTTLMS: 60_000}, stored: true},
		"no-store, by default":       {config: entry.CachePolicy{DefaultTTLMS: 60_000}, answer: []string{"Cache-Control: no-store"}},
		"private":                    {answer: []string{"Cache-Control: private, max-age=60"}},
		"sets a cookie":              {answer: []string{"Cache-Control: max-age=60", "Set-Cookie: a=b"}},
		"depends on anything":        {answer: []string{"Cache-Control: max-age=60", "Vary: Accept, *"}},
		"events":                     {answer: []string{"Cache-Control: max-age=60", "Content-Type: text/event-stream"}},
		"too large":                  {config: entry.CachePolicy{MaxEntryBytes: 10}, answer: []string{"Cache-Control: max-age=60"}},
		"as large as it may":         {config: entry.CachePolicy{MaxEntryBytes: 11}, answer: []string{"Cache-Control: max-age=60"}, stored: true},
		"trailers":                   {answer: []string{"Cache-Control: max-age=60", "Trailer: X-Sum", "X-Sum: 1"}},
		"authorized":                 {answer: []string{"Cache-Control: max-age=60"}, request: []string{"Authorization: Basic eDp5"}},
		"authorized, public":         {answer: []string{"Cache-Control: max-age=60, public"}, request: []string{"Authorization: Basic eDp5"}, stored: true},
		"the request says no-store":  {answer: []string{"Cache-Control: max-age=60"}, request: []string{"Cache-Control: no-store"}},
		"a range":                    {answer: []string{"Cache-Control: max-age=60"}, request: []string{"Range: bytes=0-1"}},
		"stale as it comes":          {answer: []string{"Cache-Control: max-age=60", "Age: 61"}},
		"no longer than the policy":  {config: entry.CachePolicy{MaxTTLMS: 1}, answer: []string{"Cache-Control: max-age=60", "Age: 1"}},
		"an unreadable max-age":      {answer: []string{"Cache-Control: max-age=60s"}},
		"a max-age inside of quotes": {answer: []string{`Cache-Control: x="a, max-age=60"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, c.answer...)
			r, _ := caching(t, noLane, o, c.config)
			for i := range 2 {
				got, want := r.call(t, "GET", cachedPath, "", c.request...), fmt.Sprintf("answer %04d", i+1)
				if c.stored {
					want = "answer 0001"
				}
				if got.status != 200 || got.body != want {
					t.Errorf("call %d: got %d %q %q, want %q", i+1, got.status, got.body, got.header.Get("Cache-Status"), want)
				}
			}
		})
	}
}

func TestCallersSayHowFreshAnAnswerMustBe(t *testing.T) {
	for _, c := range []struct {
		say    string
		passed time.Duration
		want   string // of what is stored: "hit", "new", "refused"
	}{
		{"no-cache", 0, "new"},
		{"max-age=5", 3 * second, "hit"},
		{"max-age=5", 7 * second, "new"},
		{"max-age=0", 1 * second, "new"},
		{"min-fresh=50", 5 * second, "hit"},
		{"min-fresh=50", 15 * second, "new"},
		{"max-stale", 90 * second, "hit"},
		{"max-stale=20", 70 * second, "hit"},
		{"max-stale=20", 90 * second, "new"},
		{"only-if-cached", 1 * second, "hit"},
		{"only-if-cached", 90 * second, "refused"},
		{"only-if-cached, no-cache", 1 * second, "refused"},
	} {
		t.Run(fmt.Sprint(c.say, " after ", c.passed), func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, "Cache-Control: max-age=60")
			r, time := caching(t, noLane, o, entry.CachePolicy{})
			r.call(t, "GET", cachedPath, "")
			time.pass(c.passed)
			got := r.call(t, "GET", cachedPath, "", "Cache-Control: "+c.say)
			ok := map[string]bool{"hit": got.body == "answer 0001", "new": got.body == "answer 0002", "refused": got.status == 504 && got.code() == "not_cached"}
			if !ok[c.want] {
				t.Errorf("got %d %q %v", got.status, got.body, got.header)
			}
		})
	}
}

func TestVariantsAreKeptBesideOneAnother(t *testing.T) {
	o := newOrigin(t)
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		says("Cache-Control: max-age=60", "Vary: Accept-Language")(w, r, n)
	})
	r, _ := caching(t, noLane, o, entry.CachePolicy{})
	for _, c := range []struct{ language, want string }{
		{"de", "answer 0001"}, {"fr", "answer 0002"}, {"de", "answer 0001"}, {"fr", "answer 0002"}, {"d", "answer 0003"}, {"", "answer 0004"}, {"", "answer 0004"}, {"de", "answer 0001"},
	} {
		var headers []string
		if c.language != "" {
			headers = []string{"Accept-Language: " + c.language}
		}
		if got := r.call(t, "GET", cachedPath, "", headers...); got.body != c.want {
			t.Errorf("%q: got %q, want %q", c.language, got.body, c.want)
		}
	}
	for n := range 50 { // more than are kept
		r.call(t, "GET", cachedPath, "", fmt.Sprint("Accept-Language: x", n))
	}
	if got := r.call(t, "GET", cachedPath, "", "Accept-Language: x49"); got.body != "answer 0054" {
		t.Errorf("the newest: got %q", got.body)
	}
}

// TestAnswersThatShouldSayThatTheyVaryAreKeptApart is of upstreams that forget
// to.
func TestAnswersThatShouldSayThatTheyVaryAreKeptApart(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=60", "Access-Control-Allow-Origin: https://a.example")
	r, _ := caching(t, noLane, o, entry.CachePolicy{})
	r.call(t, "GET", cachedPath, "", "Origin: https://a.example")
	if got := r.call(t, "GET", cachedPath, "", "Origin: https://b.example"); got.body != "answer 0002" {
		t.Errorf("another origin got %q", got.body)
	}
	o.do(says("Cache-Control: max-age=60", "Content-Encoding: gzip"))
	r.call(t, "GET", cachedPath+"?z", "", "Accept-Encoding: gzip")
	if got := r.call(t, "GET", cachedPath+"?z", "", "Accept-Encoding: identity"); got.body != "answer 0004" {
		t.Errorf("another encoding got %q", got.body)
	}
}

func TestStaleAnswerIsGivenWhileANewOneIsFetched(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		o := newOrigin(t, "Cache-Control: max-age=10, stale-while-revalidate=60", `ETag: "a"`)
		r, time := caching(t, lane, o, entry.CachePolicy{})
		r.call(t, "GET", cachedPath+"?q=1", "", "Accept: text/x-special")
		time.pass(20 * second)
		hold, entered := make(chan struct{}), make(chan struct{}, 10)
		o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
			entered <- struct{}{}
			<-hold
			says("Cache-Control: max-age=10, stale-while-revalidate=60")(w, r, n)
		})
		for range 5 {
			if got := r.call(t, "GET", cachedPath+"?q=1", ""); got.body != "answer 0001" || got.header.Get("Age") != "20" {
				t.Fatalf("got %q %v", got.body, got.header)
			}
		}
		<-entered
		if last := o.last(); last.Header.Get("If-None-Match") != `"a"` || last.URL.RawQuery != "q=1" || last.URL.Path != "/open" || last.Method != "GET" {
			t.Errorf("the refresh asked %s %s %v", last.Method, last.URL, last.Header)
		}
		close(hold)
		wait(t, "the new answer", func() bool { return r.call(t, "GET", cachedPath+"?q=1", "").body == "answer 0002" })
		if got := o.calls.Load(); got != 2 {
			t.Errorf("the upstream got %d calls, want 2", got)
		}
		time.pass(100 * second)
		if got := r.call(t, "GET", cachedPath+"?q=1", ""); got.body != "answer 0003" {
			t.Errorf("too late: got %q", got.body)
		}
	})
}

func TestStaleAnswerIsGivenWhereTheUpstreamFails(t *testing.T) {
	for name, c := range map[string]struct {
		config entry.CachePolicy
		say    string
		passed time.Duration
		gives  bool
	}{
		"as the answer says":         {say: "max-age=10, stale-if-error=60", passed: 20 * second, gives: true},
		"for no longer than it says": {say: "max-age=10, stale-if-error=60", passed: 80 * second},
		"as the policy says":         {config: entry.CachePolicy{StaleIfErrorMS: 60_000}, say: "max-age=10", passed: 20 * second, gives: true},
		"not against must-revalidate": {
			config: entry.CachePolicy{StaleIfErrorMS: 60_000}, say: "max-age=10, must-revalidate", passed: 20 * second,
		},
		"not unless said": {say: "max-age=10", passed: 20 * second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, failure := range []string{"answers 503", "is away"} {
				o := newOrigin(t, "Cache-Control: "+c.say)
				r, time := caching(t, noLane, o, c.config)
				r.call(t, "GET", cachedPath, "")
				time.pass(c.passed)
				o.do(func(w http.ResponseWriter, _ *http.Request, _ int64) { w.WriteHeader(503) })
				if failure == "is away" {
					o.Close()
				}
				got := r.call(t, "GET", cachedPath, "")
				if c.gives && (got.status != 200 || got.body != "answer 0001" || got.header.Get("Content-Type") != "text/plain; charset=utf-8") {
					t.Errorf("%s: got %d %q %v", failure, got.status, got.body, got.header)
				}
				if !c.gives && got.status < 500 {
					t.Errorf("%s: got %d %q %v", failure, got.status, got.body, got.header)
				}
			}
		})
	}
}

func TestCallersWhoMissTogetherMakeOneCall(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		o := newOrigin(t)
		hold := make(chan struct{})
		o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
			<-hold
			says("Cache-Control: max-age=60")(w, r, n)
		})
		r, _ := caching(t, lane, o, entry.CachePolicy{})
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				if got := r.call(t, "GET", cachedPath, ""); got.status != 200 || got.body != "answer 0001" {
					t.Errorf("got %d %q", got.status, got.body)
				}
			})
		}
		wait(t, "the first", func() bool { return o.calls.Load() == 1 })
		time.Sleep(50 * time.Millisecond) // that others make no call cannot be waited for
		close(hold)
		group.Wait()
		if got := o.calls.Load(); got != 1 {
			t.Errorf("the upstream got %d calls, want 1", got)
		}
	})
}

// TestCallersWhoWaitForNothingGoOn has the first of them leave, or get what is
// not stored.
func TestCallersWhoWaitForNothingGoOn(t *testing.T) {
	o := newOrigin(t)
	hold := make(chan struct{})
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		<-hold
		says("Cache-Control: no-store")(w, r, n)
	})
	r, _ := caching(t, noLane, o, entry.CachePolicy{})
	var group sync.WaitGroup
	var seen sync.Map
	for range 10 {
		group.Go(func() {
			got := r.call(t, "GET", cachedPath, "")
			if _, twice := seen.LoadOrStore(got.body, true); twice || got.status != 200 {
				t.Errorf("got %d %q, which another got too: %v", got.status, got.body, twice)
			}
		})
	}
	wait(t, "the first", func() bool { return o.calls.Load() >= 1 })
	close(hold)
	group.Wait()
	if got := o.calls.Load(); got != 10 {
		t.Errorf("the upstream got %d calls, want 10", got)
	}
}

// TestBrokenAnswerIsNotStored has the upstream break off in the middle.
func TestBrokenAnswerIsNotStored(t *testing.T) {
	o := newOrigin(t)
	o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
		w.Header().Set("Cache-Control", "max-age=60")
		if n == 1 {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("half"))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		says()(w, r, n)
	})
	r, _ := caching(t, noLane, o, entry.CachePolicy{})
	if res, err := r.get(cachedPath); err == nil {
		if _, err := io.ReadAll(res.Body); err == nil {
			t.Error("the first answer was whole")
		}
		_ = res.Body.Close()
	}
	if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0002" {
		t.Errorf("got %q", got.body)
	}
}

// TestStreamsPassACacheAtOnce reads events as they come.
func TestStreamsPassACacheAtOnce(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := governed(t, lane, func(api *entry.API) {
			api.Policies = append(api.Policies, entry.Policy{Config: &entry.CachePolicy{DefaultTTLMS: 60_000}})
		})
		res, err := r.get("/demo/orders/v1/do/sse")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var piece [256]byte
		for i := range 3 {
			r.upstream.Release()
			if n, err := res.Body.Read(piece[:]); n == 0 {
				t.Fatalf("event %d: %v", i, err)
			}
		}
	})
}

// TestEnvironmentsCacheKeepsWhatTheAPIsHaveMadeReady puts one at the environment.
func TestEnvironmentsCacheKeepsWhatTheAPIsHaveMadeReady(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=10, stale-while-revalidate=60")
	r, time := caching(t, noLane, o, entry.CachePolicy{}, func(api *entry.API) { api.Policies = api.Policies[:1] })
	env := environment()
	env.Policies = []entry.Policy{{Config: &entry.CachePolicy{}}}
	r.serve(t, 3, item(t, 3, env))
	for range 2 {
		if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0001" {
			t.Errorf("got %q", got.body)
		}
	}
	time.pass(20 * second)
	if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0001" {
		t.Errorf("stale: got %q", got.body)
	}
	wait(t, "the new answer", func() bool { return r.call(t, "GET", cachedPath, "").body == "answer 0002" })
}

// TestLargeAnswersComeWholeFromTheCache compares what was stored byte for byte.
func TestLargeAnswersComeWholeFromTheCache(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		for _, size := range []int{0, 1, 15 << 10, 16 << 10, 17 << 10, 700 << 10} {
			for _, told := range []bool{true, false} {
				o := newOrigin(t)
				text := strings.Repeat("0123456789abcdef", size/16+1)[:size]
				o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
					w.Header().Set("Cache-Control", "max-age=60")
					if told {
						w.Header().Set("Content-Length", fmt.Sprint(size))
					}
					_, _ = io.WriteString(w, text[:size/2])
					if !told {
						_ = http.NewResponseController(w).Flush()
					}
					_, _ = io.WriteString(w, text[size/2:])
				})
				r, _ := caching(t, lane, o, entry.CachePolicy{})
				for range 3 {
					if got := r.call(t, "GET", cachedPath, ""); got.body != text || got.status != 200 {
						t.Errorf("%d bytes: got %d and %d bytes", size, got.status, len(got.body))
					}
				}
				if size > 0 {
					if got := r.call(t, "GET", cachedPath, "", "Range: bytes=-1"); got.status != 206 || got.body != text[size-1:] {
						t.Errorf("the last of %d bytes: got %d %q", size, got.status, got.body)
					}
				}
				if o.calls.Load() != 1 {
					t.Errorf("%d bytes: %d calls", size, o.calls.Load())
				}
			}
		}
	})
}

// TestUnsaidFreshnessIsGuessed has answers that say only when they changed last.
func TestUnsaidFreshnessIsGuessed(t *testing.T) {
	const hour = time.Hour
	for name, c := range map[string]struct {
		config  entry.CachePolicy
		changed time.Duration // ago
		control string
		fresh   time.Duration // 0: it is not stored
	}{
		"a tenth":              {entry.CachePolicy{HeuristicPercent: 10}, 10 * hour, "", hour},
		"before the default":   {entry.CachePolicy{HeuristicPercent: 10, DefaultTTLMS: 1000}, 10 * hour, "", hour},
		"a day at most":        {entry.CachePolicy{HeuristicPercent: 100}, 1000 * hour, "", 24 * hour},
		"the policy's longest": {entry.CachePolicy{HeuristicPercent: 100, MaxTTLMS: 60_000}, 1000 * hour, "", hour / 60},
		"what it says itself":  {entry.CachePolicy{HeuristicPercent: 10}, 1000 * hour, "max-age=60", hour / 60},
		"not asked to":         {entry.CachePolicy{}, 10 * hour, "", 0},
		"changed later":        {entry.CachePolicy{HeuristicPercent: 10}, -hour, "", 0},
		"no word of keeping":   {entry.CachePolicy{HeuristicPercent: 10}, 10 * hour, "must-revalidate", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
				w.Header().Set("Last-Modified", o.time.now().Add(-c.changed).UTC().Format(http.TimeFormat))
				if c.control != "" {
					w.Header().Set("Cache-Control", c.control)
				}
				says()(w, r, n)
			})
			r, clock := caching(t, noLane, o, c.config)
			r.call(t, "GET", cachedPath, "")
			if c.fresh > 0 {
				clock.pass(c.fresh - 3*second)
				if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0001" {
					t.Errorf("before %v: got %q", c.fresh, got.body)
				}
				clock.pass(6 * second)
			}
			if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0002" {
				t.Errorf("after %v: got %q", c.fresh, got.body)
			}
		})
	}
}

// TestVaryLooksThroughHowAListIsWritten asks for what an answer was stored for, in
// other words.
func TestVaryLooksThroughHowAListIsWritten(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=60", "Vary: Accept-Language, X-Name")
	r, _ := caching(t, noLane, o, entry.CachePolicy{})
	const stored = "Accept-Language: en-GB, de;q=0.5"
	if got := r.call(t, "GET", cachedPath, "", stored, "X-Name: a, b"); got.body != "answer 0001" {
		t.Fatalf("got %q", got.body)
	}
	for _, c := range []struct {
		name    string
		headers []string
		same    bool
	}{
		{"case", []string{"Accept-Language: EN-gb, De;Q=0.5", "X-Name: a, b"}, true},
		{"no space", []string{"Accept-Language: en-GB,de;q=0.5", "X-Name: a, b"}, true},
		{"more space", []string{"Accept-Language: en-GB \t,  de ; q = 0.5", "X-Name: a, b"}, true},
		{"two lines", []string{"Accept-Language: en-gb", "Accept-Language: de;q=0.5", "X-Name: a, b"}, true},
		{"order", []string{"Accept-Language: de;q=0.5, en-GB", "X-Name: a, b"}, false},
		{"fewer", []string{"Accept-Language: en-GB", "X-Name: a, b"}, false},
		{"more", []string{stored + ", fr", "X-Name: a, b"}, false},
		{"an empty one", []string{"Accept-Language: en-GB,, de;q=0.5", "X-Name: a, b"}, false},
		{"two words", []string{"Accept-Language: en-G B, de;q=0.5", "X-Name: a, b"}, false},
		{"none", []string{"X-Name: a, b"}, false},
		{"another field", []string{stored, "X-Name: a,b"}, false},
		{"another field's case", []string{stored, "X-Name: A, b"}, false},
	} {
		if got := r.call(t, "GET", cachedPath, "", append(c.headers, "Cache-Control: only-if-cached")...); (got.status == 200) != c.same {
			t.Errorf("%s: got %d %s", c.name, got.status, got.header.Get("Cache-Status"))
		}
	}
}

// TestNoAnswerCrossesTokens has two tokens of one application, whose users the
// upstream may be told apart.
func TestNoAnswerCrossesTokens(t *testing.T) {
	o, i := newOrigin(t, "Cache-Control: max-age=60"), fake.NewIssuer(t, "ES256")
	r := governed(t, fetching(noLane), func(api *entry.API) {
		api.Upstreams[0].Targets[0].URL = o.URL
		api.Policies = []entry.Policy{{Config: tokensOf(i)}, {Config: &entry.CachePolicy{}}}
	}, registration(t, 2, i))
	ann := "Authorization: Bearer " + i.Token(t, "ES256", map[string]any{"sub": "ann"})
	bob := "Authorization: Bearer " + i.Token(t, "ES256", map[string]any{"sub": "bob"})
	for _, c := range []struct{ token, want string }{{ann, "answer 0001"}, {bob, "answer 0002"}, {ann, "answer 0001"}, {bob, "answer 0002"}} {
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", c.token); got.status != 200 || got.body != c.want {
			t.Errorf("got %d %q, want %q", got.status, got.body, c.want)
		}
	}
}
