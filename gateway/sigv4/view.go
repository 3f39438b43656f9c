package sigv4

import "unsafe"

// view reads bytes as a string without copying them. The bytes must not change
// as long as the string is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
