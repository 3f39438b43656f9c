package policy_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"portico/gateway/clienttoken"
	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/test/fake"
)

// BenchmarkUpstreamOAuth is a call whose token is at hand.
func BenchmarkUpstreamOAuth(b *testing.B) {
	i := fake.NewTokens(b)
	store := clienttoken.NewStore(clienttoken.Options{Client: &http.Client{Transport: http.DefaultTransport}, Now: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = store.Run(ctx) // it ends with ctx alone
	}()
	b.Cleanup(func() { cancel(); <-done })
	benchProves(b, policy.Tools{ClientTokens: store}, &entry.UpstreamOAuth{
		TokenURL: i.URL, ClientID: entry.Secret{Opened: fake.TokenClient}, ClientSecret: entry.Secret{Opened: fake.TokenSecret},
	}, "")
}
