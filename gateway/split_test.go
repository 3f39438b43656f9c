package gateway_test

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
	"portico/test/fake"
)

// putAPI makes an API live and waits until the node has it.
func (r *running) putAPI(t *testing.T, sequence uint64, apis ...entry.API) {
	t.Helper()
	var items []entry.Item
	for _, a := range apis {
		key, err := entry.APIKey(a.Version)
		if err != nil {
			t.Fatal(err)
		}
		it, err := entry.Encode(key, at(sequence), a)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, it)
	}
	r.carrier.Put(append(items, entry.Mark(entry.HeadKey, at(sequence)))...)
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == sequence })
	if refused := r.Status().Refused; len(refused) > 0 {
		t.Fatalf("refused: %+v", refused)
	}
}

func splitAPI(own, candidate string, perMille int) entry.API {
	a := demoAPI(own)
	a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "candidate", Targets: []entry.Target{{URL: candidate}}})
	a.Split = &entry.Split{Run: "r1", Candidates: map[string]string{"main": "candidate"}, PerMille: perMille}
	return a
}

func TestExplanationSaysWhichSideACallGoesTo(t *testing.T) {
	r := startExplaining(t)
	candidate := fake.NewUpstream(t)
	for step, want := range []string{"to what is live; the candidate gets 0 %", "to the candidate, which gets 100 %"} {
		r.putAPI(t, uint64(3+step), splitAPI(r.upstream.URL, candidate.URL, 1000*step))
		_, way := r.explain(t, token(), "GET", "/demo/orders/v1/open", "")
		found := false
		for _, s := range way.Steps {
			found = found || s.Step == "split" && strings.HasPrefix(s.Detail, want)
		}
		if !found {
			t.Errorf("%d ‰: got %s, want a step split: %s", 1000*step, line(way), want)
		}
	}
}

func TestShareMovesWithOneEntry(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		candidate := fake.NewUpstream(t)
		for step, perMille := range []int{0, 1000, 0} { // blue, green, and back
			r.putAPI(t, uint64(2+step), splitAPI(r.upstream.URL, candidate.URL, perMille))
			before := candidate.Calls()
			for range 20 {
				if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
					t.Fatalf("got %d", got.status)
				}
			}
			if got := candidate.Calls() - before; got != perMille/50 {
				t.Errorf("at %d ‰ %d of 20 calls went to the candidate", perMille, got)
			}
		}
		r.putAPI(t, 9, splitAPI(r.upstream.URL, candidate.URL, 1000))
		if got := r.call(t, "GET", "/demo/orders/v1/do/status099", ""); got.status != 502 {
			t.Errorf("got %d of a candidate that talks nonsense", got.status)
		}
		report := r.Status().Splits[0]
		if report.Live.Classes[2] != 40 || report.Candidate.Classes[2] != 20 || report.Candidate.Classes[5] != 1 || report.Candidate.Quantile(0.99) == 0 {
			t.Errorf("got %+v and %+v", report.Live, report.Candidate)
		}
	})
}

func TestMirrorCostsNothingHoweverBadItIs(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		for name, answer := range map[string]func(net.Conn){
			"dead":    nil,
			"silent":  func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
			"garbage": func(c net.Conn) { _, _ = c.Write([]byte("SSH-2.0-nothing\r\n\r\n")) },
			"reset":   func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0) },
			"cut":     func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")) },
			"endless": func(c net.Conn) {
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
				for {
					if _, err := c.Write(make([]byte, 64<<10)); err != nil {
						return
					}
				}
			},
		} {
			t.Run(name, func(t *testing.T) {
				r := startDemo(t, lane)
				a := demoAPI(r.upstream.URL)
				a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "mirror", Targets: []entry.Target{{URL: "http://" + bad(t, answer)}}})
				a.Mirror = &entry.Mirror{Run: "m", Upstream: "mirror", PerMille: 1000, MaxBodyBytes: 1 << 10, Concurrency: 2, AllMethods: true}
				r.putAPI(t, 2, a)
				start := time.Now()
				for range 30 {
					if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
						t.Fatalf("got %d", got.status)
					}
					if got := r.call(t, "POST", "/demo/orders/v1/do/echo", "0123456789"); got.status != 200 || got.echo(t).Body != "0123456789" {
						t.Fatalf("got %d %q", got.status, got.body)
					}
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("60 calls took %v", took)
				}
				if r.upstream.Calls() != 60 {
					t.Errorf("the API's own upstream was called %d times", r.upstream.Calls())
				}
			})
		}
	})
}

// bad is the address of an upstream that does as told with each connection; nil
// is one that nobody listens at.
func bad(t *testing.T, do func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if do == nil {
		_ = listener.Close()
		return listener.Addr().String()
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				do(c)
			}()
		}
	}()
	return listener.Addr().String()
}

func TestMirrorGetsACopy(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		mirror := fake.NewUpstream(t)
		a := demoAPI(r.upstream.URL)
		a.Upstreams = append(a.Upstreams, entry.Upstream{Name: "mirror", Targets: []entry.Target{{URL: mirror.URL}}})
		a.Mirror = &entry.Mirror{Run: "m", Upstream: "mirror", PerMille: 1000, MaxBodyBytes: 1 << 10, Concurrency: 10, AllMethods: true}
		r.putAPI(t, 2, a)
		for _, body := range []string{"short", strings.Repeat("x", 1<<10), strings.Repeat("y", 1<<10+1)} {
			if got := r.call(t, "POST", "/demo/orders/v1/do/upload", body); got.status != 200 {
				t.Fatalf("got %d", got.status)
			}
		}
		wait(t, "copies", func() bool { return r.Status().Splits[0].Mirrored.Classes[2] == 2 })
		if skipped := r.Status().Splits[0].Skipped; skipped.Body != 1 || mirror.Calls() != 2 {
			t.Errorf("got %+v and %d calls", skipped, mirror.Calls())
		}
	})
}

// TestVersionIsSelectedAndAnnounced asks for versions of one place by path,
// header, query and media type at once, of an upstream that has links and a Vary
// of its own to send.
func TestVersionIsSelectedAndAnnounced(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		serve := func(name string) string {
			return serveH2C(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Link", "</next>; rel=next")
				w.Header().Set("Vary", "Accept-Language")
				io.WriteString(w, name)
			})
		}
		v1, v2 := demoAPI(serve("first")), demoAPI(serve("second"))
		v2.Version, v2.Name = uuid(110), "demo/orders v2"
		by := func(in, name, value string) entry.Mount {
			return entry.Mount{BasePath: "/demo/orders", Select: entry.Selector{In: in, Name: name, Value: value}}
		}
		v1.Mounts = append(v1.Mounts, by("header", "X-Version", "1"), by("query", "v", "1"), by("media_type", "version", "1"), by("media_type", "", "application/vnd.acme.v1+json"))
		v2.Mounts = []entry.Mount{
			by("header", "X-Version", "2"), by("query", "v", "2"), by("media_type", "version", "2"), by("media_type", "", "application/vnd.acme.v2+json"),
			{BasePath: "/demo/orders", Default: true},
		}
		v1.DeprecatedAt, v1.SunsetAt, v1.SuccessorURL = 1_700_000_000, 1_800_000_000, "https://gw.example/demo/orders/v2"
		r.putAPI(t, 2, v1, v2)
		for _, c := range []struct {
			path, header string
			want         string // the upstream's name, or the code of a problem
			old, varies  bool   // of the version that ends; where a header may select
		}{
			{"/demo/orders/v1/open", "", "first", true, false},
			{"/demo/orders/v1/open?v=2", "X-Version: 2", "first", true, false},
			{"/demo/orders/open", "X-Version: 1", "first", true, true},
			{"/demo/orders/open", "X-Version: 2", "second", false, true},
			{"/demo/orders/open?v=1", "", "first", true, true},
			{"/demo/orders/open?a=b&v=2", "", "second", false, true},
			{"/demo/orders/open", "Accept: text/html;q=0.5, application/vnd.acme.v1+json", "first", true, true},
			{"/demo/orders/open", "Accept: application/vnd.acme.v2+json", "second", false, true},
			{"/demo/orders/open", "Accept: application/json;version=1", "first", true, true},
			{"/demo/orders/open", "Content-Type: application/json; version=1", "first", true, true},
			{"/demo/orders/open", "", "second", false, true},
			{"/demo/orders/open?v=2", "X-Version: 2", "second", false, true},
			{"/demo/orders/open?v=2", "X-Version: 1", "version_ambiguous", false, true},
			{"/demo/orders/open?v=1", "Accept: application/json;version=2", "version_ambiguous", false, true},
			{"/demo/orders/open", "X-Version: 3", "version_unknown", false, true},
			{"/demo/orders/open?v=3", "", "version_unknown", false, true},
			{"/demo/orders/open", "Accept: application/json;version=3", "version_unknown", false, true},
			{"/demo/orders/moon", "X-Version: 1", "no_route", true, true},
			{"/demo/orders/moon?v=1", "", "no_route", true, true},
			{"/demo/orders/orders", "X-Version: 1", "credential_missing", true, true},
			{"/demo/orders/v1/orders", "", "credential_missing", true, false},
		} {
			var headers []string
			if c.header != "" {
				headers = []string{c.header}
			}
			got := r.call(t, "GET", c.path, "", headers...)
			answer := got.body
			if got.status != 200 {
				answer = got.code()
			}
			if answer != c.want {
				t.Errorf("%s %s: got %d %s, want %s", c.path, c.header, got.status, answer, c.want)
			}
			want := map[string]string{"Deprecation": "", "Sunset": "", "Link": "", "Vary": ""}
			if c.old {
				want["Deprecation"], want["Sunset"] = "@1700000000", "Fri, 15 Jan 2027 08:00:00 GMT"
				want["Link"] = `<https://gw.example/demo/orders/v2>; rel="successor-version"`
			}
			if c.varies {
				want["Vary"] = "X-Version, Accept, Content-Type"
			}
			for name, value := range want {
				values := got.header.Values(name)
				if own := map[string]string{"Link": "</next>; rel=next", "Vary": "Accept-Language"}[name]; own != "" && got.status == 200 {
					if !slices.Contains(values, own) {
						t.Errorf("%s %s: got %s %q without the upstream's %s", c.path, c.header, name, values, own)
					}
					values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == own })
				}
				if strings.Join(values, "|") != value {
					t.Errorf("%s %s: got %s %q, want %q", c.path, c.header, name, values, value)
				}
			}
		}
	})
}

// TestRulesAndLotsDecideTheSide sends callers to a candidate by what they say,
// who they are, and the lot that they have drawn.
func TestRulesAndLotsDecideTheSide(t *testing.T) {
	var sides []string // of each caller, lane by lane
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		candidate := fake.NewUpstream(t)
		const callers = 16
		for n := range callers {
			g := demoGrant()
			g.Credential, g.Application = uuid(700+n), uuid(800+n)
			r.carrier.Put(grantItem(t, 1, mint(10+n), g))
		}
		sequence := uint64(1)
		live := func(perMille int, sticky string, rules ...entry.SplitRule) {
			t.Helper()
			sequence++
			api := splitAPI(r.upstream.URL, candidate.URL, perMille)
			api.Split.Sticky, api.Split.Rules = sticky, rules
			r.putAPI(t, sequence, api)
		}
		// side calls once and says which side has answered.
		side := func(path string, headers ...string) (string, reply) {
			t.Helper()
			before := candidate.Calls()
			got := r.call(t, "GET", path, "", headers...)
			if echo := got.echo(t); strings.Contains(strings.Join(echo.Header["Cookie"], ";"), "portico_split") {
				t.Errorf("the upstream saw %q", echo.Header["Cookie"])
			}
			if candidate.Calls() > before {
				return "candidate", got
			}
			return "live", got
		}
		const open, list = "/demo/orders/v1/open", "/demo/orders/v1/orders"
		rules := []entry.SplitRule{
			{In: "header", Name: "X-Beta", Value: "no"},
			{In: "header", Name: "X-Beta", Candidate: true},
			{In: "cookie", Name: "beta", Value: "yes", Candidate: true},
			{In: "caller", Callers: []string{uuid(801), uuid(803)}, Candidate: true},
		}
		live(0, "", rules...)
		for _, c := range []struct {
			path, header, want string
		}{
			{open, "", "live"},
			{open, "X-Beta: anything", "candidate"},
			{open, "x-beta: no", "live"},
			{open, "Cookie: a=b; beta=yes; c=d", "candidate"},
			{open, "Cookie: beta=no", "live"},
			{open, "Cookie: alphabeta=yes", "live"},
			{list, "X-API-Key: " + mint(11), "candidate"},
			{list, "X-API-Key: " + mint(12), "live"},
			{list, "X-API-Key: " + mint(13), "candidate"},
			{open, "X-API-Key: " + mint(11), "live"}, // nobody is known on a public route
		} {
			for range 3 {
				var headers []string
				if c.header != "" {
					headers = []string{c.header}
				}
				if got, _ := side(c.path, headers...); got != c.want {
					t.Errorf("%s %s: went to %s, want %s", c.path, c.header, got, c.want)
				}
			}
		}

		// Who keeps a side keeps it, and a larger share takes nobody back.
		live(400, "caller")
		before := map[string]string{}
		all := ""
		for n := range callers {
			key := mint(10 + n)
			for range 3 {
				got, _ := side(list, "X-API-Key: "+key)
				if before[key] != "" && before[key] != got {
					t.Errorf("caller %d went to %s, then to %s", n, before[key], got)
				}
				before[key] = got
			}
			all += before[key] + " "
		}
		if sides = append(sides, all); sides[0] != all || !strings.Contains(all, "live") || !strings.Contains(all, "candidate") {
			t.Errorf("callers go to %s; in another lane to %s", all, sides[0])
		}
		live(700, "caller")
		for key, was := range before {
			if got, _ := side(list, "X-API-Key: "+key); got != "candidate" && was == "candidate" {
				t.Errorf("with a larger share one went from %s to %s", was, got)
			}
		}

		// By cookie: drawn once, and presented from then on.
		live(500, "cookie")
		drawn := map[string]bool{}
		wait(t, "both sides to be drawn", func() bool {
			first, got := side(open)
			cookies := (&http.Response{Header: got.header}).Cookies()
			if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].Secure != strings.HasPrefix(r.url, "https") {
				t.Fatalf("got Set-Cookie %q", got.header.Values("Set-Cookie"))
			}
			drawn[first] = true
			for range 5 {
				again, got := side(open, "Cookie: a=b; "+cookies[0].Name+"="+cookies[0].Value)
				if again != first || len(got.header.Values("Set-Cookie")) > 0 || strings.Join(got.echo(t).Header["Cookie"], "|") != "a=b" {
					t.Errorf("drawn for %s it went to %s, Set-Cookie %q, the upstream saw Cookie %q", first, again, got.header.Values("Set-Cookie"), got.echo(t).Header["Cookie"])
				}
			}
			return len(drawn) == 2
		})

		// By address: one address, one side.
		live(500, "address")
		first, _ := side(open)
		for range 10 {
			if again, _ := side(open); again != first {
				t.Fatalf("one address went to %s and to %s", first, again)
			}
		}
	})
}
