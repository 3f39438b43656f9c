package store_test

import (
	"context"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"portico/manager/store"
)

// Whoever reads in a transaction has a connection and waits for nobody who has
// none: a statement that is new to both must not be prepared by the one who
// waits for a connection while all who have one wait for the statement.
func TestReadersDoNotWaitForOneAnother(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "portico.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	readers := max(4, runtime.GOMAXPROCS(0))
	var begun, under sync.WaitGroup
	goOn := make(chan struct{})
	begun.Add(readers)
	for range readers {
		under.Go(func() {
			err := s.Read(ctx, func(tx *store.Tx) error {
				if _, err := tx.System().HasOperator(ctx); err != nil {
					return err
				}
				begun.Done()
				<-goOn
				_, err := tx.System().Environments(ctx)
				return err
			})
			if err != nil {
				t.Errorf("in a transaction: %v", err)
			}
		})
	}
	begun.Wait() // every connection is taken
	under.Go(func() {
		if _, err := s.System().Environments(ctx); err != nil {
			t.Errorf("outside one: %v", err)
		}
	})
	select { // it waits for a connection now
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
	}
	close(goOn)
	under.Wait()
}
