package manager

import (
	"context"
	"crypto/rand"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
)

// Requests carries out once what callers send with an Idempotency-Key, across
// all managers.
//
// A request is taken before it is carried out. The transaction of its change
// notes that it was made, so that a manager that dies leaves no doubt: what was
// not noted was not done, and may be taken over. The answer is kept after that.
type Requests struct{ Core }

// OnceAnswer is what is kept of a request that was sent with an
// Idempotency-Key.
type OnceAnswer = store.OnceAnswer

// How long a request is kept, how long one may take before another try takes
// it over, and how many of one token or person are kept.
const (
	onceFor   = 24 * time.Hour
	onceLease = 15 * time.Minute
	mostOnce  = 10_000
)

// Begin takes a request of the actor in a tenant ("" is the installation). mine
// says that it is to be carried out, with the returned context, and then to be
// ended by Answer or Forget; else have says what there is of an earlier one.
func (r *Requests) Begin(ctx context.Context, actor apim.Actor, tenant apim.ID, key, fingerprint string) (once context.Context, have OnceAnswer, mine bool, err error) {
	o := store.Once{Tenant: tenant, Owner: actor.Token, Key: key, Attempt: rand.Text()}
	if o.Owner == "" {
		o.Owner = actor.Person
	}
	now := r.now()
	have, mine, err = r.Store.BeginOnce(ctx, o, fingerprint, now, now.Add(onceLease), now.Add(onceFor), mostOnce)
	return context.WithValue(ctx, onceKey{}, o), have, mine, err
}

// Answer keeps the answer of the request that ctx is of. It is done also when
// the caller has gone.
func (r *Requests) Answer(ctx context.Context, a OnceAnswer) error {
	o, _ := ctx.Value(onceKey{}).(store.Once)
	return r.Store.AnswerOnce(context.WithoutCancel(ctx), o, a)
}

// Forget lets the request that ctx is of be sent again, unless its change was
// made.
func (r *Requests) Forget(ctx context.Context) error {
	o, _ := ctx.Value(onceKey{}).(store.Once)
	return r.Store.ForgetOnce(context.WithoutCancel(ctx), o)
}

type onceKey struct{}

// repeatable returns ctx for a change after whose commit there is more to do, and
// which may be made again when that fails: only its answer notes that the request
// was carried out.
func repeatable(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, nil) }

// commitOnce notes in a change's transaction which request it carries out.
func commitOnce(ctx context.Context, tx *store.Tx) error {
	o, sent := ctx.Value(onceKey{}).(store.Once)
	if !sent {
		return nil
	}
	return tx.System().CommitOnce(ctx, o)
}
