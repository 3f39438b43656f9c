// Package egress is the only way out of Portico, for both planes: whatever
// calls an address that a person typed, or that a document, a resolver or a
// redirect named, dials through a Guard.
//
// The check is made on the address that is being dialled, at the moment of
// dialling, after every resolver has spoken. Checking a name first and
// dialling it later is how such guards fall to DNS rebinding.
//
// It deliberately does not resolve, cache or balance, and it knows no upstream
// and no retry: it hands out dialers and clients that cannot reach what they
// must not. Proxies named by the environment are never used, since a proxy
// would dial in our place and out of our sight.
package egress
