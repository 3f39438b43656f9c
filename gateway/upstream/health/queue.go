package health

import (
	"container/heap"
	"time"
)

// push puts what is not in the queue there. mu is held.
func (s *Scheduler) push(w *Watch) {
	t := s.waiting[w.target.Tenant]
	if t == nil {
		t = &tenant{name: w.target.Tenant}
		s.waiting[t.name] = t
		heap.Push(&t.queue, w)
		heap.Push(&s.queue, t)
		return
	}
	heap.Push(&t.queue, w)
	heap.Fix(&s.queue, t.at)
}

// remove takes out of the queue what is there. mu is held.
func (s *Scheduler) remove(w *Watch) {
	t := s.waiting[w.target.Tenant]
	heap.Remove(&t.queue, w.at)
	if len(t.queue) > 0 {
		heap.Fix(&s.queue, t.at)
		return
	}
	heap.Remove(&s.queue, t.at)
	delete(s.waiting, t.name)
}

// tenant is what there is to ask of one tenant's; never nothing.
type tenant struct {
	name  string
	queue queue[*Watch]
	at    int // in the scheduler's queue
}

func (t *tenant) when() time.Time { return t.queue[0].due }
func (t *tenant) moved(to int)    { t.at = to }
func (w *Watch) when() time.Time  { return w.due }
func (w *Watch) moved(to int)     { w.at = to }

// queue is a heap by when its items are due.
type queue[T item] []T

type item interface {
	when() time.Time
	moved(to int) // in the queue; -1 out of it
}

func (q queue[T]) Len() int           { return len(q) }
func (q queue[T]) Less(i, j int) bool { return q[i].when().Before(q[j].when()) }
func (q queue[T]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].moved(i)
	q[j].moved(j)
}

// Push implements heap.Interface.
func (q *queue[T]) Push(x any) {
	one := x.(T)
	one.moved(len(*q))
	*q = append(*q, one)
}

// Pop implements heap.Interface.
func (q *queue[T]) Pop() any {
	last := len(*q) - 1
	one := (*q)[last]
	(*q)[last] = *new(T)
	*q = (*q)[:last]
	one.moved(-1)
	return one
}
