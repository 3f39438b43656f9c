package usage

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"portico/gateway/prefetch"
)

// Options are what a spool is made of.
type Options struct {
	Dir         string // made where it is not
	Environment string // slug
	Bytes       int64  // on disk at most; 0: 1 GiB
	NoAddresses bool   // leave out where calls came from

	SegmentBytes int64                       // 0: 2 MiB
	Allocate     func(*os.File, int64) error // makes room for a file; nil: the system's way
	Log          *slog.Logger                // nil: none
	Now          func() time.Time            // nil: time.Now
}

const (
	defaultBytes   = 1 << 30
	defaultSegment = 2 << 20
	mostLanes      = 8
	moreSpares     = 2 // made ahead beside one for each lane
	keptShare      = 8 // of its room a spool keeps one part in so many as spares: to write to new pages is slow
)

// Spool keeps what was called. Take and Complete are safe for any number of
// goroutines; a nil spool keeps nothing. Make one with Open, and let Run ship it.
type Spool struct {
	options Options
	id      [16]byte // of this run
	limit   int      // segments at most
	lock    *os.File // nil where a full disk has no room for one

	lanes  []lane
	spares stack         // segments ready for calls
	wake   chan struct{} // a spare was taken; capacity 1
	gone   atomic.Uint64 // calls given up before, and records that could not be read

	moves sync.Mutex    // guards moved
	moved map[Slot]Slot // where slots were moved to

	mu     sync.Mutex // guards what follows; calls do not take it
	all    []*segment // as they were made, spares among them
	kept   *segment   // to add up into when there is no room for another
	number uint64     // of the newest
	folded uint64     // calls that were added up
	given  uint64     // calls that were given up, as far as the ledger hears of it
	failed bool       // the last attempt to make a segment did
	full   time.Time  // when nothing could be added up
}

// lane is where the calls of some cores go.
type lane struct {
	current  atomic.Pointer[segment]
	lost     atomic.Uint64 // calls that found no place
	rotating atomic.Bool   // somebody is giving it its next segment
	_        [44]byte      // to a cache line
}

// Slot is a call's place. The zero value is none.
type Slot struct {
	segment *segment
	place   uint32
}

// Open makes a spool in a folder, which no other process may be using, and takes
// up what an earlier process left there. A disk that is full is no error: calls
// are then given up, and counted, until there is room.
func Open(o Options) (*Spool, error) {
	if o.Bytes == 0 {
		o.Bytes = defaultBytes
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = defaultSegment
	}
	if o.Allocate == nil {
		o.Allocate = allocate
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	lanes := 1
	for lanes < runtime.GOMAXPROCS(0) && lanes < mostLanes {
		lanes *= 2
	}
	limit := max(int(o.Bytes/o.SegmentBytes), 4)
	s := &Spool{
		options: o, limit: limit, lanes: make([]lane, lanes),
		spares: stack{most: max(lanes+moreSpares, limit/keptShare)}, wake: make(chan struct{}, 1), moved: map[Slot]Slot{},
	}
	_, _ = rand.Read(s.id[:]) // never returns an error
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("open the spool of usage: %w", err)
	}
	if err := s.hold(); err != nil {
		return nil, err
	}
	if err := s.takeUp(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the spool of usage: %w", err), s.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refill()
	return s, nil
}

// hold keeps other processes out.
func (s *Spool) hold() error {
	file, err := os.OpenFile(filepath.Join(s.options.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open the spool of usage: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("open the spool of usage: another process is using %s", s.options.Dir), file.Close())
	}
	s.lock = file
	return nil
}

// Close lets another process use the folder. What is mapped stays so: a call may
// still be about to complete.
func (s *Spool) Close() error {
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// takeUp maps what an earlier process left.
func (s *Spool) takeUp() error {
	files, err := filepath.Glob(filepath.Join(s.options.Dir, "segment-*"))
	if err != nil {
		return err
	}
	slices.SortFunc(files, func(a, b string) int { // by age, as far as that is known
		return strings.Compare(modified(a)+a, modified(b)+b)
	})
	var folded []string
	for _, path := range files {
		name := filepath.Base(path)
		seg, folds, err := reopen(s.options.Dir, name, s.options.Environment)
		if errors.Is(err, errUnusable) {
			if !unsigned(path) {
				s.gone.Add(1)
				s.options.Log.Warn("a file of usage cannot be read and is dropped; at least one call is not counted", "file", name, "error", err)
			}
			err = os.Remove(path)
			seg = nil
		}
		if err != nil {
			return err
		}
		folded = append(folded, folds...)
		if seg != nil {
			s.all = append(s.all, seg)
		}
	}
	// What was added up counts there, also when its end came in between.
	for _, name := range folded {
		if i := slices.IndexFunc(s.all, func(seg *segment) bool { return seg.name == name }); i >= 0 {
			s.drop(s.all[i])
		}
	}
	waiting := 0
	for _, seg := range slices.Clone(s.all) {
		waiting += int(seg.used - seg.from())
		if seg.used == seg.from() {
			s.drop(seg)
		}
	}
	if waiting > 0 {
		s.options.Log.Info("usage of before waits to be sent", "calls", waiting, "segments", len(s.all))
	}
	return nil
}

// modified is a text that sorts by a file's age.
func modified(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return info.ModTime().UTC().Format("20060102150405.000000000")
}

// unsigned reports whether a file was being made, or made ready again: whatever
// its records hold, a call that is in it counts elsewhere, or not at all.
func unsigned(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }() // it was only read
	var head [len(magic)]byte
	_, err = io.ReadFull(file, head[:])
	return head == [len(magic)]byte{} && (err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF))
}

// Take gives a call its slot. What it is given is copied.
//
// Behind what it writes there is no atomic operation: one would wait until the
// record's memory has come from wherever it was. So would, after some seventy of them,
// the writes of the rest of the call; so each asks for the memory of the one after it.
// Together that took 0.3 µs of a call (2026-11).
func (s *Spool) Take(shard uint32, b *Begin) Slot {
	if s == nil {
		return Slot{}
	}
	l := &s.lanes[shard&uint32(len(s.lanes)-1)]
	for {
		seg := l.current.Load()
		if seg != nil {
			if i, ok := seg.claim(); ok {
				r := seg.record(i)
				r.begin(b)
				if s.options.NoAddresses {
					r[atAddress] = 0
					clear(r[theAddress:theRequest])
				}
				seg.setState(r, taken)
				prefetch.Memory(unsafe.Add(unsafe.Pointer(unsafe.SliceData(r)), recordBytes), recordBytes) // the next call's
				return Slot{seg, i}
			}
		}
		if !s.rotate(l, seg) {
			l.lost.Add(1)
			return Slot{}
		}
	}
}

// rotate gives a lane its next segment. It waits for nobody but who is doing the
// same: without a spare there is no place.
func (s *Spool) rotate(l *lane, full *segment) bool {
	if !l.rotating.CompareAndSwap(false, true) {
		runtime.Gosched() // it takes less than a microsecond, once in thousands of calls
		return true
	}
	defer l.rotating.Store(false)
	if l.current.Load() != full {
		return true
	}
	s.nudge()
	fresh := s.spares.pop()
	if fresh == nil {
		return false
	}
	l.current.Store(fresh)
	return true
}

func (s *Spool) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Complete fills in a call's slot. It is called once for each.
func (s *Spool) Complete(slot Slot, c *Call) {
	for slot.segment != nil {
		seg := slot.segment
		if seg.slots[slot.place].CompareAndSwap(slotOpen, slotEnding) {
			r := seg.record(slot.place)
			r.finish(c)
			seg.setState(r, done)
			seg.slots[slot.place].Store(slotDone)
			return
		}
		slot = s.follow(slot)
	}
}

// follow returns where a slot was moved to.
func (s *Spool) follow(from Slot) Slot {
	s.moves.Lock()
	defer s.moves.Unlock()
	to := s.moved[from]
	delete(s.moved, from)
	return to
}

// Status is how a spool is.
type Status struct {
	Segments int    // on disk, spares too
	Waiting  uint64 // calls that the ledger does not have, those under way too
	Folded   uint64 // calls that were added up for want of room
	Lost     uint64 // calls that were given up
}

// Status says how the spool is.
func (s *Spool) Status() Status {
	if s == nil {
		return Status{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := Status{Segments: len(s.all), Folded: s.folded, Lost: s.given + s.gone.Load()}
	if s.kept != nil {
		out.Segments++
	}
	for _, seg := range s.all {
		out.Waiting += uint64(seg.taken() - seg.from())
	}
	for i := range s.lanes {
		out.Lost += s.lanes[i].lost.Load()
	}
	return out
}

// refill makes spares as long as there is room, and says when there is none. mu
// is held.
func (s *Spool) refill() {
	if s.kept == nil {
		s.kept = s.fresh()
	}
	for s.spares.len() < len(s.lanes)+moreSpares && s.kept != nil {
		if len(s.all)+1 >= s.limit {
			if !s.fold() {
				return
			}
			continue
		}
		seg := s.fresh()
		if seg == nil {
			if !s.fold() {
				return
			}
			continue
		}
		s.spare(seg)
	}
}

// spare makes a segment ready for calls. mu is held.
func (s *Spool) spare(seg *segment) {
	seg.sign(s.options.Environment, nil)
	s.all = append(s.all, seg)
	s.spares.push(seg)
}

// fresh makes a segment, nil where the disk has no room. mu is held.
func (s *Spool) fresh() *segment {
	s.number++
	name := fileName(s.id, s.number)
	mem, err := create(s.options.Dir, name, s.options.SegmentBytes, s.options.Allocate)
	if err != nil {
		if !s.failed {
			s.options.Log.Error("no room for usage on the disk; what waits is added up, and then calls are not counted", "error", err)
		}
		s.failed = true
		return nil
	}
	s.failed = false
	return s.segment(name, mem)
}

// segment returns that of empty memory.
func (s *Spool) segment(name string, mem []byte) *segment {
	places := uint32((len(mem) - headerBytes) / recordBytes)
	return &segment{name: name, mem: mem, number: s.number, spool: s.id, places: places, slots: make([]atomic.Uint32, places)}
}

// drop gives a segment up whose calls are counted elsewhere. Its memory becomes
// that of a new one where one is wanted. mu is held.
func (s *Spool) drop(seg *segment) {
	s.all = slices.DeleteFunc(s.all, func(other *segment) bool { return other == seg })
	seg.finished = true
	whole := int64(len(seg.mem)) == s.options.SegmentBytes
	if whole && seg.slots != nil && (s.kept == nil || s.spares.len() < s.spares.most) {
		if again := s.again(seg); again != nil {
			if s.kept == nil {
				s.kept = again
			} else {
				s.spare(again)
			}
			return
		}
	}
	if err := errors.Join(os.Remove(filepath.Join(s.options.Dir, seg.name)), unix.Munmap(seg.mem)); err != nil {
		s.options.Log.Warn("a file of usage was not removed; its calls are counted already", "file", seg.name, "error", err)
	}
}

// again makes a new segment of the file and memory of one that is given up: its
// room on the disk and its pages are there. They are unmapped meanwhile (what is in
// them stays): the first write to a page that the system has written to the disk since
// interrupts its call for 1.5 µs, which is 0.8 ms in 2 MiB; where they are not mapped
// one write gets a large piece of them, which is 0.1 ms (2026-11, ext4).
func (s *Spool) again(seg *segment) *segment {
	seg.clear()
	_ = unix.Madvise(seg.mem, unix.MADV_DONTNEED) // a wish
	s.number++
	name := fileName(s.id, s.number)
	if err := os.Rename(filepath.Join(s.options.Dir, seg.name), filepath.Join(s.options.Dir, name)); err != nil {
		return nil
	}
	return s.segment(name, seg.mem)
}

// ID names this run of the spool.
func (s *Spool) ID() string { return hex.EncodeToString(s.id[:]) }
