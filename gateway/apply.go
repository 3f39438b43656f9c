package gateway

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"portico/gateway/policy"
	"portico/gateway/table"
	"portico/gateway/upstream"
	"portico/internal/entry"
	"portico/internal/entry/check"
)

// environment is the environment's own entry, compiled.
type environment struct {
	entry.Env
	at      entry.Position
	trusted []netip.Prefix
	shared  *policy.Chain // of its policies; nil for none
}

// Apply takes entries as a carrier brings them. Those that are not newer than
// what the node has change nothing; those that cannot be served are refused one
// by one. It never fails; the error is the carrier's to fit.
func (n *Node) Apply(items []entry.Item, caughtUp bool) error {
	n.mu.Lock()
	good, changed := n.applyAll(items)
	changed = changed || caughtUp != n.caughtUp
	if caughtUp && !n.caughtUp && n.heard {
		n.forgetAll()
	}
	n.caughtUp, n.heard = caughtUp, n.heard || caughtUp
	if env := n.env.Load(); caughtUp && env != nil && n.complete.Epoch >= env.at.Epoch {
		n.becomeWhole()
	}
	n.mu.Unlock()
	if n.copy != nil && (len(good) > 0 || changed) {
		n.copy.Append(good, caughtUp)
	}
	if changed {
		n.wake()
	}
	return nil
}

// applyAll returns what was applied. mu is held.
func (n *Node) applyAll(items []entry.Item) (good []entry.Item, changed bool) {
	freed := false
	for _, it := range items {
		if it.Kind == "" {
			changed = n.applyNothing(it) || changed
			continue
		}
		if !it.Position.After(n.last(it.Key)) {
			continue
		}
		changed = true
		released, err := n.applyOne(it)
		if err != nil {
			n.refuseEntry(it, err)
			continue
		}
		if r, ok := n.refused[it.Key]; ok && !r.item.Position.After(it.Position) {
			delete(n.refused, it.Key)
		}
		freed = freed || released
		good = append(good, it)
	}
	for freed && len(n.refused) > 0 { // a mount or a host that was taken may be free, a key be there
		freed = false
		for key, r := range n.refused {
			if r.item.Kind != entry.KindAPI && r.item.Kind != entry.KindCert && r.item.Kind != entry.KindGrant {
				continue
			}
			if released, err := n.applyOne(r.item); err == nil {
				delete(n.refused, key)
				good = append(good, r.item)
				freed = freed || released
			}
		}
	}
	return good, changed
}

// applyNothing takes what stands in the bucket and is no entry: an item of no
// kind, as a carrier passes it on. It is refused under its key until something
// newer comes, or it is gone. mu is held.
func (n *Node) applyNothing(it entry.Item) (changed bool) {
	_, known := n.refused[it.Key]
	switch {
	case it.Ended:
		n.forgetRefused(it.Key)
		return known
	case it.Position != (entry.Position{}) && !it.Position.After(n.last(it.Key)):
		return false
	}
	key, err := entry.ParseKey(string(it.Key))
	if err == nil {
		_, err = entry.Open(key, it.Body)
	}
	if err == nil {
		err = fmt.Errorf("entry %s: its body is not in the object store", key)
	}
	n.refuseEntry(it, err)
	return true
}

// refuseEntry remembers why an entry is not served. mu is held.
func (n *Node) refuseEntry(it entry.Item, err error) {
	if r, ok := n.refused[it.Key]; !ok || !r.item.Position.After(it.Position) {
		n.refused[it.Key] = refusal{it, err.Error()}
		n.config.Log.Warn("entry refused", "key", it.Key, "sequence", it.Sequence, "error", err)
	}
}

// last returns the position of what was applied under a key. What was refused
// does not count: it may come again, whole.
func (n *Node) last(key entry.Key) entry.Position {
	var at entry.Position
	switch key.Kind() {
	case entry.KindKeys:
		at = n.keys.at
	case entry.KindEnv:
		if env := n.env.Load(); env != nil {
			at = env.at
		}
	case entry.KindCert:
		at = n.shown[key]
	case entry.KindTerms:
		if t := n.terms[key.ID()]; t != nil {
			at = t.at
		}
	case entry.KindAPI:
		at = n.apis[key].at
	case entry.KindGrant:
		if hash, ok := hashOf(key); ok {
			if g := n.grants.Last(hash); g != nil {
				at = g.At
			}
		}
	case entry.KindHead:
		at = n.applied
	case entry.KindComplete:
		at = n.complete
	}
	return at
}

// applyOne applies an entry that is newer, and reports whether a mount or a host
// became free. mu is held.
func (n *Node) applyOne(it entry.Item) (freed bool, err error) {
	if it.Digest != "" && len(it.Body) == 0 {
		return false, fmt.Errorf("its body %s was not fetched", it.Digest)
	}
	if wrong := check.Envelope(it); len(wrong) > 0 {
		return false, problemsError(wrong)
	}
	switch it.Kind {
	case entry.KindKeys:
		return true, n.applyKeys(it) // what waited for the key may be served now
	case entry.KindEnv:
		return false, n.applyEnv(it)
	case entry.KindCert:
		return n.applyCert(it)
	case entry.KindTerms:
		return false, n.applyTerms(it)
	case entry.KindGrant:
		return false, n.applyGrant(it)
	case entry.KindAPI:
		return n.applyAPI(it)
	case entry.KindHead:
		n.applied = it.Position
	case entry.KindComplete:
		n.complete = it.Position
		freed = n.dropBefore(it.Epoch)
	}
	return freed, nil
}

// problemsError says everything that is wrong, within reason.
func problemsError(wrong []check.Problem) error {
	var b strings.Builder
	for i, p := range wrong {
		if i == 10 {
			fmt.Fprintf(&b, "; and %d more", len(wrong)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		if p.Field != "" {
			b.WriteString(p.Field + ": ")
		}
		b.WriteString(p.Reason)
	}
	return fmt.Errorf("%s", b.String())
}

func (n *Node) applyEnv(it entry.Item) error {
	if it.Ended {
		return fmt.Errorf("an environment cannot end while nodes serve it")
	}
	body, wrong := check.Decode[entry.Env](it)
	if len(wrong) > 0 {
		return problemsError(wrong)
	}
	if body.Name != n.config.Environment {
		return fmt.Errorf("is of environment %q, this node serves %q", body.Name, n.config.Environment)
	}
	env := &environment{Env: body, at: it.Position, shared: policy.Shared(body.Policies, n.tools)}
	for _, p := range body.TrustedProxies {
		prefix, err := netip.ParsePrefix(p)
		if err != nil {
			return err
		}
		env.trusted = append(env.trusted, prefix)
	}
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	n.upstreams.SetDefaults(upstream.Timeouts{Connect: ms(body.ConnectTimeoutMS), Header: ms(body.HeaderTimeoutMS), Idle: ms(body.IdleTimeoutMS)})
	n.certs.SetMinimum(body.TLSMinimum == "1.3")
	n.env.Store(env)
	return nil
}

func (n *Node) termsOf(plan string) *termsState {
	t := n.terms[plan]
	if t == nil {
		t = &termsState{}
		t.slot.Plan, _ = policy.ParseID(plan)
		n.terms[strings.Clone(plan)] = t
	}
	return t
}

func (n *Node) applyTerms(it entry.Item) error {
	state := n.termsOf(it.Key.ID())
	if it.Ended {
		state.slot.Store(nil)
	} else {
		body, wrong := check.Decode[entry.Terms](it)
		if len(wrong) > 0 {
			return problemsError(wrong)
		}
		state.slot.Store(policy.NewTerms(body, n.tools.Limiter))
	}
	state.at = it.Position
	return nil
}

func (n *Node) applyGrant(it entry.Item) error {
	hash, ok := hashOf(it.Key)
	if !ok {
		return fmt.Errorf("its key is not a hash")
	}
	if it.Ended {
		n.grants.Put(&policy.Grant{Hash: hash, At: it.Position, Ended: true})
		return nil
	}
	body, wrong := check.Decode[entry.Grant](it)
	if len(wrong) > 0 {
		return problemsError(wrong)
	}
	grant := policy.NewGrant(it.Position, body, func(plan string) *policy.TermsSlot { return &n.termsOf(plan).slot })
	grant.Hash = hash
	if body.Secret != nil {
		secret, err := n.openGrant(body)
		if err != nil {
			return err
		}
		grant.Sign(secret)
	}
	if old := n.grants.Last(hash); old != nil {
		grant.Inherit(old)
	}
	n.grants.Put(grant)
	return nil
}

func (n *Node) applyAPI(it entry.Item) (freed bool, err error) {
	version, ok := policy.ParseID(it.Key.ID())
	if !ok {
		return false, fmt.Errorf("its key is not a uuid")
	}
	if it.Ended {
		freed = n.index.Remove(it.Key.ID())
		n.dropSeries(n.table.API(version))
		n.table.Remove(version)
		n.upstreams.Drop(it.Key.ID())
		n.splits.Drop(it.Key.ID())
		n.apis[it.Key] = apiState{it.Position, true}
		return freed, nil
	}
	body, wrong := check.Decode[entry.API](it)
	if len(wrong) > 0 {
		return false, problemsError(wrong)
	}
	if wrong := n.index.Conflicts(body); len(wrong) > 0 {
		return false, problemsError(wrong)
	}
	if err := n.openHeaders(body); err != nil {
		return false, err
	}
	if err := n.openSecrets(body); err != nil {
		return false, err
	}
	ups := n.upstreams.Upstreams(body)
	began := time.Now()
	destinations := n.splits.Destinations(body, func(name string) policy.Destination { return ups[name] })
	api := table.Compile(body, it.Position, n.tools, destinations)
	n.index.Put(body)
	n.table.Put(api)
	n.meters.compiles.add(time.Since(began))
	n.apis[it.Key] = apiState{at: it.Position}
	return true, nil
}

// dropBefore ends everything of older epochs: a rebuilt bucket that is complete
// does not hold it any more. mu is held.
func (n *Node) dropBefore(epoch uint64) (freed bool) {
	for key, state := range n.apis {
		if state.at.Epoch < epoch {
			if version, ok := policy.ParseID(key.ID()); ok {
				n.dropSeries(n.table.API(version))
				n.table.Remove(version)
			}
			freed = n.index.Remove(key.ID()) || freed
			n.upstreams.Drop(key.ID())
			n.splits.Drop(key.ID())
			delete(n.apis, key)
		}
	}
	for key, at := range n.shown {
		if at.Epoch < epoch {
			freed = n.certs.Remove(key.ID()) || freed
			delete(n.shown, key)
		}
	}
	for _, state := range n.terms {
		if state.at.Epoch < epoch {
			state.slot.Store(nil)
			state.at = entry.Position{}
		}
	}
	var gone [][32]byte
	n.grants.Each(func(g *policy.Grant) {
		if g.At.Epoch < epoch {
			gone = append(gone, g.Hash)
		}
	})
	for _, hash := range gone {
		n.grants.Forget(hash)
	}
	for key, r := range n.refused {
		if r.item.Epoch < epoch {
			n.forgetRefused(key)
		}
	}
	return freed
}

func hashOf(key entry.Key) (hash [32]byte, ok bool) {
	id := key.ID()
	if len(id) != 64 {
		return hash, false
	}
	_, err := hex.Decode(hash[:], []byte(id))
	return hash, err == nil
}
