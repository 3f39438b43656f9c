package bus

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"portico/internal/entry"
)

// Sizes in bytes.
const (
	maxPayload = 1 << 20   // of a message; the server's default
	maxInline  = 256 << 10 // of a body in the bucket; larger ones go to the object store
	maxBody    = 64 << 20  // of a body at all
)

// maxNumber bounds epochs and sequences, to what JSON numbers hold exactly. A
// greater one is no position of ours, and must not outrank the truth for ever.
const maxNumber = 1 << 53

// Sum is the SHA-256 of an entry as it stands in the bucket. Equal sums are
// equal entries.
type Sum [sha256.Size]byte

// SumOf returns the sum that an item has in the bucket.
func SumOf(it entry.Item) (Sum, error) {
	value, _, err := encode(it)
	return sha256.Sum256(value), err
}

// encode returns an item's value in the bucket, with the body apart when it is
// too large for it.
func encode(it entry.Item) (value, large []byte, err error) {
	env := it.Envelope
	if len(env.Body) > maxBody {
		return nil, nil, fmt.Errorf("encode entry %s: its body has %d bytes, the most is %d", it.Key, len(env.Body), maxBody)
	}
	if len(env.Body) > maxInline {
		sum := sha256.Sum256(env.Body)
		large = env.Body
		env.Digest, env.Body = hex.EncodeToString(sum[:]), nil
	}
	value, err = json.Marshal(env)
	if err != nil {
		return nil, nil, fmt.Errorf("encode entry %s: %w", it.Key, err)
	}
	return value, large, nil
}

// decode reads what stands under a raw key. What cannot be an entry comes with
// the error that says why, as an item of no kind: its position if one could be
// read, and the raw value as its body.
func decode(raw string, value []byte) (entry.Item, error) {
	bad := entry.Item{Key: entry.Key(raw), Envelope: entry.Envelope{Body: value}}
	key, err := entry.ParseKey(raw)
	if err != nil {
		return bad, err
	}
	it, err := entry.Open(key, value)
	if it.Epoch > maxNumber || it.Sequence > maxNumber {
		return bad, fmt.Errorf("entry %s: position %d, %d is out of range", key, it.Epoch, it.Sequence)
	}
	if err == nil && it.Digest != "" && !hexDigits(it.Digest, 2*sha256.Size) {
		err = fmt.Errorf("entry %s: its digest is no SHA-256", key)
	}
	if err != nil {
		bad.Position = it.Position
		return bad, err
	}
	return it, nil
}

func hexDigits(s string, n int) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == n
}
