package policy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"portico/gateway/introspect"
	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/test/fake"
)

// asking is a route whose callers' tokens their issuer is asked about.
func asking(t testing.TB, i *fake.Introspection, cacheMS int64) *policy.Chain {
	t.Helper()
	return askingThrough(t, i, cacheMS, func(all policy.Issuers) policy.Issuers { return all })
}

// askingThrough is asking, with something before the issuers.
func askingThrough(t testing.TB, i *fake.Introspection, cacheMS int64, before func(policy.Issuers) policy.Issuers) *policy.Chain {
	t.Helper()
	tools := registered(&fake.Issuer{Name: i.Name})
	tools.Issuers = before(introspect.NewStore(introspect.Options{Client: &http.Client{}, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}))
	return routeOf(tools, entry.Policy{Config: &entry.IntrospectionPolicy{
		URL: i.URL, Issuer: i.Name, ClientID: "gateway", ClientSecret: entry.Secret{Opened: fake.IntrospectionSecret}, Audiences: []string{"orders"}, CacheMS: cacheMS,
	}})
}

func BenchmarkIntrospection(b *testing.B) {
	i := fake.NewIntrospection(b)
	i.Tell(b, "good", nil)
	b.Run("cached", func(b *testing.B) {
		calls(b, asking(b, i, 3_600_000), "Bearer good")
	})
	b.Run("asked", func(b *testing.B) { // of an issuer on this machine, which answers at once
		calls(b, asking(b, i, 1), "Bearer good")
	})
	callsNothing(b, registered(&fake.Issuer{Name: i.Name}))
}

func TestATokenWhoseIssuerWasAskedAllocatesNothing(t *testing.T) {
	i := fake.NewIntrospection(t)
	i.Tell(t, "good", nil)
	chain, pool := asking(t, i, 3_600_000), new(policy.Pool)
	ex, at, now := pool.Take(), scope(), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		ex.Scope, ex.Now, ex.Mono = at, now, 1
		ex.Header.Add("Authorization", "Bearer good")
		if err := chain.Run(context.Background(), ex); err != nil {
			t.Fatal(err)
		}
		if ex.Caller.By != entry.PolicyIntrospection || len(ex.Caller.Scopes) != 2 || ex.Caller.Claims.Text("client_id") != "client" {
			t.Fatalf("got %+v", ex.Caller)
		}
		ex.Reset()
	}); n != 0 || i.Calls() != 1 {
		t.Errorf("got %v allocations, asked %d times", n, i.Calls())
	}
}
