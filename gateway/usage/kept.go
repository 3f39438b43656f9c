package usage

// Kept is what an exchange holds for its record. The zero value is of a call
// that has no slot.
type Kept struct {
	Slot    Slot
	Version [16]byte // of the API, once it is known
}
