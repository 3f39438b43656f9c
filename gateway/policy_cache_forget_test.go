package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/internal/entry"
)

// TestRevokedKeyIsRefusedThoughItsAnswerIsStored asks with a key that has ended.
func TestRevokedKeyIsRefusedThoughItsAnswerIsStored(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=60")
	r, _ := caching(t, noLane, o, entry.CachePolicy{Public: true})
	const path = "/demo/orders/v1/orders"
	if got := r.call(t, "GET", path, "", "X-API-Key: "+goodKey); got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	r.serve(t, 3, entry.Tombstone(grantKey(t, goodKey), at(3)))
	if got := r.call(t, "GET", path, "", "X-API-Key: "+goodKey); got.status != 401 {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestChangesMakeAnAnswerForgotten(t *testing.T) {
	const path = "/demo/orders/v1/do/it"
	for _, c := range []struct {
		status   int
		location string
		forgets  bool
		get      string
	}{
		{201, "", true, path},
		{303, "", true, path},
		{400, "", false, path},
		{500, "", false, path},
		{201, "", true, path + "?page=2"},
		{201, path, true, path},
		{201, "https://elsewhere.example" + "/demo/orders/v1/open", false, "/demo/orders/v1/open"},
		{201, "/demo/orders/v1/open", true, "/demo/orders/v1/open"},
	} {
		t.Run(fmt.Sprint(c.status, c.location, c.get), func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, "Cache-Control: max-age=60")
			r, _ := caching(t, noLane, o, entry.CachePolicy{})
			r.call(t, "GET", c.get, "")
			o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.status)
			})
			r.call(t, "POST", path, "x")
			o.do(says("Cache-Control: max-age=60"))
			got, want := r.call(t, "GET", c.get, ""), "answer 0001"
			if c.forgets {
				want = "answer 0003"
			}
			if got.body != want {
				t.Errorf("got %q, want %q", got.body, want)
			}
		})
	}
}

// TestWhatTheGatewayRefusesForgetsNothing makes a policy behind the cache refuse a
// call for which a stale answer was found: the next one still asks whether that
// holds.
func TestWhatTheGatewayRefusesForgetsNothing(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=60", "ETag: \"a\"")
	r, clock := caching(t, noLane, o, entry.CachePolicy{Public: true}, func(api *entry.API) {
		api.Policies = append(api.Policies, entry.Policy{Config: &entry.HeadersPolicy{
			Set: []entry.NamedValue{{Name: "X-Twice", Value: "${header.X-Long}${header.X-Long}"}},
		}})
	})
	get := func(headers ...string) int { return r.call(t, "GET", "/demo/orders/v1/open", "", headers...).status }
	if got := get(); got != 200 {
		t.Fatalf("got %d", got)
	}
	clock.pass(2 * time.Minute)
	if got := get("X-Long: " + strings.Repeat("a", 7<<10)); got != 400 {
		t.Fatalf("a value that is too long: got %d, want 400", got)
	}
	if got := get(); got != 200 || o.last().Header.Get("If-None-Match") != `"a"` {
		t.Errorf("got %d, and the upstream was asked for %q, want a question about the stored answer", got, o.last().Header.Get("If-None-Match"))
	}
}

// TestNewRevisionForgetsWhatTheOldOneStored publishes again.
func TestNewRevisionForgetsWhatTheOldOneStored(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=60")
	r, _ := caching(t, noLane, o, entry.CachePolicy{})
	r.call(t, "GET", cachedPath, "")
	api := demoAPI(o.URL)
	api.Revision, api.Policies = 2, append(api.Policies, entry.Policy{Config: &entry.CachePolicy{}})
	r.serve(t, 3, item(t, 3, api))
	if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0002" {
		t.Errorf("got %q", got.body)
	}
}

// TestNewRevisionForgetsWhatAnEnvironmentsCacheStored publishes again, where the
// cache is an environment's.
func TestNewRevisionForgetsWhatAnEnvironmentsCacheStored(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=60")
	r, _ := caching(t, noLane, o, entry.CachePolicy{}, func(api *entry.API) { api.Policies = api.Policies[:1] })
	env := environment()
	env.Policies = []entry.Policy{{Config: &entry.CachePolicy{}}}
	r.serve(t, 3, item(t, 3, env))
	r.call(t, "GET", cachedPath, "")
	api := demoAPI(o.URL)
	api.Revision = 2
	r.serve(t, 4, item(t, 4, api))
	if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0002" {
		t.Errorf("got %q", got.body)
	}
}

// TestPurgeForgetsWhatItNames tells a node to.
func TestPurgeForgetsWhatItNames(t *testing.T) {
	const one, two = "/demo/orders/v1/do/one", "/demo/orders/v1/do/two"
	for name, c := range map[string]struct {
		purge    entry.Purge
		one, two bool // are forgotten
	}{
		"all of the version":    {entry.Purge{Version: uuid(100)}, true, true},
		"another version":       {entry.Purge{Version: uuid(999)}, false, false},
		"a tag":                 {entry.Purge{Version: uuid(100), Tag: "one"}, true, false},
		"a tag of both":         {entry.Purge{Version: uuid(100), Tag: "both"}, true, true},
		"a path":                {entry.Purge{Version: uuid(100), Path: two}, false, true},
		"a path, encoded":       {entry.Purge{Version: uuid(100), Path: "/demo/orders/v1/do/%74wo"}, false, true},
		"a path of another":     {entry.Purge{Version: uuid(999), Path: two}, false, false},
		"the beginning of both": {entry.Purge{Version: uuid(100), Path: "/demo/orders/v1/do"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t)
			o.do(func(w http.ResponseWriter, r *http.Request, n int64) {
				says("Cache-Control: max-age=60", "Cache-Tag: both, x", "Surrogate-Key: "+r.URL.Path[len("/do/"):])(w, r, n)
			})
			r, _ := caching(t, noLane, o, entry.CachePolicy{})
			r.call(t, "GET", one, "")
			r.call(t, "GET", two+"?page=1", "")
			if err := r.carrier.TellWhole(t.Context(), entry.Command{Do: entry.PurgeCache, Purge: &c.purge}); err != nil {
				t.Fatal(err)
			}
			_ = r.carrier.Tell(t.Context(), entry.Resume) // once it has this, it has done the other
			for _, x := range []struct {
				path   string
				forgot bool
			}{{one, c.one}, {two + "?page=1", c.two}} {
				if got := r.call(t, "GET", x.path, "").header.Get("Cache-Status"); strings.Contains(got, "hit") == x.forgot {
					t.Errorf("%s: got %q, forgotten is to be %v", x.path, got, x.forgot)
				}
			}
		})
	}
}

// TestNodeThatWasAwayForgetsWhatItStored since it may have missed a purge.
func TestNodeThatWasAwayForgetsWhatItStored(t *testing.T) {
	o := newOrigin(t, "Cache-Control: max-age=60")
	r, _ := caching(t, noLane, o, entry.CachePolicy{})
	r.call(t, "GET", cachedPath, "")
	_ = r.Apply(nil, false)
	if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0001" {
		t.Errorf("while it is away: got %q", got.body)
	}
	_ = r.Apply(nil, true)
	if got := r.call(t, "GET", cachedPath, ""); got.body != "answer 0002" {
		t.Errorf("once it is back: got %q", got.body)
	}
}
