package gateway

import (
	"slices"

	"portico/gateway/cache"
	"portico/gateway/policy"
	"portico/internal/entry"
)

// purge forgets stored answers of a version, and returns how many.
func (n *Node) purge(p entry.Purge) (answers int) {
	version, ok := policy.ParseID(p.Version)
	if !ok {
		return 0
	}
	if p.Path != "" {
		path, _, err := policy.Canonical(p.Path, nil)
		if err != nil {
			return 0
		}
		return n.tools.Cache.Forget(policy.CacheAddress(version, path.Wire))
	}
	return n.tools.Cache.Purge(policy.CachePrefix(version), func(a *cache.Answer) bool { return p.Tag == "" || slices.Contains(a.Tags, p.Tag) })
}

// forgetAll empties the cache, after the node was away from the bus: it may have
// missed that it was told to forget something.
func (n *Node) forgetAll() {
	n.tools.Cache.Purge("", func(*cache.Answer) bool { return true })
}
