package introspect_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/gateway/introspect"
	"portico/gateway/policy"
	"portico/gateway/token"
	"portico/internal/entry"
	"portico/test/fake"
)

func storeOf(client *http.Client, log io.Writer) *introspect.Store {
	return introspect.NewStore(introspect.Options{Client: client, Now: time.Now, Log: slog.New(slog.NewTextHandler(log, nil))})
}

func question(i *fake.Introspection) entry.IntrospectionPolicy {
	return entry.IntrospectionPolicy{URL: i.URL, ClientID: "gateway", ClientSecret: entry.Secret{Opened: fake.IntrospectionSecret}}
}

func id(n int) (out [16]byte) {
	binary.LittleEndian.PutUint64(out[:], uint64(n))
	return out
}

// read takes whatever an issuer says for good.
func read([]byte) (*token.Verified, error) { return &token.Verified{Name: "read"}, nil }

func asks(i policy.Issuer, text string) error {
	hash := [32]byte{}
	copy(hash[:], text)
	_, err := i.Ask(context.Background(), &hash, text, read)
	return err
}

func TestATenantAsksInSoManyPlacesAndLeavesOthersTheirs(t *testing.T) {
	i := fake.NewIntrospection(t)
	s := storeOf(&http.Client{}, io.Discard)
	var held []policy.Issuer
	for n := range 100 {
		held = append(held, s.Issuer(policy.ID{1}, id(n), question(i)))
	}
	if err := asks(s.Issuer(policy.ID{1}, id(100), question(i)), "a"); err == nil || i.Calls() != 0 {
		t.Errorf("one place too many: got %v, asked %d times", err, i.Calls())
	}
	if s.Issuer(policy.ID{1}, id(7), question(i)) != held[7] {
		t.Error("the same question is another issuer's")
	}
	other := s.Issuer(policy.ID{2}, id(200), question(i))
	if err := asks(other, "a"); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	good, _ := other.Tables()
	if own, _ := held[0].Tables(); own == good {
		t.Error("two tenants share what is known of tokens")
	}
	if same, _ := held[1].Tables(); same == good {
		t.Error("two tenants share what is known of tokens")
	}
	runtime.KeepAlive(held)                                                            // and no longer
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // what no policy holds any more is forgotten
		runtime.GC()
		if asks(s.Issuer(policy.ID{1}, id(100), question(i)), "b") == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("places that nobody holds are not forgotten")
		}
	}
}

func TestQuestionsThatWaitAreBounded(t *testing.T) {
	i := fake.NewIntrospection(t)
	gone := make(chan struct{})
	i.Answers(func(http.ResponseWriter, *http.Request) { <-gone })
	q := question(i)
	q.Concurrency, q.TimeoutMS = 1, 10_000
	issuer := storeOf(&http.Client{}, io.Discard).Issuer(policy.ID{1}, id(1), q)
	ask := func(n byte, patience time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_, err := issuer.Ask(ctx, &[32]byte{n}, "x", read)
		return err
	}
	for n := range byte(9) { // a question goes on when its caller does not wait for it
		if err := ask(n, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("question %d: got %v", n, err)
		}
	}
	if err := ask(99, time.Minute); err == nil || !strings.Contains(err.Error(), "too many questions") {
		t.Errorf("one too many: got %v", err)
	}
	if err := ask(3, time.Millisecond); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one that is asked already: got %v", err)
	}
	close(gone)
	for n := range byte(9) {
		if err := ask(n, time.Minute); err != nil {
			t.Errorf("question %d: %v", n, err)
		}
	}
}

// lockedLog may be read while it is written.
type lockedLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWhoeverCannotAskLetsNobodyThrough(t *testing.T) {
	i := fake.NewIntrospection(t)
	var log lockedLog
	if err := asks(storeOf(nil, &log).Issuer(policy.ID{1}, id(1), question(i)), "canary"); err == nil || strings.Contains(log.String(), "canary") {
		t.Errorf("without a client: got %v, log %s", err, log.String())
	}
	q := question(i)
	q.ClientSecret.Opened = "guessed"
	if err := asks(storeOf(&http.Client{}, io.Discard).Issuer(policy.ID{1}, id(1), q), "canary"); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "401") {
		t.Errorf("with another secret: got %v", err)
	}
	q.URL = "http://127.0.0.1:1/?key=canary"
	if err := asks(storeOf(&http.Client{}, io.Discard).Issuer(policy.ID{1}, id(1), q), "x"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("of nobody: got %v", err)
	}
}
