//go:build !linux

package usage

import "os"

// allocate makes room for a file on its disk.
func allocate(file *os.File, bytes int64) error { return writeZeros(file, bytes) }
