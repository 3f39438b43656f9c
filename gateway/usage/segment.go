package usage

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// headerBytes is what stands before a segment's records: one page.
const headerBytes = 4096

// Where things are in a header. The sum is of everything before it; what comes
// after it changes.
const (
	inMagic       = 0   // 8 bytes
	inNumber      = 8   // uint64
	inSpool       = 16  // 16 bytes
	inEnvironment = 32  // 64 bytes
	inFolds       = 96  // uint32: how many segments were added up into this one
	inSum         = 100 // uint32
	inFrom        = 104 // uint32: before it the ledger has all
	inTo          = 108 // uint32: up to it was sent, once it is above from
	inLostAt      = 112 // uint32: the to that lost goes with
	inLost        = 120 // uint64
	inFolded      = 128 // spool and number of each of those
	foldedBytes   = 24
	maxFolds      = (headerBytes - inFolded) / foldedBytes
)

const magic = "portico\x02"

// segment is a mapped file. Fields without a word belong to the keeper.
type segment struct {
	name   string // of the file
	mem    []byte
	number uint64
	spool  [16]byte
	places uint32 // how many records fit

	// next is the next free place; it may pass places. slots say of each place
	// what became of its call; nil for one of an earlier process.
	next  atomic.Uint32
	slots []atomic.Uint32

	sealed    bool          // nothing is added to it any more
	used      uint32        // of a sealed one: how many places were taken
	ended     uint32        // before it everything has ended
	waitsFrom time.Time     // since when a part of a piece could be sent; zero: none could
	order     uint64        // of what is on its way, among all that was sent
	sentAt    time.Time     // and when; zero: not in this run
	patience  time.Duration // until it is sent again
	blocked   uint32        // the place that ended stood at when it was looked last
	blockAt   time.Time     // since when
	finished  bool          // it is given up: the memory is somebody else's
}

// stack is of segments that wait to be used. The one that was made ready last is
// the next, for its memory is warm. The zero value is empty.
type stack struct {
	most int // to be kept; push does not look at it

	mu  sync.Mutex // held for a moment, once in thousands of calls
	all []*segment
}

func (s *stack) push(seg *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, seg)
}

// pop returns nil when there is none.
func (s *stack) pop() *segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.all) - 1
	if last < 0 {
		return nil
	}
	seg := s.all[last]
	s.all[last] = nil
	s.all = s.all[:last]
	return seg
}

func (s *stack) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.all)
}

// The states of a slot, which live in ordinary memory: a segment is unmapped
// once each is done or moved.
const (
	slotOpen uint32 = iota // nobody's yet, or a call is under way
	slotEnding
	slotDone
	slotMoved
)

func (s *segment) record(i uint32) record {
	at := headerBytes + int(i)*recordBytes
	return record(s.mem[at : at+recordBytes : at+recordBytes])
}

// state returns a record's. In its memory it stands above the segment's number, so
// that a record which a segment of before has left there is none.
func (s *segment) state(r record) uint32 {
	word := r.u32(atState)
	if word>>stateBits != uint32(s.number)<<stateBits>>stateBits {
		return free
	}
	return word & (1<<stateBits - 1)
}

// setState writes a record's state, after all else of it. No goroutine takes it for
// a sign of what another one has written, for which slots are there; the next process
// does, and needs no more than the order in which this one writes.
func (s *segment) setState(r record, state uint32) {
	r.putU32(atState, uint32(s.number)<<stateBits|state)
}

func (s *segment) mark(at int) *atomic.Uint32 { return (*atomic.Uint32)(unsafe.Pointer(&s.mem[at])) }

func (s *segment) lost() *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(&s.mem[inLost])) }

// from and to are the bounds of what is on its way; nothing is when they are
// the same.
func (s *segment) from() uint32 { return s.mark(inFrom).Load() }
func (s *segment) to() uint32   { return s.mark(inTo).Load() }

// claim returns a free place.
func (s *segment) claim() (uint32, bool) {
	if s.next.Load() >= s.places {
		return 0, false
	}
	i := s.next.Add(1) - 1
	return i, i < s.places
}

// taken returns how many places were given away.
func (s *segment) taken() uint32 {
	if s.sealed {
		return s.used
	}
	return min(s.next.Load(), s.places)
}

// seal ends the giving away of places.
func (s *segment) seal() {
	if !s.sealed {
		s.used = min(s.next.Swap(s.places), s.places)
		s.sealed = true
	}
}

// advance moves ended past everything that has ended.
func (s *segment) advance() {
	for n := s.taken(); s.ended < n; s.ended++ {
		if s.slots == nil {
			continue // of an earlier process: it will not end any more
		}
		if state := s.slots[s.ended].Load(); state != slotDone && state != slotMoved {
			return
		}
	}
}

// clear makes a segment's header that of a new one; the magic goes first, so that
// what a kill leaves of it is known to be nobody's. What the records hold is of
// another number than the next one.
func (s *segment) clear() {
	(*atomic.Uint64)(unsafe.Pointer(&s.mem[inMagic])).Store(0)
	clear(s.mem[:headerBytes])
}

// sign writes what a header says of its segment for good; the magic last.
func (s *segment) sign(environment string, folded []*segment) {
	binary.LittleEndian.PutUint64(s.mem[inNumber:], s.number)
	copy(s.mem[inSpool:], s.spool[:])
	copy(s.mem[inEnvironment:inFolds], environment)
	binary.LittleEndian.PutUint32(s.mem[inFolds:], uint32(len(folded)))
	for i, f := range folded {
		at := inFolded + i*foldedBytes
		copy(s.mem[at:], f.spool[:])
		binary.LittleEndian.PutUint64(s.mem[at+16:], f.number)
	}
	binary.LittleEndian.PutUint32(s.mem[inSum:], checksum(append([]byte(magic), s.mem[inNumber:inSum]...)))
	(*atomic.Uint64)(unsafe.Pointer(&s.mem[inMagic])).Store(binary.NativeEndian.Uint64([]byte(magic)))
}

// fileName names a segment's file.
func fileName(spool [16]byte, number uint64) string {
	return fmt.Sprintf("segment-%s-%012d", hex.EncodeToString(spool[:]), number)
}

// create makes a segment's file, with room on the disk for all of it.
func create(dir, name string, bytes int64, allocate func(*os.File, int64) error) (mem []byte, err error) {
	path := filepath.Join(dir, name)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }() // the mapping stays
	if err := allocate(file, bytes); err != nil {
		return nil, errors.Join(fmt.Errorf("make room for %s: %w", name, err), os.Remove(path))
	}
	if mem, err = unix.Mmap(int(file.Fd()), 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, errors.Join(fmt.Errorf("map %s: %w", name, err), os.Remove(path))
	}
	return mem, nil
}

// zeros are written at once: as much as a page cache keeps in one piece.
var zeros [256 << 10]byte

// writeZeros writes all of a file. Where the file system cannot promise room that
// makes it: a sparse file would end the process when a full disk is written to
// through a mapping. Everywhere it puts the file into memory in large pieces: so made
// and mapped, 2 MiB took 0.24 ms to write to, and 0.85 where each page was made by
// the call that came to it first (2026-11, ext4).
func writeZeros(file *os.File, bytes int64) error {
	for at := int64(0); at < bytes; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros[:min(int64(len(zeros)), bytes-at)], at); err != nil {
			return err
		}
	}
	return nil
}

// errUnusable says that a file cannot be read as a segment.
var errUnusable = errors.New("it is no segment that this build can read")

// reopen maps a segment of an earlier process. Of a file that was cut it takes
// the records that are left.
func reopen(dir, name, environment string) (s *segment, folded []string, err error) {
	file, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }() // the mapping stays
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size() < headerBytes+recordBytes {
		return nil, nil, fmt.Errorf("%w: it has %d bytes", errUnusable, info.Size())
	}
	mem, err := unix.Mmap(int(file.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, nil, fmt.Errorf("map %s: %w", name, err)
	}
	s = &segment{name: name, mem: mem, sealed: true, places: uint32((info.Size() - headerBytes) / recordBytes)}
	if folded, err = s.read(environment); err != nil {
		return nil, nil, errors.Join(err, unix.Munmap(mem))
	}
	return s, folded, nil
}

// read takes a header's word, and looks how far the records go. It returns the
// files whose calls are added up in it.
func (s *segment) read(environment string) (folded []string, err error) {
	if string(s.mem[:len(magic)]) != magic {
		return nil, errUnusable
	}
	if binary.LittleEndian.Uint32(s.mem[inSum:]) != checksum(append([]byte(magic), s.mem[inNumber:inSum]...)) {
		return nil, fmt.Errorf("%w: its header is spoiled", errUnusable)
	}
	if of := string(text(s.mem[inEnvironment:inFolds])); of != environment {
		return nil, fmt.Errorf("%w: it is of environment %q", errUnusable, of)
	}
	s.number, s.spool = binary.LittleEndian.Uint64(s.mem[inNumber:]), [16]byte(s.mem[inSpool:])
	for i := range min(binary.LittleEndian.Uint32(s.mem[inFolds:]), maxFolds) {
		at := inFolded + int(i)*foldedBytes
		folded = append(folded, fileName([16]byte(s.mem[at:]), binary.LittleEndian.Uint64(s.mem[at+16:])))
	}
	for i := s.places; i > 0 && s.used == 0; i-- {
		if s.state(s.record(i-1)) != free {
			s.used = i
		}
	}
	if s.from() > s.used || s.to() > max(s.used, s.from()) { // its end was cut: what is left counts
		s.used = max(s.used, min(s.places, max(s.from(), s.to())))
		s.mark(inFrom).Store(min(s.from(), s.used))
		s.mark(inTo).Store(min(s.to(), s.used))
	}
	s.ended = s.used
	return folded, nil
}
