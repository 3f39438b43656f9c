package hugepage

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestAnonymousMemoryIsFoundAmongMappings(t *testing.T) {
	got, err := anonymous(strings.NewReader(`00400000-00489000 r-xp 00000000 fd:00 1234                               /usr/bin/portico
00689000-0068a000 rw-p 00089000 fd:00 1234                               /usr/bin/portico
c000000000-c000800000 rw-p 00000000 00:00 0
c000800000-c004000000 ---p 00000000 00:00 0
7f0000000000-7f0000400000 rw-p 00000000 00:00 0                          [anon: Go: heap]
7f1000000000-7f1000400000 rw-s 00000000 fd:00 99                         /data/usage/segment-1
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]
`))
	want := []region{{0xc000000000, 0xc000800000}, {0x7f0000000000, 0x7f0000400000}}
	if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
}

// memory maps some, of which of each huge page's worth so many small pages are
// used, and returns where the first one of it begins.
func memory(t *testing.T, used int) uintptr {
	t.Helper()
	const worth = 4
	mem, err := unix.Mmap(-1, 0, (worth+1)*huge, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(mem) })
	if err := unix.Madvise(mem, unix.MADV_NOHUGEPAGE); err != nil { // where the system gives them to everybody
		t.Fatal(err)
	}
	begin := (address(mem) + huge - 1) / huge * huge
	for h := range worth {
		for p := range used {
			mem[begin-address(mem)+uintptr(h*huge+p*pages)] = 1
		}
	}
	if err := unix.Madvise(mem, unix.MADV_HUGEPAGE); err != nil {
		t.Skip("the kernel has no huge pages: ", err)
	}
	return begin
}

func address(mem []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(mem))) }

func TestOnlyFullMemoryIsMoved(t *testing.T) {
	for _, test := range []struct {
		used int
		want bool
	}{{huge / pages, true}, {full, true}, {full - 1, false}, {1, false}, {0, false}} {
		if got := used(memory(t, test.used)); got != test.want {
			t.Errorf("with %d small pages in use: got %v, want %v", test.used, got, test.want)
		}
	}
}

func TestCollapseMovesTheHeap(t *testing.T) {
	heap := make([]byte, 16*huge)
	for i := 0; i < len(heap); i += pages {
		heap[i] = byte(i / pages)
	}
	bytes, err := Collapse()
	if err != nil {
		t.Skip("the kernel does not do it: ", err)
	}
	if bytes < 8*huge { // not each may be to be had
		t.Errorf("%d bytes are on huge pages, want at least half of %d", bytes, len(heap))
	}
	for i := 0; i < len(heap); i += pages {
		if heap[i] != byte(i/pages) {
			t.Fatalf("byte %d is %d", i, heap[i])
		}
	}
}
