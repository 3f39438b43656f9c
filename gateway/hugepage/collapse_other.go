//go:build !linux

package hugepage

import (
	"context"
	"errors"
)

// Ask does nothing here.
func Ask([]byte) {}

// Keep does nothing here, and returns nil.
func Keep(context.Context) error { return nil }

// Collapse returns an error: it is not done here.
func Collapse() (int64, error) { return 0, errors.ErrUnsupported }
