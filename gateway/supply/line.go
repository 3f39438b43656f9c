package supply

import (
	"slices"

	"portico/gateway/policy"
)

// line shares requests among tenants: in turn, and each no more than its part. One
// that is not answered holds its place for long, so that no tenant may have more
// than a few, nor a second while half of all are taken. It is not safe for
// concurrent use.
type line[S any] struct {
	atATime, ofTenant int

	turns   []policy.ID // the tenants that wait, the next one first
	tenants map[policy.ID]*queue[S]
	running int
}

// queue is what a tenant has in the line.
type queue[S any] struct {
	waiting []S // those whose newest request has failed behind the others
	failed  int // how many have
	running int
}

// add lets a thing wait.
func (l *line[S]) add(tenant policy.ID, due S, failed bool) {
	q := l.tenants[tenant]
	if q == nil {
		if l.tenants == nil {
			l.tenants = map[policy.ID]*queue[S]{}
		}
		q = &queue[S]{}
		l.tenants[tenant] = q
	}
	if len(q.waiting) == 0 {
		l.turns = append(l.turns, tenant)
	}
	if failed {
		q.waiting = append(q.waiting, due)
		q.failed++
		return
	}
	q.waiting = slices.Insert(q.waiting, len(q.waiting)-q.failed, due)
}

// next takes the thing that may be got now, if there is one. Call ended when it was.
func (l *line[S]) next() (tenant policy.ID, due S, ok bool) {
	for i, id := range l.turns {
		q := l.tenants[id]
		if !l.may(q) {
			continue
		}
		if q.failed == len(q.waiting) {
			q.failed--
		}
		due = q.waiting[0]
		q.waiting = slices.Delete(q.waiting, 0, 1)
		q.running++
		l.running++
		l.turns = slices.Delete(l.turns, i, i+1)
		if len(q.waiting) > 0 {
			l.turns = append(l.turns, id)
		}
		return id, due, true
	}
	return tenant, due, false
}

func (l *line[S]) may(q *queue[S]) bool {
	if q.running == 0 {
		return l.running < l.atATime
	}
	return q.running < l.ofTenant && l.running < l.atATime/2
}

// ended takes note that a request of a tenant is over.
func (l *line[S]) ended(tenant policy.ID) {
	q := l.tenants[tenant]
	q.running--
	l.running--
	if q.running == 0 && len(q.waiting) == 0 {
		delete(l.tenants, tenant)
	}
}
