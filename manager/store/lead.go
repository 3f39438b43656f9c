package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"time"
)

// leads is who leads what within this process.
type leads struct {
	mu     sync.Mutex // guards places
	places map[string]chan struct{}
}

// place is a channel that the leader has put its mark into.
func (l *leads) place(name string) chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.places == nil {
		l.places = map[string]chan struct{}{}
	}
	if l.places[name] == nil {
		l.places[name] = make(chan struct{}, 1)
	}
	return l.places[name]
}

// leadChecked is how often a leader looks whether it still is one.
const leadChecked = time.Second

// errLost is the cause with which a leader's context ends.
var errLost = errors.New("the database has given the lead away")

// Lead waits until nobody else leads under a name, and runs fn as the one that
// does. fn's context ends when the connection that holds the lead is lost;
// somebody else may lead before fn has noticed, so what it writes has to be
// safe against that by itself. Lead returns fn's error, or ctx's when ctx ends
// while it waits.
//
// On PostgreSQL all processes on the database take part, and the lead of one
// that ends or loses its connection passes on. A SQLite database is one
// process's, and so are its leads: those of one Store.
func (s *Store) Lead(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	place := s.leads.place(name)
	select {
	case place <- struct{}{}:
		defer func() { <-place }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if !s.shared {
		return fn(ctx)
	}
	conn, err := s.readPool.Conn(ctx)
	if err != nil {
		return away(fmt.Errorf("wait for the lead: %w", err))
	}
	defer discard(conn)
	key := fnv.New32a()
	_, _ = key.Write([]byte(name))
	if _, err := conn.ExecContext(ctx, "SELECT pg_advisory_lock($1, $2)", lockLead, int32(key.Sum32())); err != nil {
		return away(fmt.Errorf("wait for the lead: %w", err))
	}
	leading, lose := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { watchLead(leading, conn, lose) })
	err = fn(leading)
	lose(context.Canceled)
	watch.Wait()
	return err
}

// watchLead ends the lead with the connection that holds it.
func watchLead(ctx context.Context, conn *sql.Conn, lose context.CancelCauseFunc) {
	tick := time.NewTicker(leadChecked)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked, cancel := context.WithTimeout(ctx, 5*leadChecked)
		_, err := conn.ExecContext(asked, "SELECT 1")
		cancel()
		if err != nil {
			lose(fmt.Errorf("%w: %w", errLost, err))
			return
		}
	}
}

// discard closes a connection for good: the lead goes with it, whatever state
// it is in.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // database/sql closes what says so
	_ = conn.Close()
}
