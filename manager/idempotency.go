package manager

import (
	"context"
	"crypto/sha256"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager/store"
)

const (
	// idempotencyKept is how long a key stands for one request.
	idempotencyKept = 24 * time.Hour
	// answerComes is how long the answer to a request may take. One that is not
	// kept after it will not be any more.
	answerComes = time.Minute

	shortestIdempotencyKey, longestIdempotencyKey = 16, 255
)

// Attempt is one request under an idempotency key
// (draft-ietf-httpapi-idempotency-key-header): of all that are equal at most
// one makes its change. It is for one goroutine.
type Attempt struct {
	// Answer is what the request was answered before, as it was given to Keep;
	// nil when this is the first.
	Answer []byte

	core  *Core
	claim *store.Claim
	box   *secret.Box
}

// Once prepares a request under a key of the caller's, 16 to 255 visible ASCII
// characters. fingerprint names the request: the key may stand for no other. It
// is Invalid for a key that does, and a Conflict while the first request runs
// or when its answer was lost. The key is not stored, and opens what is.
func (c *Core) Once(ctx context.Context, actor apim.Actor, key string, fingerprint func() (string, error)) (*Attempt, error) {
	var check apim.Check
	if len(key) < shortestIdempotencyKey || len(key) > longestIdempotencyKey || !visible(key) {
		check.Fail("Idempotency-Key", "format", "is not %d to %d visible ASCII characters; a random UUID is a good one", shortestIdempotencyKey, longestIdempotencyKey)
		return nil, check.Err()
	}
	caller := actor.Person
	if caller == "" {
		caller = actor.Token
	}
	sealing, err := secret.Derive(sha256.Sum256([]byte(string(caller)+" "+key)), "idempotency answer")
	if err != nil {
		return nil, err
	}
	box, err := secret.NewBox(sealing)
	if err != nil {
		return nil, err
	}
	now := c.now()
	a := &Attempt{core: c, box: box, claim: &store.Claim{
		Hash: secret.HashHex("idempotency " + string(caller) + " " + key), At: now, Since: now.Add(-idempotencyKept), Fingerprint: fingerprint,
	}}
	before, found, err := c.Store.System().Claimed(ctx, a.claim.Hash, a.claim.Since)
	if err != nil || !found {
		return a, err
	}
	mine, err := fingerprint()
	switch {
	case err != nil:
		return nil, err
	case mine != before.Fingerprint:
		check.Fail("Idempotency-Key", "reused", "was sent with another request within 24 hours; every request needs a key of its own")
		return nil, check.Err()
	case len(before.Answer) > 0:
		a.Answer, err = box.Open(before.Answer, a.claim.Hash)
		return a, err
	case now.Sub(before.At) < answerComes:
		return nil, store.ErrClaimed
	}
	return nil, apim.Errorf(apim.Conflict, "the request with this Idempotency-Key was carried out, but its answer was lost; look at what it made, and send what is new with a new key").WithCode("idempotency_answer_lost")
}

// Context returns the context under which the request's change takes the key.
func (a *Attempt) Context(ctx context.Context) context.Context {
	return store.WithClaim(ctx, a.claim)
}

// Keep keeps the answer for requests to come. A request that changed nothing
// leaves its key free: it is carried out again.
func (a *Attempt) Keep(ctx context.Context, answer []byte) error {
	if !a.claim.Taken() {
		return nil
	}
	sealed, err := a.box.Seal(answer, a.claim.Hash)
	if err != nil {
		return err
	}
	return a.core.Store.KeepAnswer(ctx, a.claim.Hash, sealed)
}

func visible(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
