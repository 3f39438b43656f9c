package console

import (
	"crypto/rand"
	"sync"
	"time"
)

// receipts make a form's second submission harmless. Every form that makes
// something carries a random number; the first post with it does the work, and
// any other one, also at the same time, is sent where the first one was sent.
// A post that failed leaves no receipt, so that it can be corrected.
//
// They are in this process's memory and forgotten after receiptsKept: what must
// hold beyond that (a unique slug, one decision per request) the use cases hold.
type receipts struct {
	now func() time.Time

	mu   sync.Mutex // guards byID
	byID map[string]*receipt
}

type receipt struct {
	mu   sync.Mutex // held while the work is done
	to   string     // where the post was sent; "" until it succeeded
	made time.Time
}

const (
	receiptsKept = 10 * time.Minute
	receiptsMost = 10_000
)

func newReceipts(now func() time.Time) *receipts {
	return &receipts{now: now, byID: map[string]*receipt{}}
}

// mint returns a new number for a form.
func (r *receipts) mint() string { return rand.Text() }

// do runs work unless it was done for this session and form already, and
// returns where to go. An empty form number always works.
func (r *receipts) do(session, form string, work func() (string, error)) (to string, again bool, err error) {
	if form == "" || len(form) > 64 {
		to, err = work()
		return to, false, err
	}
	rec := r.hold(session + "\x00" + form)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.to != "" {
		return rec.to, true, nil
	}
	to, err = work()
	if err == nil {
		rec.to = to
	}
	return to, false, err
}

func (r *receipts) hold(id string) *receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if rec, ok := r.byID[id]; ok && now.Sub(rec.made) < receiptsKept {
		return rec
	}
	if len(r.byID) >= receiptsMost {
		r.byID = map[string]*receipt{} // a flood costs convenience, not memory
	}
	for key, rec := range r.byID {
		if now.Sub(rec.made) >= receiptsKept {
			delete(r.byID, key)
		}
	}
	rec := &receipt{made: now}
	r.byID[id] = rec
	return rec
}
