package manager

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
)

// An environment's key seals secrets inside its entries. Nodes get it sealed to
// their own keys, by the entry "keys"; the database holds it sealed with the
// installation's key. It is made when the first node comes that could open it,
// and replaced when one is removed.

// errNoKey says that this process cannot open or seal: portals cannot.
var errNoKey = apim.Errorf(apim.Unavailable, "this process holds no installation key; a manager does this").WithCode("no_key")

// environmentKey returns an environment's key, which is made where there is
// none, and replaced when renew asks for it. One that does not open, because
// the installation's key is another, is replaced as well as long as nothing
// that is to stay secret depends on the old one.
func (u *unit) environmentKey(ctx context.Context, environment string, renew bool) (number uint64, key []byte, err error) {
	if u.core.Box == nil {
		return 0, nil, errNoKey
	}
	number, sealed, err := u.System().EnvironmentKey(ctx, environment)
	if err != nil {
		return 0, nil, err
	}
	if number > 0 && !renew {
		key, err = u.core.Box.Open(sealed, entry.KeyInfo(environment, number))
		if err == nil {
			return number, key, nil
		}
		tenants, readErr := u.System().SealedIn(ctx, environment)
		if readErr != nil {
			return 0, nil, readErr
		}
		certificates, readErr := u.System().CountCertificates(ctx, environment)
		if readErr != nil {
			return 0, nil, readErr
		}
		signed, readErr := u.System().SigningIn(ctx, environment)
		if readErr != nil {
			return 0, nil, readErr
		}
		if len(tenants) > 0 || certificates > 0 || len(signed) > 0 {
			return 0, nil, fmt.Errorf("the key of environment %s, which seals secret values, signing secrets and certificates: %w; start with the installation key that it was made with", environment, err)
		}
	}
	key = make([]byte, 32)
	_, _ = rand.Read(key) // never returns an error since Go 1.24
	number++
	if sealed, err = u.core.Box.Seal(key, entry.KeyInfo(environment, number)); err != nil {
		return 0, nil, err
	}
	return number, key, u.System().SetEnvironmentKey(ctx, environment, number, sealed, u.now)
}

// emitKeys publishes the environment's key for the nodes that are enrolled now.
// With renew it is a new one, and all that was sealed with the old is emitted
// anew under the same sequence.
func (u *unit) emitKeys(ctx context.Context, environment string, renew bool) (apim.Change, error) {
	number, key, err := u.environmentKey(ctx, environment, renew)
	if err != nil {
		return apim.Change{}, err
	}
	nodes, err := u.System().Nodes(ctx, environment)
	if err != nil {
		return apim.Change{}, err
	}
	body := entry.Keys{Number: number, Sealed: map[string]string{}}
	for _, n := range nodes {
		if n.BoxKey == "" {
			continue
		}
		if body.Sealed[n.ID.UUID()], err = secret.SealFor(n.BoxKey, key, entry.KeyInfo(environment, number)); err != nil {
			return apim.Change{}, fmt.Errorf("seal for node %s: %w", n.Name, err)
		}
	}
	it, err := entry.Encode(entry.KeysKey, entry.Position{}, body)
	if err != nil {
		return apim.Change{}, err
	}
	items := []entry.Item{it}
	if renew {
		again, err := u.resealed(ctx, environment)
		if err != nil {
			return apim.Change{}, err
		}
		certificates, err := u.certificates(ctx, environment)
		if err != nil {
			return apim.Change{}, err
		}
		signed, err := u.signed(ctx, environment)
		if err != nil {
			return apim.Change{}, err
		}
		items = slices.Concat(items, certificates, again, signed)
	}
	return u.emit(ctx, environment, items)
}
