//go:build !amd64 && !arm64

package prefetch

import "unsafe"

// Memory does nothing here.
func Memory(unsafe.Pointer, uintptr) {}
