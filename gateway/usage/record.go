package usage

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"math"
	"net/netip"
	"time"
	"unicode/utf8"
	"unsafe"

	"portico/internal/entry"
)

// Call is what there is to say of a call when it ends. Its strings may be longer
// than a record keeps: an operation then ends in a hash, anything else is cut.
type Call struct {
	Version, Application, Subscription, Plan, Credential [16]byte // zero: none

	Operation string
	Status    int
	Code      string // of a refusal
	BytesIn   int64
	BytesOut  int64
	Took      time.Duration
	Upstream  time.Duration // until the head of its answer
}

// Begin is what is known of a call when its head has been read.
type Begin struct {
	At        time.Time
	Method    string
	RequestID string
	Address   netip.Addr
}

// recordBytes is the size of a record: five cache lines.
const recordBytes = 320

// Where things are in a record. Numbers are little-endian. From atCaller on is
// what callers are told apart by. A total has its counts where a single call has
// its address and request id.
const (
	atState     = 0 // uint32, of segment.state
	atSum       = 4 // uint32, CRC-32C of what follows
	atTime      = 8 // int64, microseconds since 1970
	atBytesIn   = 16
	atBytesOut  = 24
	atTook      = 32 // uint32, microseconds
	atUpstream  = 36
	atAddress   = 40 // 1 byte length: 0, 4 or 16
	atRequest   = 41 // 1 byte length
	theAddress  = 48
	theRequest  = 64
	maxRequest  = 64
	atBuckets   = 48 // of a total: 13 uint32
	atCount     = 104
	atSumTook   = 112
	atSumUp     = 120
	atCaller    = 128
	atVersion   = 128
	atApp       = 144
	atSub       = 160
	atPlan      = 176
	atCred      = 192
	atStatus    = 208 // uint16
	atMethod    = 216
	atCode      = 228
	atOperation = 256
)

// The states of a record. All but the first two are final.
const (
	free uint32 = iota
	taken
	done
	total
	moved
	stateBits = 3
)

// record is one of a segment's.
type record []byte

func (r record) putU32(at int, n uint32) { binary.LittleEndian.PutUint32(r[at:], n) }
func (r record) putU64(at int, n uint64) { binary.LittleEndian.PutUint64(r[at:], n) }
func (r record) u32(at int) uint32       { return binary.LittleEndian.Uint32(r[at:]) }
func (r record) u64(at int) uint64       { return binary.LittleEndian.Uint64(r[at:]) }

// begin writes what is known at first, but for the state, over what was there
// before: all of the record, so that its cache lines are on their way when the call
// ends.
func (r record) begin(b *Begin) {
	clear(r[atSum:])
	r.putU64(atTime, uint64(b.At.UnixMicro()))
	copy(r[atMethod:atCode], b.Method)
	r[atRequest] = byte(copy(r[theRequest:theRequest+maxRequest], b.RequestID))
	switch {
	case b.Address.Is4():
		four := b.Address.As4()
		r[atAddress] = byte(copy(r[theAddress:], four[:]))
	case b.Address.Is6():
		sixteen := b.Address.As16()
		r[atAddress] = byte(copy(r[theAddress:], sixteen[:]))
	}
}

// finish writes the rest, but for the state.
func (r record) finish(c *Call) {
	r.putU64(atBytesIn, uint64(max(c.BytesIn, 0)))
	r.putU64(atBytesOut, uint64(max(c.BytesOut, 0)))
	r.putU32(atTook, micros(c.Took))
	r.putU32(atUpstream, micros(c.Upstream))
	copy(r[atVersion:], c.Version[:])
	copy(r[atApp:], c.Application[:])
	copy(r[atSub:], c.Subscription[:])
	copy(r[atPlan:], c.Plan[:])
	copy(r[atCred:], c.Credential[:])
	binary.LittleEndian.PutUint16(r[atStatus:], uint16(c.Status))
	copy(r[atCode:atOperation], c.Code)
	if len(c.Operation) <= recordBytes-atOperation {
		copy(r[atOperation:], c.Operation)
	} else {
		r.longOperation(c.Operation)
	}
	r.sign()
}

// longOperation keeps operations apart that begin alike (FNV-1a).
func (r record) longOperation(name string) {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	const digits = 16
	head := recordBytes - atOperation - digits - 1
	copy(r[atOperation:], name[:head])
	r[atOperation+head] = '~'
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h)
	hex.Encode(r[atOperation+head+1:], sum[:])
}

func (r record) sign()       { r.putU32(atSum, checksum(r[atTime:recordBytes])) }
func (r record) whole() bool { return r.u32(atSum) == checksum(r[atTime:recordBytes]) }

// checksum is one that the processor knows. MakeTable returns a shared table.
func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func micros(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), math.MaxUint32))
}

// caller returns what callers are told apart by.
func (r record) caller() []byte { return r[atCaller:recordBytes] }

// appendCaller encodes a record's caller.
func (r record) appendCaller(b []byte, interrupted bool) []byte {
	var ids [entry.UsageIDs][16]byte
	if interrupted {
		return entry.AppendUsageCaller(b, ids, nil, text(r[atMethod:atCode]), 0, []byte(entry.Interrupted))
	}
	for i, at := range [entry.UsageIDs]int{atVersion, atApp, atSub, atPlan, atCred} {
		ids[i] = [16]byte(r[at:])
	}
	status := int(binary.LittleEndian.Uint16(r[atStatus:])) % 1000
	return entry.AppendUsageCaller(b, ids, text(r[atOperation:recordBytes]), text(r[atMethod:atCode]), status, text(r[atCode:atOperation]))
}

// callOf reads the rest of a record, but for the address: of one call, or of those
// that a total adds up. The result is good as long as the segment is mapped.
func callOf(r record, caller int, adds bool) entry.UsageCall {
	c := entry.UsageCall{Caller: caller, At: int64(r.u64(atTime)), Count: 1, BytesIn: r.u64(atBytesIn), BytesOut: r.u64(atBytesOut)}
	if adds {
		c.Count, c.TookUS, c.UpstreamUS = r.u64(atCount), r.u64(atSumTook), r.u64(atSumUp)
		for i := range c.Took {
			c.Took[i] = r.u32(atBuckets + 4*i)
		}
		return c
	}
	c.TookUS, c.UpstreamUS = uint64(r.u32(atTook)), uint64(r.u32(atUpstream))
	if n := min(int(r[atRequest]), maxRequest); n > 0 {
		c.RequestID = unsafe.String(&r[theRequest], n) // the record's own bytes, for the moment of encoding
	}
	return c
}

// address returns where a call came from, as its bytes; nil for nowhere.
func (r record) address() []byte {
	if n := r[atAddress]; n == 4 || n == 16 {
		return r[theAddress : theAddress+int(n)]
	}
	return nil
}

// text returns what stands in a field before its padding, as valid UTF-8: it may
// have been cut.
func text(b []byte) []byte {
	if end := bytes.IndexByte(b, 0); end >= 0 {
		b = b[:end]
	}
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, nil)
}
