package introspect_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// read takes whatever an issuer says for good.
func read([]byte) (*token.Verified, error) { return &token.Verified{Name: "read"}, nil }

// about is a question about a token, by one policy.
func about(text string, known bool) policy.AskedToken {
	q := policy.AskedToken{Text: text, Known: known}
	copy(q.Hash[:], text)
	return q
}

func asks(i policy.Issuer, text string) error {
	_, err := i.Ask(context.Background(), about(text, false), read)
	return err
}

// leaves asks, and does not wait: the question goes on.
func leaves(i policy.Issuer, text string, known bool) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := i.Ask(ctx, about(text, known), read)
	return err
}

func askedAt(i *fake.Introspection, place int) entry.IntrospectionPolicy {
	q := question(i)
	q.URL += "?" + strconv.Itoa(place)
	return q
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// clock is a time that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) move(d time.Duration) { c.ahead.Add(int64(d)) }

// TestATenantAsksInSoManyPlacesAndLeavesOthersTheirs has one place too many, as a
// publish of many APIs makes them beside those that it replaces: that one is asked
// once there is room, without another.
func TestATenantAsksInSoManyPlacesAndLeavesOthersTheirs(t *testing.T) {
	i, c := fake.NewIntrospection(t), &clock{}
	s := introspect.NewStore(introspect.Options{Client: &http.Client{}, Now: c.now, Log: slog.New(slog.DiscardHandler)})
	var before, after []policy.Issuer
	for n := range 60 {
		before = append(before, s.Issuer(policy.ID{1}, askedAt(i, n)))
	}
	for n := range 60 {
		after = append(after, s.Issuer(policy.ID{1}, askedAt(i, 100+n)))
	}
	if err := asks(after[59], "a"); err == nil || i.Calls() != 0 {
		t.Errorf("one place too many: got %v, asked %d times", err, i.Calls())
	}
	if err := asks(after[39], "a"); err != nil {
		t.Errorf("the hundredth: got %v", err)
	}
	if s.Issuer(policy.ID{1}, askedAt(i, 7)) != before[7] {
		t.Error("the same question is another issuer's")
	}
	other := s.Issuer(policy.ID{2}, askedAt(i, 159))
	if err := asks(other, "a"); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	good, _ := other.Tables()
	for _, n := range []int{0, 1, 59} {
		if own, _ := before[n].Tables(); own == good {
			t.Error("two tenants share what is known of tokens")
		}
		if own, _ := after[n].Tables(); own == good || own == nil {
			t.Error("two tenants share what is known of tokens")
		}
	}
	runtime.KeepAlive(before) // and no longer
	eventually(t, "the place of one that no policy holds any more", func() bool {
		runtime.GC()
		c.move(time.Second)
		return asks(after[59], "b") == nil
	})
	runtime.KeepAlive(after)
}

// TestAnIssuerIsTheSameHoweverAnswersAreJudged holds that bounds of an issuer are
// those of all who ask it.
func TestAnIssuerIsTheSameHoweverAnswersAreJudged(t *testing.T) {
	i := fake.NewIntrospection(t)
	s := storeOf(&http.Client{}, io.Discard)
	first := s.Issuer(policy.ID{1}, question(i))
	for name, c := range map[string]struct {
		edit func(q *entry.IntrospectionPolicy)
		same bool
	}{
		"audiences":    {func(q *entry.IntrospectionPolicy) { q.Audiences = []string{"orders"} }, true},
		"required":     {func(q *entry.IntrospectionPolicy) { q.Required = []entry.RequiredClaim{{Name: "a"}} }, true},
		"cache":        {func(q *entry.IntrospectionPolicy) { q.CacheMS = 1000 }, true},
		"place":        {func(q *entry.IntrospectionPolicy) { q.In, q.Name = "header", "X-Token" }, true},
		"what is said": {func(q *entry.IntrospectionPolicy) { q.TimeoutMS, q.Concurrency = 3000, 32 }, true},
		"address":      {func(q *entry.IntrospectionPolicy) { q.URL += "?a" }, false},
		"client":       {func(q *entry.IntrospectionPolicy) { q.ClientID = "other" }, false},
		"secret":       {func(q *entry.IntrospectionPolicy) { q.ClientSecret.Opened = "other" }, false},
		"place of it":  {func(q *entry.IntrospectionPolicy) { q.ClientAuth = "post" }, false},
		"token":        {func(q *entry.IntrospectionPolicy) { q.Token.Opened = "asker" }, false},
		"timeout":      {func(q *entry.IntrospectionPolicy) { q.TimeoutMS = 100 }, false},
		"concurrency":  {func(q *entry.IntrospectionPolicy) { q.Concurrency = 1 }, false},
	} {
		q := question(i)
		c.edit(&q)
		if got := s.Issuer(policy.ID{1}, q); (got == first) != c.same {
			t.Errorf("another %s: the same is %v", name, got == first)
		}
	}
	for _, secret := range []string{"\xfe", "\xff"} { // which are no UTF-8
		q := question(i)
		q.ClientSecret.Opened = secret
		kept := s.Issuer(policy.ID{1}, q)
		q.ClientSecret.Opened = "\xfd"
		if s.Issuer(policy.ID{1}, q) == kept {
			t.Error("two secrets are taken for one")
		}
		runtime.KeepAlive(kept)
	}
	runtime.KeepAlive(first)
}

func TestQuestionsThatWaitAreBounded(t *testing.T) {
	i := fake.NewIntrospection(t)
	gone := make(chan struct{})
	release := sync.OnceFunc(func() { close(gone) })
	t.Cleanup(release)
	i.Answers(func(http.ResponseWriter, *http.Request) { <-gone })
	q := question(i)
	q.Concurrency, q.TimeoutMS = 1, 10_000
	issuer := storeOf(&http.Client{}, io.Discard).Issuer(policy.ID{1}, q)
	for n := range 17 { // a question goes on when its caller does not wait for it
		if n == 8 {
			if err := asks(issuer, "stranger"); err == nil || !strings.Contains(err.Error(), "too many questions") {
				t.Fatalf("one stranger too many: got %v", err)
			}
		}
		if err := leaves(issuer, strconv.Itoa(n), n >= 8); !errors.Is(err, context.Canceled) {
			t.Fatalf("question %d: got %v", n, err)
		}
	}
	if err := asks(issuer, "one too many"); err == nil || !strings.Contains(err.Error(), "too many questions") {
		t.Errorf("one too many: got %v", err)
	}
	if err := leaves(issuer, "3", false); !errors.Is(err, context.Canceled) {
		t.Errorf("one that is asked already: got %v", err)
	}
	release()
	for n := range 17 {
		if err := asks(issuer, strconv.Itoa(n)); err != nil {
			t.Errorf("question %d: %v", n, err)
		}
	}
}

// TestStrangersKeepNobodyWaitingWhoIsKnown has more of them under way than an issuer
// bears, and more coming.
func TestStrangersKeepNobodyWaitingWhoIsKnown(t *testing.T) {
	i := fake.NewIntrospection(t)
	var strangers, held atomic.Int64
	gone := make(chan struct{})
	t.Cleanup(func() { close(gone) })
	i.Answers(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.PostFormValue("token"), "stranger") {
			held.Add(1)
			select {
			case <-gone:
			case <-r.Context().Done():
			}
		}
	})
	q := question(i)
	q.Concurrency, q.TimeoutMS = 8, 10_000
	s := storeOf(&http.Client{}, io.Discard)
	issuer := s.Issuer(policy.ID{1}, q)
	for n := range 500 {
		if err := leaves(issuer, "stranger-"+strconv.Itoa(n), false); errors.Is(err, context.Canceled) {
			strangers.Add(1)
		}
	}
	eventually(t, "strangers to take what they may", func() bool { return held.Load() == 6 })
	if n := strangers.Load(); n != 68 {
		t.Errorf("%d strangers are asked about, want half of 136", n)
	}
	for n := range 20 {
		began := time.Now()
		if _, err := issuer.Ask(context.Background(), about("known-"+strconv.Itoa(n), true), read); err != nil || time.Since(began) > 5*time.Second {
			t.Fatalf("a token that was good before: got %v after %v", err, time.Since(began))
		}
	}
	if err := asks(issuer, "stranger-too"); err == nil {
		t.Error("one more stranger is asked about")
	}
}

// TestAQuestionThatPanicsIsOver has an answer on which its judge panics: whoever waits
// is told, places are free again, and the node goes on.
func TestAQuestionThatPanicsIsOver(t *testing.T) {
	i := fake.NewIntrospection(t)
	i.Tell(t, "a", nil)
	var log lockedLog
	q := question(i)
	q.Concurrency = 1
	issuer := storeOf(&http.Client{}, &log).Issuer(policy.ID{1}, q)
	for n := range 40 { // more than may wait
		known, err := issuer.Ask(context.Background(), about("a", n%2 == 0), func([]byte) (*token.Verified, error) { panic("hostile") })
		if known != nil || err == nil {
			t.Fatalf("question %d: got %v, %v", n, known, err)
		}
	}
	if err := asks(issuer, "a"); err != nil {
		t.Errorf("the next question: %v", err)
	}
	if text := log.String(); !strings.Contains(text, "panic=hostile") || !strings.Contains(text, "store_test.go") {
		t.Errorf("the log says %s", text)
	}
}

// TestTheLogSaysThatQuestionsAreTooMany has a flood of strangers' tokens, and a
// tenant with too many places to ask: the log says so, and not for each.
func TestTheLogSaysThatQuestionsAreTooMany(t *testing.T) {
	i, c := fake.NewIntrospection(t), &clock{}
	gone := make(chan struct{})
	t.Cleanup(func() { close(gone) })
	i.Answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-gone:
		case <-r.Context().Done():
		}
	})
	var log lockedLog
	s := introspect.NewStore(introspect.Options{Client: &http.Client{}, Now: c.now, Log: slog.New(slog.NewTextHandler(&log, nil))})
	q := question(i)
	q.Concurrency, q.TimeoutMS = 1, 30_000
	issuer := s.Issuer(policy.ID{1}, q)
	for n := range 200 {
		_ = leaves(issuer, strconv.Itoa(n), false)
	}
	const flood = "too many questions wait for an answer"
	if n := strings.Count(log.String(), flood); n != 1 {
		t.Errorf("the log says %d times that there are too many questions", n)
	}
	c.move(-time.Hour) // also when the clock was set back
	_ = leaves(issuer, "201", false)
	if n := strings.Count(log.String(), flood); n != 2 || !strings.Contains(log.String(), "others=191") {
		t.Errorf("the log says %d times that there are too many questions: %s", n, log.String())
	}

	var held []policy.Issuer
	for n := range 101 {
		held = append(held, s.Issuer(policy.ID{2}, askedAt(i, n)))
	}
	for range 50 {
		if err := asks(held[100], "a"); err == nil {
			t.Fatal("one place too many is asked")
		}
	}
	if n := strings.Count(log.String(), "has too many places to ask"); n != 1 {
		t.Errorf("the log says %d times that there are too many places: %s", n, log.String())
	}
	runtime.KeepAlive(held)
}

// TestAClockThatWasSetBackBarsNoIssuer has a place come free while the node's clock
// goes back a day.
func TestAClockThatWasSetBackBarsNoIssuer(t *testing.T) {
	i, c := fake.NewIntrospection(t), &clock{}
	s := introspect.NewStore(introspect.Options{Client: &http.Client{}, Now: c.now, Log: slog.New(slog.DiscardHandler)})
	var others []policy.Issuer
	for n := range 100 {
		others = append(others, s.Issuer(policy.ID{1}, askedAt(i, n)))
	}
	one := s.Issuer(policy.ID{1}, askedAt(i, 100))
	if err := asks(one, "a"); err == nil {
		t.Fatal("one place too many is asked")
	}
	runtime.KeepAlive(others)
	c.move(-24 * time.Hour)
	eventually(t, "the place of one that no policy holds any more", func() bool {
		runtime.GC()
		c.move(2 * time.Second)
		return asks(one, "b") == nil
	})
}

// held counts requests that are under way, and answers when it is let go.
type held struct {
	open, most atomic.Int64
	gone       chan struct{}
}

func (h *held) RoundTrip(r *http.Request) (*http.Response, error) {
	open := h.open.Add(1)
	defer h.open.Add(-1)
	for most := h.most.Load(); open > most && !h.most.CompareAndSwap(most, open); most = h.most.Load() {
		continue
	}
	select {
	case <-h.gone:
		return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

// TestATenantsIssuersTogetherAreAskedSoMuchAndNoMore has twenty that would bear ten
// times as many questions.
func TestATenantsIssuersTogetherAreAskedSoMuchAndNoMore(t *testing.T) {
	h := &held{gone: make(chan struct{})}
	s := storeOf(&http.Client{Transport: h}, io.Discard)
	var issuers []policy.Issuer
	for n := range 20 {
		issuers = append(issuers, s.Issuer(policy.ID{1}, entry.IntrospectionPolicy{
			URL: "https://id.example.com/" + strconv.Itoa(n), Token: entry.Secret{Opened: "asker"}, Concurrency: 256, TimeoutMS: 10_000,
		}))
	}
	taken, known := 0, 0
	for n := range 6000 {
		if errors.Is(leaves(issuers[n%20], strconv.Itoa(n), false), context.Canceled) {
			taken++
		}
	}
	eventually(t, "strangers' questions to be open", func() bool { return h.open.Load() == 384 })
	for n := range 6000 {
		if errors.Is(leaves(issuers[n%20], strconv.Itoa(6000+n), true), context.Canceled) {
			known++
		}
	}
	eventually(t, "questions to be open", func() bool { return h.open.Load() == 512 })
	if taken != 2048 || known != 2048 {
		t.Errorf("%d questions about strangers' tokens and %d about others are under way, want 2048 of each", taken, known)
	}
	other := s.Issuer(policy.ID{2}, entry.IntrospectionPolicy{URL: "https://id.example.com/", TimeoutMS: 10_000})
	if err := leaves(other, "a", false); !errors.Is(err, context.Canceled) {
		t.Errorf("another tenant: got %v", err)
	}
	eventually(t, "another tenant's to be open", func() bool { return h.open.Load() == 513 })
	close(h.gone)
	eventually(t, "all to be answered", func() bool { return h.open.Load() == 0 })
	if most := h.most.Load(); most != 513 {
		t.Errorf("%d were open at once", most)
	}
	runtime.KeepAlive(issuers)
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
	if err := asks(storeOf(nil, &log).Issuer(policy.ID{1}, question(i)), "canary"); err == nil || strings.Contains(log.String(), "canary") {
		t.Errorf("without a client: got %v, log %s", err, log.String())
	}
	q := question(i)
	q.ClientSecret.Opened = "guessed"
	if err := asks(storeOf(&http.Client{}, io.Discard).Issuer(policy.ID{1}, q), "canary"); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "401") {
		t.Errorf("with another secret: got %v", err)
	}
	q.URL = "http://127.0.0.1:1/?key=canary"
	if err := asks(storeOf(&http.Client{}, io.Discard).Issuer(policy.ID{1}, q), "x"); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("of nobody: got %v", err)
	}
}
