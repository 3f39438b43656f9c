package usage

import (
	"encoding/binary"
	"math"
	"slices"
	"time"

	"portico/internal/entry"
)

// sum is what calls of one minute and caller add up to.
type sum struct {
	at                       int64
	caller                   [recordBytes - atCaller]byte
	count, in, out, took, up uint64
	buckets                  [entry.UsageBuckets]uint64
}

// sumKey is a minute and a caller.
type sumKey struct {
	minute int64
	caller [recordBytes - atCaller]byte
}

const (
	foldAtOnce = 16 // segments: some ten milliseconds of work
	foldAgain  = 2 * time.Second
)

// fold adds up what waits in the oldest segments into one, which takes their
// place, and reports whether that made room. What was sent once is left alone:
// the ledger may have it. The calls' number, bytes and durations stay, by minute
// and caller; their ids and addresses go. mu is held.
func (s *Spool) fold() bool {
	into, now := s.kept, s.options.Now()
	if into == nil || now.Sub(s.full) < foldAgain {
		return false
	}
	sums := map[sumKey]*sum{}
	var from []*segment
	calls, spoiled := uint64(0), uint64(0)
	for _, seg := range s.all {
		if !seg.sealed || seg.ended < seg.used || seg.from() != 0 || seg.to() != 0 || seg.used == 0 {
			continue
		}
		more := map[sumKey]*sum{}
		n, bad := add(seg, more)
		fresh := 0
		for key := range more {
			if sums[key] == nil {
				fresh++
			}
		}
		if len(sums)+fresh > int(into.places) {
			if len(from) > 1 {
				break // there is a gain already
			}
			if len(from) == 1 { // the first may be the one that fits with no other
				from, sums, calls, spoiled = nil, map[sumKey]*sum{}, 0, 0
			}
			if len(more) > int(into.places) {
				continue
			}
		}
		for key, m := range more {
			if sums[key] == nil {
				sums[key] = m
			} else {
				sums[key].merge(m)
			}
		}
		from, calls, spoiled = append(from, seg), calls+n, spoiled+bad
		if len(from) == foldAtOnce {
			break
		}
	}
	if len(from) < 2 {
		s.full = now
		return false
	}
	into.write(sums)
	into.sign(s.options.Environment, from) // from here on it counts, and they do not
	s.kept = nil
	s.all = slices.Insert(s.all, 0, into)
	s.folded += calls
	s.gone.Add(spoiled)
	for _, seg := range from {
		s.drop(seg)
	}
	s.options.Log.Warn("the spool of usage is full: calls that wait are added up by minute", "calls", calls, "segments", len(from))
	return true
}

// add adds a segment's records to sums.
func add(seg *segment, sums map[sumKey]*sum) (calls, spoiled uint64) {
	for i := range seg.used {
		r := seg.record(i)
		one := sum{count: 1}
		state := seg.state(r)
		switch state {
		case free, moved:
			continue
		case taken:
			one.interrupted(r)
		case done, total:
			if !r.whole() {
				spoiled++
				continue
			}
			one.read(r, state == total)
		default:
			spoiled++
			continue
		}
		calls += one.count
		key := sumKey{one.at, one.caller}
		if sums[key] == nil {
			sums[key] = &one
		} else {
			sums[key].merge(&one)
		}
	}
	return calls, spoiled
}

const minute = 60_000_000 // microseconds

func (m *sum) read(r record, adds bool) {
	c := callOf(r, 0, adds)
	m.at, m.count = c.At-c.At%minute, c.Count
	m.in, m.out, m.took, m.up = c.BytesIn, c.BytesOut, c.TookUS, c.UpstreamUS
	copy(m.caller[:], r.caller())
	if adds {
		for i, n := range c.Took {
			m.buckets[i] = uint64(n)
		}
		return
	}
	m.buckets[entry.UsageBucket(int64(c.TookUS))] = 1
}

// interrupted keeps of a call that did not end what is known.
func (m *sum) interrupted(r record) {
	at := int64(r.u64(atTime))
	m.at = at - at%minute
	copy(m.caller[atMethod-atCaller:], r[atMethod:atCode])
	copy(m.caller[atCode-atCaller:], entry.Interrupted)
	m.buckets[0] = 1
}

func (m *sum) merge(o *sum) {
	m.count, m.in, m.out, m.took, m.up = m.count+o.count, m.in+o.in, m.out+o.out, m.took+o.took, m.up+o.up
	for i, n := range o.buckets {
		m.buckets[i] += n
	}
}

// write makes a segment one of totals. It must not be signed.
func (s *segment) write(sums map[sumKey]*sum) {
	i := uint32(0)
	for _, m := range sums {
		r := s.record(i)
		clear(r)
		r.putU64(atTime, uint64(m.at))
		r.putU64(atBytesIn, m.in)
		r.putU64(atBytesOut, m.out)
		r.putU64(atCount, m.count)
		r.putU64(atSumTook, m.took)
		r.putU64(atSumUp, m.up)
		for j, n := range m.buckets {
			binary.LittleEndian.PutUint32(r[atBuckets+4*j:], uint32(min(n, math.MaxUint32)))
		}
		copy(r.caller(), m.caller[:])
		r.sign()
		s.setState(r, total)
		i++
	}
	s.next.Store(s.places)
	s.sealed, s.used, s.ended = true, i, i
}
