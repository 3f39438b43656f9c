package secret

import (
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret that prints as [redacted] in every format, so that a log
// line or an error cannot give it away. The zero value is no secret.
//
// Package fmt asks no method of an unexported field, nor for %p (which vet
// refuses): keep secrets in exported fields of whatever is ever printed.
type Text string

// Reveal returns the secret itself.
func (t Text) Reveal() string { return string(t) }

// String returns [redacted], or "" when there is no secret.
func (t Text) String() string {
	if t == "" {
		return ""
	}
	return redacted
}

// Format is String, for every verb of fmt: %d of a text would print it.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue is String, for slog.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText is String, for JSON and other encodings.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the secret in clear, from settings.
func (t *Text) UnmarshalText(b []byte) error {
	*t = Text(b)
	return nil
}
