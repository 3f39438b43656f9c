// Package cache keeps answers in memory, for the policy "cache": a store that is
// bounded in bytes, what RFC 9111 makes of their headers, and the one flight in
// which several callers who miss the same answer wait for it together.
//
// It knows no exchange and no upstream, and decides nothing about a request:
// gateway/policy does.
//
// # Why a store of our own
//
// Three promises have to hold at once: the bytes are bounded at any moment, those
// under way included; forgetting everything of an address costs what is there of
// it, and nobody sees half of it; and a hit takes no more than a read lock. A
// general cache evicts later than it is asked to and has no second index. What
// is evicted is found by SIEVE (Zhang et al., NSDI 2024).
package cache
