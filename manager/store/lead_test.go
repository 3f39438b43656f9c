package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"portico/manager/store"
	"portico/test/postgres"
)

// leader begins to lead in the background. led gets the leader's context.
func leader(t *testing.T, s *store.Store, name string) (led <-chan context.Context, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	contexts, done := make(chan context.Context, 1), make(chan error, 1)
	go func() {
		done <- s.Lead(ctx, name, func(ctx context.Context) error {
			contexts <- ctx
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	end = func() {
		cancel()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("the leader did not end")
		}
	}
	return contexts, end
}

func wait[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("it was not so that %s", what)
		panic("unreachable")
	}
}

func TestOneLeadsAndTheNextFollows(t *testing.T) { postgres.Both(t, testOneLeadsAndTheNextFollows) }

func testOneLeadsAndTheNextFollows(t *testing.T, place postgres.Place) {
	s := open(t, place)
	first, endFirst := leader(t, s, "production")
	wait(t, first, "the first leads")
	second, endSecond := leader(t, s, "production")
	defer endSecond()
	other, endOther := leader(t, s, "sandbox")
	defer endOther()
	wait(t, other, "another name has its own leader")
	select {
	case <-second:
		t.Fatal("two lead at once")
	case <-time.After(50 * time.Millisecond):
	}
	endFirst()
	wait(t, second, "the second leads when the first has ended")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := s.Lead(ctx, "production", func(context.Context) error { return nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the context's error while another leads", err)
	}
}

// Managers are processes of their own; the database decides between them, and
// takes the lead from one that it does not hear any more.
func TestLeadPassesToAnotherManagerWhenTheConnectionIsLost(t *testing.T) {
	address := postgres.Database(t)
	one, other := openAt(t, address), openAt(t, address)
	first, endFirst := leader(t, one, "production")
	defer endFirst()
	leading := wait(t, first, "the first leads")
	second, endSecond := leader(t, other, "production")
	defer endSecond()
	select {
	case <-second:
		t.Fatal("two managers lead at once")
	case <-time.After(50 * time.Millisecond):
	}
	if _, err := postgres.SQL(t, postgres.Unbound(address)).Exec(`SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
		WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted`); err != nil {
		t.Fatal(err)
	}
	wait(t, second, "the other manager leads")
	wait(t, leading.Done(), "the first has noticed")
	if err := context.Cause(leading); errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it to say that the lead was lost", err)
	}
}
