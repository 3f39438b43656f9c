package entry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Schema is the version of the contract that this build writes and reads.
const Schema = 1

// Position orders the entries of an environment. Epoch grows when a bucket is
// rebuilt from the database, Sequence with every published change. The zero
// value is before everything.
type Position struct {
	Epoch    uint64 `json:"epoch"`
	Sequence uint64 `json:"sequence"`
}

// After reports whether p is newer than q.
func (p Position) After(q Position) bool {
	if p.Epoch != q.Epoch {
		return p.Epoch > q.Epoch
	}
	return p.Sequence > q.Sequence
}

// Envelope is an entry's value as it travels. Ended marks a tombstone: what
// the key named is no more, and Body is empty. Digest is set instead of Body
// when the body is too large for the bucket and lies in the object store under
// its SHA-256 (lower-case hex).
type Envelope struct {
	Schema int `json:"schema"`
	Position
	Kind   Kind            `json:"kind"`
	Ended  bool            `json:"ended,omitempty"`
	Digest string          `json:"digest,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// Item is an entry with its key.
type Item struct {
	Key Key
	Envelope
}

// Body is implemented by the types that an entry can hold.
type Body interface {
	Keys | Env | Cert | Terms | API | Grant
}

// Encode returns body as an entry of schema 1. The error is of JSON encoding
// only; whether the entry can be served is entry/check's to say.
func Encode[B Body](key Key, at Position, body B) (Item, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return Item{}, fmt.Errorf("encode entry %s: %w", key, err)
	}
	return Item{Key: key, Envelope: Envelope{Schema: Schema, Position: at, Kind: key.Kind(), Body: raw}}, nil
}

// Tombstone returns the entry that ends what key names.
func Tombstone(key Key, at Position) Item {
	return Item{Key: key, Envelope: Envelope{Schema: Schema, Position: at, Kind: key.Kind(), Ended: true}}
}

// Mark returns a head or complete entry, which has a position and no body.
func Mark(key Key, at Position) Item {
	return Item{Key: key, Envelope: Envelope{Schema: Schema, Position: at, Kind: key.Kind()}}
}

// Open reads an envelope. It refuses one of another schema, one whose kind is
// not its key's, and unknown fields, naming them.
func Open(key Key, value []byte) (Item, error) {
	var env Envelope
	if err := Strict(value, &env); err != nil {
		return Item{}, fmt.Errorf("entry %s: %w", key, err)
	}
	it := Item{Key: key, Envelope: env}
	switch {
	case env.Schema != Schema:
		return it, fmt.Errorf("entry %s: schema %d, this build reads schema %d", key, env.Schema, Schema)
	case env.Kind != key.Kind():
		return it, fmt.Errorf("entry %s: holds kind %q", key, env.Kind)
	}
	return it, nil
}

// Decode reads an item's body strictly.
func Decode[B Body](it Item) (B, error) {
	var body B
	if it.Ended || len(it.Body) == 0 {
		return body, fmt.Errorf("entry %s: has no body", it.Key)
	}
	if err := Strict(it.Body, &body); err != nil {
		return body, fmt.Errorf("entry %s: %w", it.Key, err)
	}
	return body, nil
}

// Strict decodes one JSON value, refusing unknown fields and trailing data.
func Strict(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if len(bytes.TrimLeft(raw[dec.InputOffset():], " \t\r\n")) > 0 { // asking the decoder would copy all of it once more
		return errors.New("data after the value")
	}
	return nil
}
