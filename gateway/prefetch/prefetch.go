//go:build amd64 || arm64

// Package prefetch asks for memory that will be read or written soon, and does not
// wait for it. It changes nothing but when things happen.
//
// Why: with a hundred thousand keys, each step of a lookup comes to memory that no
// cache holds, and waits 0.2 µs for it (2026-11); a gateway knows of some of these
// steps while it still has other things to do. Reading the memory early is not the
// same: the processor would wait for that too, a few hundred instructions on.
//
// Where to use it: on a call's way, for memory that is cold for a reason, half a
// microsecond or so before it is needed, and where a profile shows the wait. It is not
// for memory that is used again soon, which is there, nor for what is read in order.
package prefetch

import "unsafe"

// Memory asks for so many bytes from p on: for each cache line of 64 bytes that
// begins less than that behind p. p may be any address; what is not mapped is not
// asked for. It takes some nanoseconds, and is safe for concurrent use.
//
//go:noescape
func Memory(p unsafe.Pointer, bytes uintptr)
