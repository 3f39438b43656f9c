//go:build !linux

package machine

import "time"

// Pin is for Linux alone.
func Pin(int, ...int) error { return ErrUnknown }

// GiveWay is for Linux alone.
func GiveWay(int) error { return ErrUnknown }

// Punctual does nothing here.
func Punctual() {}

// Sleep sleeps as the runtime does.
func Sleep(d time.Duration) { time.Sleep(d) }

// RaiseFiles leaves the limit as it is, and does not know it.
func RaiseFiles() uint64 { return 0 }
