//go:build !linux

package machine

// Pin is for Linux alone.
func Pin(int, ...int) error { return ErrUnknown }

// GiveWay is for Linux alone.
func GiveWay(int, bool) error { return ErrUnknown }

// Clear does nothing here.
func Clear(int) (undo func() error, cleared bool) { return func() error { return nil }, false }

// Punctual does nothing here.
func Punctual() {}

// RaiseFiles leaves the limit as it is, and does not know it.
func RaiseFiles() uint64 { return 0 }
