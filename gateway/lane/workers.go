package lane

import "sync"

// job is something to do on a goroutine of its own.
type job interface{ work() }

// workers are goroutines that do one job after the other. A new goroutine begins
// with a small stack, which grows by being copied: for a call by HTTP/2, which
// net/http gives a goroutine of its own, that costs more than to hand the call
// over to one whose stack has grown. The zero value is ready.
type workers struct {
	mu     sync.Mutex
	idle   []*worker // the last one has the warmest stack; guarded by mu
	closed bool      // guarded by mu
}

type worker struct{ next chan job }

const maxIdleWorkers = 256

// do has a job done, and does not wait for it.
func (p *workers) do(j job) {
	p.mu.Lock()
	last := len(p.idle) - 1
	if last < 0 {
		p.mu.Unlock()
		go p.run(j)
		return
	}
	w := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	p.mu.Unlock()
	w.next <- j // it has room for one
}

func (p *workers) run(j job) {
	w := &worker{next: make(chan job, 1)}
	for {
		j.work()
		if !p.rest(w) {
			return
		}
		next, ok := <-w.next
		if !ok {
			return
		}
		j = next
	}
}

// rest reports whether there may be another job for a worker.
func (p *workers) rest(w *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.idle) >= maxIdleWorkers {
		return false
	}
	p.idle = append(p.idle, w)
	return true
}

// close sends the workers home: at once, or when their jobs are done. Jobs may
// still be given.
func (p *workers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, w := range p.idle {
		close(w.next)
	}
	p.idle = nil
}
