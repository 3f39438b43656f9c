// Package secret mints, hashes, seals and hides what must not be known.
//
// API keys and tokens are random, so a plain SHA-256 of them is stored: a slow
// hash would only be a way to make Portico slow. Passwords are chosen by people
// and are not this package's; manager hashes them with argon2id.
//
// It deliberately knows no credential's owner or state, and stores nothing but
// a key file.
package secret
