//go:build !linux

package policy

// hugePages does nothing: only Linux has a word for it.
func hugePages([]byte) {}
