// Package supply keeps what is got from elsewhere at hand: one request for a thing
// at a time, whoever wants it waits for that one, failures are followed by longer
// and longer pauses, and tenants have their turns.
//
// It deliberately knows nothing of what is got, nor of HTTP but how to leave an
// address out of an error.
package supply

import (
	"errors"
	"net/url"
	"strings"
)

// Plain leaves the address out of what an HTTP client says: its query may hold a
// secret.
func Plain(err error) error {
	for wrapped := (*url.Error)(nil); errors.As(err, &wrapped); {
		err = wrapped.Err
	}
	return err
}

// Shown is an address without its query, which may hold a secret.
func Shown(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}
