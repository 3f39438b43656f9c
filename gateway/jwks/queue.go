package jwks

import (
	"slices"

	"portico/gateway/policy"
)

// Fetches at a time. An issuer that does not answer holds one for fetchTimeout, so
// that no tenant may have more than a few, nor a second while most are taken.
const (
	fetchesAtATime  = 32
	fetchesOfTenant = 4
	fetchesBeside   = fetchesAtATime / 2 // from here on a tenant that has one gets no other
)

// queue shares fetches among tenants: in turn, and each no more than its part. The
// zero value is empty. It is not safe for concurrent use.
type queue struct {
	turns   []policy.ID // the tenants that wait, the next one first
	tenants map[policy.ID]*turn
	running int
}

// turn is what a tenant has in the queue.
type turn struct {
	waiting []*set // those whose last fetch has failed behind the others
	failed  int    // how many have
	running int
}

// add lets a set wait.
func (q *queue) add(tenant policy.ID, due *set, failed bool) {
	t := q.tenants[tenant]
	if t == nil {
		if q.tenants == nil {
			q.tenants = map[policy.ID]*turn{}
		}
		t = &turn{}
		q.tenants[tenant] = t
	}
	if len(t.waiting) == 0 {
		q.turns = append(q.turns, tenant)
	}
	if failed {
		t.waiting = append(t.waiting, due)
		t.failed++
		return
	}
	t.waiting = slices.Insert(t.waiting, len(t.waiting)-t.failed, due)
}

// next takes the set that may be fetched now, nil for none. Call ended when it was.
func (q *queue) next() (tenant policy.ID, due *set) {
	for i, id := range q.turns {
		t := q.tenants[id]
		if !q.may(t) {
			continue
		}
		if t.failed == len(t.waiting) {
			t.failed--
		}
		due, t.waiting = t.waiting[0], t.waiting[1:]
		t.running++
		q.running++
		q.turns = slices.Delete(q.turns, i, i+1)
		if len(t.waiting) > 0 {
			q.turns = append(q.turns, id)
		}
		return id, due
	}
	return policy.ID{}, nil
}

func (q *queue) may(t *turn) bool {
	if t.running == 0 {
		return q.running < fetchesAtATime
	}
	return t.running < fetchesOfTenant && q.running < fetchesBeside
}

// ended takes note that a fetch of a tenant is over.
func (q *queue) ended(tenant policy.ID) {
	t := q.tenants[tenant]
	t.running--
	q.running--
	if t.running == 0 && len(t.waiting) == 0 {
		delete(q.tenants, tenant)
	}
}
