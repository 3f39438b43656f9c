package usage

import "time"

// Kept is what an exchange holds for its record. The zero value is of a call
// that has no slot.
type Kept struct {
	Slot     Slot
	Version  [16]byte      // of the API, once it is known
	Code     string        // of the refusal that it was answered with
	Upstream time.Duration // from the request's head to the head of the upstream's answer
	Sent     int64         // bytes of the answer's body that went out
}
