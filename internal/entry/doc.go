// Package entry is the one contract between Portico's planes: what the
// manager publishes for an environment, and what gateway nodes report back.
//
// An environment's configuration is a set of entries. Each has a Key, a value
// that is replaced whole and never edited, and a Position; an entry is applied
// only when its position is newer than the one a node already has, so that
// duplicates and late arrivals do no harm. The values are JSON with field
// names in snake_case and are decoded strictly: an unknown kind, policy or
// field is refused by name, never skipped, because configured protection that
// does nothing is the worst bug a gateway can have.
//
// The package holds the types, their encoding and their keys. It deliberately
// does not carry anything (internal/bus does), decide whether entries can be
// served together (entry/check does), or know a noun of the commercial model:
// products, prices and people stay in the control plane.
//
// # Why envelope and body are decoded apart
//
// A reader must learn an entry's kind and position even when its body is of a
// newer schema, so that the refusal can name them. Open therefore reads the
// envelope first and the typed body second.
package entry
