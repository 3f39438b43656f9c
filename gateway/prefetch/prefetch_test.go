package prefetch_test

import (
	"testing"
	"unsafe"

	"portico/gateway/prefetch"
)

// What is asked for stays as it is, wherever it is: also where nothing is.
func TestMemoryIsOnlyAskedFor(t *testing.T) {
	mem := make([]byte, 4096)
	for i := range mem {
		mem[i] = byte(i)
	}
	for _, bytes := range []uintptr{0, 1, 64, 65, 4096, 1 << 20} {
		prefetch.Memory(unsafe.Pointer(&mem[3]), bytes)
	}
	prefetch.Memory(nil, 64)
	for i := range mem {
		if mem[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, mem[i])
		}
	}
}

func BenchmarkMemory(b *testing.B) {
	mem := make([]byte, 4096)
	for b.Loop() {
		prefetch.Memory(unsafe.Pointer(&mem[0]), 128)
	}
}
