package policy

import "time"

// Trail is the calls to upstreams that one request made, recorded only where
// somebody looks: its way is explained, or it is traced. What does not fit any
// more is dropped.
type Trail struct {
	List  [4]Try
	Count int
}

// Try is one call to an upstream, until its answer's head.
type Try struct {
	Target  string // host and port, the configuration's
	Reused  bool   // the connection was open already
	Began   time.Time
	Took    time.Duration
	Outcome string // in a few words
	Status  int    // 0 for no answer
}

// Begin records that a try begins.
func (t *Trail) Begin(target string, reused bool) {
	if t.Count < len(t.List) {
		t.List[t.Count] = Try{Target: target, Reused: reused, Began: time.Now()}
	}
	t.Count++
}

// Over records whether the connection of the try that began last was open
// already, where that is known only then.
func (t *Trail) Over(open bool) {
	if i := t.Count - 1; i >= 0 && i < len(t.List) {
		t.List[i].Reused = open
	}
}

// End records how the try that began last went.
func (t *Trail) End(outcome string, status int) {
	if i := t.Count - 1; i >= 0 && i < len(t.List) {
		t.List[i].Took, t.List[i].Outcome, t.List[i].Status = time.Since(t.List[i].Began), outcome, status
	}
}

// All returns what was recorded.
func (t *Trail) All() []Try {
	if t == nil {
		return nil
	}
	return t.List[:min(t.Count, len(t.List))]
}
