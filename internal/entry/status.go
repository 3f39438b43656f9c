package entry

// Status is what a node says of itself, every second and on change. Times are
// milliseconds since 1970 by the node's clock.
type Status struct {
	Node        string       `json:"node"` // uuid
	Name        string       `json:"name"`
	Environment string       `json:"environment"` // slug
	Build       string       `json:"build"`       // version of the program
	Schema      int          `json:"schema"`
	Kinds       []PolicyKind `json:"kinds"`

	// Applied is the last head up to which every entry was applied or refused.
	Applied Position  `json:"applied"`
	Refused []Refusal `json:"refused,omitempty"`
	APIs    int       `json:"apis"`
	Grants  int       `json:"grants"`

	StartedAt int64 `json:"started_at"`
	SentAt    int64 `json:"sent_at"`
	Ready     bool  `json:"ready"`
	Draining  bool  `json:"draining,omitempty"`
	// FromDisk says that the node serves a copy from its disk and has not yet
	// heard from the bus.
	FromDisk bool `json:"from_disk,omitempty"`
}

// Refusal is an entry that a node could not serve. It keeps the last good one
// for that key alone.
type Refusal struct {
	Key    Key      `json:"key"`
	At     Position `json:"at"`
	Reason string   `json:"reason"`
}
