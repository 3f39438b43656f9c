package policy

import "time"

// Explain is the way of one request through its chain, recorded only when it is
// asked for. What does not fit any more is counted and dropped.
type Explain struct {
	Steps   [32]Explained
	Count   int
	Dropped int
}

// Explained is one step of the way.
type Explained struct {
	Step    string // the policy's kind, or "match", "upstream"
	Outcome string // "ok", or the code of the refusal
	Took    time.Duration
}

func (e *Explain) add(step, outcome string, took time.Duration) {
	if e.Count == len(e.Steps) {
		e.Dropped++
		return
	}
	e.Steps[e.Count] = Explained{step, outcome, took}
	e.Count++
}
