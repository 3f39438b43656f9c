package jwks_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"portico/gateway/jwks"
	"portico/gateway/policy"
	"portico/internal/egress"
	"portico/test/fake"
)

// clock is a time that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

// journal is a log that a test reads.
type journal struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
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

func running(t *testing.T, c *clock) *jwks.Store {
	t.Helper()
	return telling(t, c, io.Discard)
}

func telling(t *testing.T, c *clock, log io.Writer) *jwks.Store {
	t.Helper()
	store := storeOf(c, log)
	run(t, store)
	return store
}

func storeOf(c *clock, log io.Writer) *jwks.Store {
	return jwks.NewStore(jwks.Options{Client: &http.Client{}, Now: c.now, Log: slog.New(slog.NewTextHandler(log, nil))})
}

// run runs a store until the test ends.
func run(t *testing.T, store *jwks.Store) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- store.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func wait(t *testing.T, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// has reports whether a set holds a key.
func has(set policy.KeySet, id string) bool {
	keys, _ := set.Keys()
	return keys != nil && len(keys.Find(id, "ES256")) == 1
}

// first waits for a set's first keys, and for the end of the request that got them:
// they are there a moment before.
func first(t *testing.T, set policy.KeySet) {
	t.Helper()
	wait(t, "the first keys", func() bool { return has(set, "ES256-1") })
	set.Ask(context.Background()) // joins that request, or comes too soon for another
}

func TestKeysAreFetchedAndFollowedBeforeTheyAreOld(t *testing.T) {
	c, i := &clock{}, fake.NewIssuer(t, "ES256")
	i.Lives("public, max-age=120")
	set := running(t, c).Keys(policy.ID{1}, i.URL)
	first(t, set)
	i.Add(t, "ES256", "ES256-2")
	i.Hide("ES256-1", true)
	c.move(119 * time.Second)
	time.Sleep(1200 * time.Millisecond) // a tick goes by
	if calls := i.Calls(); calls > 2 {
		t.Errorf("fetched %d times before the keys were old", calls)
	}
	c.move(2 * time.Second)
	wait(t, "the new keys", func() bool { return has(set, "ES256-2") && !has(set, "ES256-1") })
}

func TestLifetimesOfKeysHaveBounds(t *testing.T) {
	for control, want := range map[string]time.Duration{
		"max-age=0": time.Minute, "no-store": time.Minute, "max-age=31536000": time.Hour, "": 10 * time.Minute, "max-age=x": 10 * time.Minute,
	} {
		c, i := &clock{}, fake.NewIssuer(t, "ES256")
		i.Lives(control)
		set := running(t, c).Keys(policy.ID{1}, i.URL)
		first(t, set)
		c.move(want + time.Second)
		wait(t, control+": a second fetch at its end", func() bool { return i.Calls() == 2 })
		runtime.KeepAlive(set)
	}
}

func TestAskedKeysAreFetchedOnceForAllAndNotTooOften(t *testing.T) {
	c, i := &clock{}, fake.NewIssuer(t, "ES256")
	set := running(t, c).Keys(policy.ID{1}, i.URL)
	first(t, set)
	c.move(6 * time.Second)
	i.Add(t, "ES256", "ES256-2")
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() { set.Ask(context.Background()) })
	}
	group.Wait()
	if !has(set, "ES256-2") {
		t.Error("the new key is not there")
	}
	for range 50 {
		set.Ask(context.Background())
	}
	if calls := i.Calls(); calls != 2 {
		t.Errorf("fetched %d times, want 2", calls)
	}
}

func TestWhatIsNoKeySetTakesNoKeysPlace(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"away":      func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"not there": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
		"garbage":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
		"no list":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":{}}`)) },
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(`<html>`))
		},
		"no keys": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[{},"a"]}`)) },
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				_, _ = w.Write([]byte(strings.Repeat(" ", 16<<10)))
			}
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"keys":`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, i := &clock{}, fake.NewIssuer(t, "ES256")
			store := running(t, c)
			set := store.Keys(policy.ID{1}, i.URL)
			first(t, set)
			_, before := set.Keys()
			i.Answers(answer)
			c.move(11 * time.Minute)
			set.Ask(context.Background())
			if _, after := set.Keys(); !has(set, "ES256-1") || after != before || i.Calls() < 2 {
				t.Errorf("after %d calls the keys are gone or count as good", i.Calls())
			}
			other := store.Keys(policy.ID{2}, i.URL)
			other.Ask(context.Background())
			if keys, _ := other.Keys(); keys != nil {
				t.Errorf("got %d keys of it", keys.Len())
			}
		})
	}
}

// TestKeysThatAnIssuerWithdrawsAreGone has it publish a set that holds none which
// can be used. That is its word and the one way to revoke a stolen key: the keys
// that there were must not go on for as long as those of an issuer that is away,
// which they once did.
func TestKeysThatAnIssuerWithdrawsAreGone(t *testing.T) {
	for name, published := range map[string]string{
		"empty":           `{"keys":[]}`,
		"a shared key":    `{"keys":[{"kty":"oct","k":"AAAA","kid":"ES256-1","alg":"HS256"}]}`,
		"an unknown kind": `{"keys":[{"kty":"AKP","alg":"ML-DSA-44","kid":"ES256-1","pub":"AAAA"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, i := &clock{}, fake.NewIssuer(t, "ES256")
			var log journal
			set := telling(t, c, &log).Keys(policy.ID{1}, i.URL)
			first(t, set)
			i.Answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(published)) })
			c.move(11 * time.Minute)
			set.Ask(context.Background())
			if keys, at := set.Keys(); keys == nil || keys.Len() != 0 || at < c.now().Unix()-5 {
				t.Errorf("got %v of %d", keys, at)
			}
			if !strings.Contains(log.String(), "withdrawn") || strings.Contains(log.String(), "not fetched") {
				t.Errorf("the log says %s", log.String())
			}
			i.Answers(nil)
			c.move(6 * time.Second)
			set.Ask(context.Background())
			if !has(set, "ES256-1") {
				t.Error("keys that are published again are not there")
			}
		})
	}
}

// TestTheQueryOfAnAddressIsNotLogged has one that answers nobody, one that ends in
// its answer, and one that redirects to nowhere.
func TestTheQueryOfAnAddressIsNotLogged(t *testing.T) {
	cut, away := fake.NewIssuer(t, "ES256"), fake.NewIssuer(t, "ES256")
	cut.Answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"keys":`))
	})
	away.Answers(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/?api_key=canary", http.StatusFound)
	})
	for name, url := range map[string]string{"away": "http://127.0.0.1:1/keys", "cut": cut.URL, "redirected": away.URL, "no URL": "http://127.0.0.1:1/%zz"} {
		var log journal
		set := telling(t, &clock{}, &log).Keys(policy.ID{1}, url+"?api_key=canary")
		set.Ask(context.Background())
		wait(t, name+": a word in the log", func() bool { return strings.Contains(log.String(), "not fetched") })
		if text := log.String(); strings.Contains(text, "canary") || !strings.Contains(text, "error=") {
			t.Errorf("%s: the log says %s", name, text)
		}
	}
}

func TestASlowIssuerHoldsNobodyLongerThanTheyWait(t *testing.T) {
	c, i := &clock{}, fake.NewIssuer(t, "ES256")
	hold := make(chan struct{})
	i.Answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	defer close(hold)
	set := running(t, c).Keys(policy.ID{1}, i.URL)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	set.Ask(ctx)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if keys, _ := set.Keys(); keys != nil {
		t.Error("there are keys")
	}
}

// TestKeysOfPoliciesThatAreGoneAreFetchedNoMore lets go of a set.
func TestKeysOfPoliciesThatAreGoneAreFetchedNoMore(t *testing.T) {
	c, i := &clock{}, fake.NewIssuer(t, "ES256")
	store := running(t, c)
	set := store.Keys(policy.ID{1}, i.URL)
	first(t, set)
	if store.Keys(policy.ID{1}, i.URL) != set {
		t.Error("the same address has another set, while one holds it")
	}
	if store.Keys(policy.ID{2}, i.URL) == set {
		t.Error("another tenant has the same set")
	}
	runtime.KeepAlive(set) // and nobody holds it from here on
	wait(t, "nobody to fetch", func() bool {
		runtime.GC()
		before := i.Calls()
		c.move(2 * time.Hour)
		time.Sleep(1100 * time.Millisecond)
		return i.Calls() == before
	})
}

// TestATenantHasSoManyPlacesOfKeysAndNoMore has one place more, whose turn comes
// when another is held no more.
func TestATenantHasSoManyPlacesOfKeysAndNoMore(t *testing.T) {
	c, i := &clock{}, fake.NewIssuer(t, "ES256")
	store := running(t, c)
	var held []policy.KeySet
	for n := range 200 {
		held = append(held, store.Keys(policy.ID{1}, i.URL+"?"+string(rune('a'+n))))
	}
	beyond, other := store.Keys(policy.ID{1}, i.URL), store.Keys(policy.ID{2}, i.URL)
	wait(t, "all keys", func() bool { return has(held[0], "ES256-1") && has(held[199], "ES256-1") && has(other, "ES256-1") })
	beyond.Ask(context.Background())
	if keys, _ := beyond.Keys(); keys != nil {
		t.Error("one more is fetched")
	}
	runtime.KeepAlive(held)
	held = nil
	wait(t, "room for it", func() bool {
		runtime.GC()
		return has(beyond, "ES256-1")
	})
}

// TestASetTakesTheMemoryOfItsKeysAlone has issuers that write as much as is read:
// spaces, and names of keys.
func TestASetTakesTheMemoryOfItsKeysAlone(t *testing.T) {
	const sets = 24
	c, i := &clock{}, fake.NewIssuer(t, "ES256")
	one := strings.TrimSuffix(strings.TrimPrefix(i.Set(), `{"keys":[`), "]}")
	long := strings.ReplaceAll(one, `"ES256-1"`, `"`+strings.Repeat("a", 200<<10)+`"`)
	answer := `{"keys":[` + one + "," + long + strings.Repeat(" ", 250<<10) + "]}"
	i.Answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) })
	store := running(t, c)
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	var held []policy.KeySet
	for n := range sets {
		held = append(held, store.Keys(policy.ID{1}, i.URL+"?"+strconv.Itoa(n)))
	}
	wait(t, "all keys", func() bool {
		return !slices.ContainsFunc(held, func(s policy.KeySet) bool { return !has(s, "ES256-1") })
	})
	if after := used(); after > before && (after-before)/sets > 64<<10 {
		t.Errorf("each of %d sets with one key that can be used takes %d KiB", sets, (after-before)/sets>>10)
	}
	runtime.KeepAlive(held)
}

func TestAddressesThatMayNotBeCalledAreNot(t *testing.T) {
	i := fake.NewIssuer(t, "ES256")
	store := jwks.NewStore(jwks.Options{
		Client: (&egress.Guard{}).Client(egress.Control), Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	set := store.Keys(policy.ID{1}, i.URL)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- store.Run(ctx) }()
	set.Ask(ctx)
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if keys, _ := set.Keys(); keys != nil || i.Calls() != 0 {
		t.Errorf("an address of this machine was called %d times", i.Calls())
	}
}

// silent makes an issuer that answers nobody, and counts who waits.
func silent(t *testing.T) (i *fake.Issuer, waiting *atomic.Int64, release chan struct{}) {
	t.Helper()
	i, waiting, release = fake.NewIssuer(t, "ES256"), &atomic.Int64{}, make(chan struct{})
	i.Answers(func(w http.ResponseWriter, r *http.Request) {
		waiting.Add(1)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	return i, waiting, release
}

func TestDeadIssuersOfOneTenantHoldUpNoOther(t *testing.T) {
	c, good := &clock{}, fake.NewIssuer(t, "ES256")
	dead, waiting, release := silent(t)
	defer close(release)
	store := storeOf(c, io.Discard)
	var held []policy.KeySet
	for tenant := range 10 { // several that have nothing else
		for n := range 50 {
			held = append(held, store.Keys(policy.ID{1, byte(tenant)}, dead.URL+"?"+strconv.Itoa(n)))
		}
	}
	run(t, store) // which finds them all there
	wait(t, "the dead to take what they may", func() bool { return waiting.Load() >= 10 })
	began := time.Now()
	other := store.Keys(policy.ID{2}, good.URL)
	wait(t, "another tenant's keys", func() bool { return has(other, "ES256-1") })
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("another tenant's keys took %v", took)
	}
	if n := waiting.Load(); n > 16 {
		t.Errorf("ten tenants have %d fetches at a time", n)
	}
	runtime.KeepAlive(held)
}

func TestIssuersThatHaveFailedWaitBehindThoseThatHaveNot(t *testing.T) {
	c, good := &clock{}, fake.NewIssuer(t, "ES256")
	dead, waiting, release := silent(t)
	store := running(t, c)
	var held []policy.KeySet
	for n := range 12 {
		held = append(held, store.Keys(policy.ID{1}, dead.URL+"?"+strconv.Itoa(n)))
	}
	for range 12 { // each fails
		release <- struct{}{}
	}
	wait(t, "each to be there", func() bool { return waiting.Load() == 12 })
	time.Sleep(50 * time.Millisecond)
	c.move(2 * time.Second)
	wait(t, "the dead to take what one tenant may", func() bool { return waiting.Load() == 16 })
	set := store.Keys(policy.ID{1}, good.URL)
	time.Sleep(50 * time.Millisecond)
	if has(set, "ES256-1") {
		t.Error("one tenant has more than four fetches at a time")
	}
	release <- struct{}{}
	wait(t, "the good one's keys, next", func() bool { return has(set, "ES256-1") })
	close(release)
	runtime.KeepAlive(held)
}
