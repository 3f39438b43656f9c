package policy

import "context"

// Proof proves to an upstream who calls it, by what it writes into the head of
// every request. It is shared by all calls and keeps nothing of any but what it
// leaves in the exchange.
type Proof interface {
	// Ready gets what Append writes, once for a call and before anything of it is
	// sent. It may wait, and may read the request's body whole. Its errors are
	// *Denied or *Broken.
	Ready(ctx context.Context, ex *Exchange) error
	// Replaces reports whether a header is the proof's own, so that the request
	// must not have it from elsewhere.
	Replaces(name string) bool
	// Append appends the lines that prove it to a head that is otherwise whole,
	// but for the empty line at its end.
	Append(head []byte, ex *Exchange) []byte
	// Refused hears that an upstream has answered 401, and reports whether there is
	// another proof now, with which the call may be made once more. Where again is
	// false nobody will, and it does not wait.
	Refused(ctx context.Context, ex *Exchange, again bool) bool
}

// proofStep gives calls of an upstream a proof.
type proofStep struct {
	Proof
	upstream string // its name; "" for all
	own      bool   // the route's own, not its API's
	text     string // for people, without a secret
	told     func(*Exchange) string
}

// Run implements Step.
func (s *proofStep) Run(_ context.Context, ex *Exchange) error {
	ex.proofs = append(ex.proofs, s)
	return nil
}

func (s *proofStep) explain(ex *Exchange) string {
	text := s.text
	if s.told != nil {
		text += s.told(ex)
	}
	if s.upstream != "" {
		text += ", to the upstream " + s.upstream + " alone"
	}
	return text
}

// ProofFor returns what proves to an upstream who calls it, nil for nothing. Its
// name is one, and that of the upstream in whose place it is called another, which
// may be the same. A route's own proof counts more than its API's, and then what is
// for that upstream alone.
func (ex *Exchange) ProofFor(upstream, inPlaceOf string) Proof {
	var found Proof
	most := 0
	for _, s := range ex.proofs {
		if rank := s.rank(upstream, inPlaceOf); rank > 0 && rank >= most {
			found, most = s.Proof, rank
		}
	}
	return found
}

// rank says how much a proof counts for an upstream; 0 for one that is not for it.
func (s *proofStep) rank(upstream, inPlaceOf string) (rank int) {
	switch s.upstream {
	case upstream:
		rank = 3
	case inPlaceOf:
		rank = 2
	case "":
		rank = 1
	default:
		return 0
	}
	if s.own {
		rank += 3
	}
	return rank
}

// ProveAs gives an exchange that was made of another one its proofs.
func (ex *Exchange) ProveAs(other *Exchange) { ex.proofs = append(ex.proofs[:0], other.proofs...) }
