package usage

import (
	"bytes"
	"context"
	"encoding/hex"
	"hash/maphash"
	"math/bits"
	"slices"
	"sync"
	"time"

	"portico/internal/entry"
)

// Carrier takes pieces to the ledger. internal/bus has the real one, test/fake
// one in memory.
type Carrier interface {
	// Usage sends an encoded entry.Usage, and returns when it is safe from the
	// end of this process, not when the ledger has it. It does not keep piece.
	Usage(ctx context.Context, node string, piece []byte) error
	// UsageAcks calls each with what the ledger has, until ctx ends.
	UsageAcks(ctx context.Context, node string, each func(entry.UsageAck)) error
	// Connected says whether the bus is there now, and since when it is or is
	// not.
	Connected() (since time.Time, ok bool)
}

// Times of the shipper.
const (
	tickEvery   = 100 * time.Millisecond
	sendEvery   = time.Second      // what is less than a whole piece
	againFrom   = 10 * time.Second // what is not acknowledged is sent again after this, for a ledger that is busy
	againMost   = time.Minute      // and then after a time that doubles up to this
	refusedMost = 10 * time.Second // but up to this where the bus did not take it
	hearAgain   = time.Second      // after acknowledgements could not be heard
	moveAfter   = 5 * time.Second  // a slot that is in the way
)

const (
	pieceCalls = 3270 // of one piece at most: records as long as can be then fit in a message, of 1 MiB
	window     = 16   // pieces on their way at once
	heldShare  = 8    // of its room a spool may have one part in so many cut and unheard of: the rest can be added up

	// A shipper that has looked at so many records pauses for so long.
	wayEvery = 128
	wayFor   = 20 * time.Microsecond
)

// Run makes room for calls and ships them, until ctx ends. Then it sends what is
// left, for flush at most: no call may be under way by then. What is not sent
// waits for the next start.
func (s *Spool) Run(ctx context.Context, node string, carrier Carrier, flush time.Duration) error {
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	k := &shipper{Spool: s, node: node, carrier: carrier, acks: make(chan entry.UsageAck, window), sent: make(chan sending, window), tmp: newScratch()}
	var all sync.WaitGroup
	all.Go(func() { k.hear(working) })
	defer all.Wait()
	defer k.sending.Wait()
	defer stop()
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	var end <-chan time.Time
	told := ctx.Done()
	for {
		s.mu.Lock()
		rest := k.pass(working)
		s.mu.Unlock()
		if _, connected := carrier.Connected(); k.ending && (!rest || !connected) {
			s.left()
			return nil
		}
		select {
		case <-told:
			told = nil
			k.ending, k.tmp.hurry = true, true
			s.seal()
			timer := time.NewTimer(flush)
			defer timer.Stop()
			end = timer.C
		case <-end:
			s.left()
			return nil
		case ack := <-k.acks:
			s.mu.Lock()
			k.acknowledged(ack)
			s.mu.Unlock()
		case one := <-k.sent:
			s.mu.Lock()
			k.outcome(one)
			s.mu.Unlock()
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// left says what the next start will have to send.
func (s *Spool) left() {
	if left := s.Status().Waiting; left > 0 {
		s.options.Log.Info("usage that could not be sent waits for the next start", "calls", left)
	}
}

// seal ends the giving away of places everywhere.
func (s *Spool) seal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, seg := range s.all {
		seg.seal()
	}
}

// shipper is a spool at work. What it holds belongs to Run's goroutine.
type shipper struct {
	*Spool
	node    string
	carrier Carrier
	acks    chan entry.UsageAck
	sent    chan sending
	sending sync.WaitGroup
	onWay   int
	tmp     *scratch
	pieces  [][]byte   // the memory of those that were sent
	looking []*segment // pass's own copy of all
	since   time.Time  // of the connection
	order   uint64     // of the newest piece that was sent
	passed  uint64     // the highest order that was acknowledged
	heard   time.Time  // when the ledger acknowledged something
	ending  bool
}

// sending is what came of one.
type sending struct {
	segment *segment
	piece   []byte
	err     error
}

func (k *shipper) hear(ctx context.Context) {
	for ctx.Err() == nil {
		err := k.carrier.UsageAcks(ctx, k.node, func(ack entry.UsageAck) {
			select {
			case k.acks <- ack:
			case <-ctx.Done():
			}
		})
		if err != nil && ctx.Err() == nil {
			k.options.Log.Debug("acknowledgements of usage not heard", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(hearAgain):
			}
		}
	}
}

// pass looks at every segment once, and reports whether one has something that
// is not acknowledged. mu is held.
func (k *shipper) pass(ctx context.Context) (rest bool) {
	now, held := k.options.Now(), 0
	since, connected := k.carrier.Connected()
	again := connected && !since.Equal(k.since) // what was on its way may be lost
	k.since = since
	k.looking = append(k.looking[:0], k.all...)
	for _, seg := range k.looking {
		if seg.to() > seg.from() {
			held++
		}
	}
	for _, seg := range k.looking {
		if seg.finished { // another's place was needed meanwhile
			continue
		}
		if !seg.sealed && seg.next.Load() >= seg.places {
			seg.seal()
		}
		seg.advance()
		switch {
		case seg.to() > seg.from(): // it is on its way, in this run or before
			if connected && k.onWay < window && (again || k.overdue(seg, now)) {
				k.tmp.number(seg, seg.from(), seg.to())
				k.send(ctx, seg, now)
			}
		case seg.sealed && seg.from() == seg.used:
			if !k.ending {
				k.drop(seg)
			}
			continue
		case connected && held < max(2, k.limit/heldShare) && seg.ended > seg.from() && k.due(seg, now):
			held++
			k.cut(seg)
			k.send(ctx, seg, now)
		}
		k.unblock(seg, now)
		rest = rest || seg.taken() > seg.from()
	}
	if !k.ending {
		k.refill()
	}
	return rest
}

// overdue reports whether what is on its way should have been acknowledged by now.
// A ledger that is busy takes pieces in the order in which they came: as long as it
// says anything, those that it has not come to are not lost.
func (k *shipper) overdue(seg *segment, now time.Time) bool {
	if seg.sentAt.IsZero() {
		return true
	}
	from := seg.sentAt
	if seg.order > k.passed && k.heard.After(from) {
		from = k.heard
	}
	return now.Sub(from) >= seg.patience
}

// due reports whether there is a whole piece, or a part that has waited.
func (k *shipper) due(seg *segment, now time.Time) bool {
	if k.onWay >= window {
		return false
	}
	if k.ending || seg.sealed || seg.ended-seg.from() >= pieceCalls {
		return true
	}
	if seg.waitsFrom.IsZero() {
		seg.waitsFrom = now
	}
	return now.Sub(seg.waitsFrom) >= sendEvery
}

// cut settles the bounds of the next piece of a segment, for good, and numbers
// its callers.
func (k *shipper) cut(seg *segment) {
	seg.waitsFrom = time.Time{}
	to := min(seg.ended, seg.from()+pieceCalls)
	lost := k.gone.Swap(0)
	for i := range k.lanes {
		lost += k.lanes[i].lost.Swap(0)
	}
	lost += k.tmp.number(seg, seg.from(), to)
	k.given += lost
	seg.lost().Store(lost)
	seg.mark(inLostAt).Store(to)
	seg.mark(inTo).Store(to)
}

// send sends what is on its way; its callers are numbered.
func (k *shipper) send(ctx context.Context, seg *segment, now time.Time) {
	k.order++
	seg.order, seg.sentAt, seg.patience = k.order, now, min(max(2*seg.patience, againFrom), againMost)
	var piece []byte
	if last := len(k.pieces) - 1; last >= 0 {
		piece, k.pieces = k.pieces[last], k.pieces[:last]
	}
	piece = seg.appendPiece(piece[:0], seg.from(), seg.to(), k.tmp)
	k.onWay++
	k.sending.Go(func() {
		err := k.carrier.Usage(ctx, k.node, piece)
		select {
		case k.sent <- sending{seg, piece, err}:
		case <-ctx.Done():
		}
	})
}

// scratch is what cutting pieces needs again and again.
type scratch struct {
	seed    maphash.Seed
	table   []uint32 // number of a caller and one, at its hash or after it; 0: free
	callers []who
	of      []uint32 // of each record its caller and one; 0: it is no call
	calls   int
	hurry   bool // make no way
}

// who is a caller: the first record that has it.
type who struct {
	record      record
	interrupted bool // only its method counts
}

func newScratch() *scratch { return &scratch{seed: maphash.MakeSeed()} }

// number gives the callers of the records between two places their numbers, and
// returns how many records are spoiled.
func (t *scratch) number(s *segment, from, to uint32) (spoiled uint64) {
	size := 1 << bits.Len32(2*(to-from)) // a power of two, at most half full
	t.table = slices.Grow(t.table[:0], size)[:size]
	clear(t.table)
	clear(t.callers) // their records are a segment's, which comes to an end
	t.callers, t.of, t.calls = t.callers[:0], t.of[:0], 0
	for i := from; i < to; i++ {
		at, ok := t.caller(s, s.record(i))
		t.of = append(t.of, at)
		if at > 0 {
			t.calls++
		}
		if !ok {
			spoiled++
		}
		t.makeWay(int(i - from))
	}
	return spoiled
}

// appendPiece encodes the records of a segment between two places, whose callers
// are numbered. The bounds never change once they are set, so that a piece is the
// same however often it is sent.
func (s *segment) appendPiece(b []byte, from, to uint32, tmp *scratch) []byte {
	u := entry.Usage{Spool: hex.EncodeToString(s.spool[:]), Segment: s.number, From: from, To: to}
	if s.mark(inLostAt).Load() == to {
		u.Lost = s.lost().Load()
	}
	b = entry.AppendUsageHead(slices.Grow(b, 256+160*len(tmp.callers)+90*tmp.calls), u, len(tmp.callers))
	for i, c := range tmp.callers {
		b = c.record.appendCaller(b, c.interrupted)
		tmp.makeWay(i)
	}
	b = entry.AppendUsageCount(b, tmp.calls)
	last := int64(0)
	for i, at := range tmp.of {
		if at == 0 {
			continue
		}
		r := s.record(from + uint32(i))
		c := callOf(r, int(at-1), s.state(r) == total)
		b = entry.AppendUsageCall(b, last, c, r.address())
		last = c.At
		tmp.makeWay(i)
	}
	return b
}

// makeWay lets calls go first now and then: on one core, all of them wait while
// a piece is cut. To yield would not do: the runtime comes back at once, and asks the
// network only when nothing is ready to run. At the end there are no calls.
func (t *scratch) makeWay(i int) {
	if i%wayEvery == wayEvery-1 && !t.hurry {
		time.Sleep(wayFor)
	}
}

// caller returns the number of a record's caller and one, 0 for no call; ok says
// that the record is not spoiled. One that this process has written is not.
func (t *scratch) caller(s *segment, r record) (number uint32, ok bool) {
	interrupted := false
	switch s.state(r) {
	case taken:
		interrupted = true
	case done, total:
		if s.slots == nil && !r.whole() {
			return 0, false
		}
	default:
		return 0, true
	}
	c := who{r, interrupted}
	for at := maphash.Bytes(t.seed, c.key()); ; at++ {
		place := &t.table[at&uint64(len(t.table)-1)]
		if *place == 0 {
			t.callers = append(t.callers, c)
			*place = uint32(len(t.callers))
		}
		if have := t.callers[*place-1]; have.interrupted == interrupted && bytes.Equal(have.key(), c.key()) {
			return *place, true
		}
	}
}

// key is what callers are told apart by.
func (w who) key() []byte {
	if w.interrupted {
		return w.record[atMethod:atCode]
	}
	return w.record.caller()
}

// outcome takes what came of sending. What could not be sent is sent again soon,
// but not at once: a bus that is full is helped by nobody who insists.
func (k *shipper) outcome(one sending) {
	if one.err != nil {
		k.options.Log.Debug("usage not sent", "segment", one.segment.name, "error", one.err)
		one.segment.patience = min(one.segment.patience, refusedMost)
	}
	k.pieces = append(k.pieces, one.piece)
	k.onWay--
}

// acknowledged takes the ledger's word. Only this moves a segment on.
func (k *shipper) acknowledged(ack entry.UsageAck) {
	for _, seg := range k.all {
		if seg.number == ack.Segment && hex.EncodeToString(seg.spool[:]) == ack.Spool && ack.To == seg.to() {
			seg.mark(inFrom).Store(ack.To)
			k.passed, k.heard = max(k.passed, seg.order), k.options.Now()
			seg.sentAt, seg.patience = time.Time{}, 0
			return
		}
	}
}

// unblock moves a slot on that keeps a segment from being shipped past it. mu is
// held.
func (k *shipper) unblock(seg *segment, now time.Time) {
	if seg.slots == nil || seg.ended >= seg.taken() {
		return
	}
	if seg.blocked != seg.ended || seg.blockAt.IsZero() {
		seg.blocked, seg.blockAt = seg.ended, now
		return
	}
	if now.Sub(seg.blockAt) < moveAfter || seg.ended+1 >= seg.taken() && !seg.sealed {
		return
	}
	for i := seg.ended; i < seg.taken(); i++ { // the ones behind it are likely to be as slow
		// A place that is open and not taken is about to be.
		if seg.slots[i].Load() == slotOpen && seg.state(seg.record(i)) == taken && !k.move(Slot{seg, i}) {
			return
		}
	}
	seg.advance()
	seg.blockAt = time.Time{}
}

// move gives a call another slot, and reports whether there was one. Killed in
// between, the call is one of those under way that left no trace.
func (k *shipper) move(from Slot) bool {
	var to Slot
	for i := range k.lanes {
		if seg := k.lanes[i].current.Load(); seg != nil && !seg.sealed {
			if place, ok := seg.claim(); ok {
				to = Slot{seg, place}
				break
			}
		}
	}
	if to.segment == nil {
		return false
	}
	k.moves.Lock() // whoever completes the call waits in follow
	defer k.moves.Unlock()
	if !from.segment.slots[from.place].CompareAndSwap(slotOpen, slotMoved) { // it ended just now
		to.segment.slots[to.place].Store(slotMoved)
		return true
	}
	old, fresh := from.segment.record(from.place), to.segment.record(to.place)
	from.segment.setState(old, moved)
	copy(fresh[atSum:], old[atSum:])
	to.segment.setState(fresh, taken)
	k.moved[from] = to
	return true
}
