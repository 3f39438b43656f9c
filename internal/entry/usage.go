package entry

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// Usage is a piece of a node's spool on its way to the ledger: who called what,
// and a line for each call. Spool, Segment and From name it for good; what was
// sent once is sent again with the same bounds until it is acknowledged, so that
// the ledger can count it once.
type Usage struct {
	Spool    string // 32 hexadecimal digits, of one run of a node
	Segment  uint64
	From, To uint32 // places in the segment: From is in it, To is not
	Lost     uint64 // calls that were given up before it, for want of room
	Callers  []UsageCaller
	Calls    []UsageCall
}

// UsageCaller is what calls have in common: uuids, "" for none.
type UsageCaller struct {
	Version, Application, Subscription, Plan, Credential string

	Operation string // of the route; a long one ends in a hash
	Method    string
	Status    int    // 0 when the node ended before the call did
	Code      string // of a refusal; Interrupted for such a call
}

// Interrupted is the code of calls whose node was killed before they ended.
const Interrupted = "interrupted"

// UsageBuckets is how many buckets of durations a total has.
const UsageBuckets = 13

// UsageBounds returns the upper bounds of the buckets but the last, which has
// none, in microseconds. A duration is in the first whose bound it does not
// exceed.
func UsageBounds() [UsageBuckets - 1]int64 {
	return [UsageBuckets - 1]int64{1000, 2000, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000}
}

// UsageBucket returns the bucket of a duration in microseconds.
func UsageBucket(took int64) int {
	for i, bound := range UsageBounds() {
		if took <= bound {
			return i
		}
	}
	return UsageBuckets - 1
}

// UsageCall is one call, or several of one minute that a full spool has added
// up: then Count is not 1, times and bytes are sums, and Took counts durations.
type UsageCall struct {
	Caller             int   // index in Callers
	At                 int64 // microseconds since 1970
	Count              uint64
	BytesIn, BytesOut  uint64
	TookUS, UpstreamUS uint64
	Took               [UsageBuckets]uint32 // only where Count is not 1
	RequestID, Address string
}

// UsageAck says that the ledger has what a node sent: everything of a segment
// before To.
type UsageAck struct {
	Spool   string `json:"spool"`
	Segment uint64 `json:"segment"`
	To      uint32 `json:"to"`
}

// usageForm is the first byte of the encoding.
const usageForm = 1

// AppendUsage appends the encoding of u: binary, since a node does it for every
// call. Lengths and numbers are varints, times follow one another.
func AppendUsage(b []byte, u Usage) []byte {
	b = AppendUsageHead(b, u, len(u.Callers))
	for _, c := range u.Callers {
		var ids [UsageIDs][16]byte
		for i, uuid := range []string{c.Version, c.Application, c.Subscription, c.Plan, c.Credential} {
			ids[i] = usageID(uuid)
		}
		b = AppendUsageCaller(b, ids, []byte(c.Operation), []byte(c.Method), c.Status, []byte(c.Code))
	}
	b = AppendUsageCount(b, len(u.Calls))
	last := int64(0)
	for _, c := range u.Calls {
		var address []byte
		if a, err := netip.ParseAddr(c.Address); err == nil {
			address = a.AsSlice()
		}
		b = AppendUsageCall(b, last, c, address)
		last = c.At
	}
	return b
}

// AppendUsageHead begins what AppendUsage does whole: what comes before the
// callers, whose number it writes. With AppendUsageCaller for each of them,
// AppendUsageCount and AppendUsageCall a node encodes its records without making
// a value of each, which it would for every call.
func AppendUsageHead(b []byte, u Usage, callers int) []byte {
	b = append(b, usageForm)
	b = appendText(b, u.Spool)
	b = binary.AppendUvarint(b, u.Segment)
	b = binary.AppendUvarint(b, uint64(u.From))
	b = binary.AppendUvarint(b, uint64(u.To))
	b = binary.AppendUvarint(b, u.Lost)
	return binary.AppendUvarint(b, uint64(callers))
}

// UsageIDs is how many uuids a caller has: those of version, application,
// subscription, plan and credential.
const UsageIDs = 5

// AppendUsageCaller appends one caller. A zero uuid is none. Texts must be UTF-8.
func AppendUsageCaller(b []byte, ids [UsageIDs][16]byte, operation, method []byte, status int, code []byte) []byte {
	for _, id := range ids {
		if id == ([16]byte{}) {
			b = append(b, 0)
		} else {
			b = append(append(b, byte(len(id))), id[:]...)
		}
	}
	b = appendText(b, operation)
	b = appendText(b, method)
	b = binary.AppendUvarint(b, uint64(status))
	return appendText(b, code)
}

// AppendUsageCount appends how many calls follow.
func AppendUsageCount(b []byte, calls int) []byte { return binary.AppendUvarint(b, uint64(calls)) }

// AppendUsageCall appends one call: last is the time of the one before, 0 for the
// first; address has 4 or 16 bytes, or none, in the place of c.Address.
func AppendUsageCall(b []byte, last int64, c UsageCall, address []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.Caller))
	b = binary.AppendVarint(b, c.At-last)
	for _, n := range [...]uint64{c.Count, c.BytesIn, c.BytesOut, c.TookUS, c.UpstreamUS} {
		b = binary.AppendUvarint(b, n)
	}
	if c.Count != 1 {
		for _, n := range c.Took {
			b = binary.AppendUvarint(b, uint64(n))
		}
		return b
	}
	b = appendText(b, c.RequestID)
	return append(binary.AppendUvarint(b, uint64(len(address))), address...)
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// usageID returns the bytes of a uuid, none for what is no uuid: there is no
// call of such.
func usageID(uuid string) (id [16]byte) {
	if n, err := hex.Decode(id[:], []byte(uuid[:min(len(uuid), 32)])); n != len(id) || err != nil {
		return [16]byte{}
	}
	return id
}

// DecodeUsage reads what AppendUsage wrote, strictly: it comes from a node.
func DecodeUsage(raw []byte) (Usage, error) {
	d := &usageReader{rest: raw}
	if form := d.bytes(1); d.err == nil && form[0] != usageForm {
		return Usage{}, fmt.Errorf("usage: form %d, this build reads form %d", form[0], usageForm)
	}
	u := Usage{Spool: d.text(32), Segment: d.number(math.MaxInt64), From: uint32(d.number(math.MaxInt32)), To: uint32(d.number(math.MaxInt32)), Lost: d.number(math.MaxInt64)}
	if callers := d.count(); callers > 0 {
		u.Callers = make([]UsageCaller, callers)
	}
	for i := range u.Callers {
		c := &u.Callers[i]
		for _, uuid := range []*string{&c.Version, &c.Application, &c.Subscription, &c.Plan, &c.Credential} {
			*uuid = d.uuid()
		}
		c.Operation, c.Method, c.Status, c.Code = d.text(maxUsageText), d.text(maxUsageText), int(d.number(999)), d.text(maxUsageText)
	}
	if calls := d.count(); calls > 0 {
		u.Calls = make([]UsageCall, calls)
	}
	last := int64(0)
	for i := range u.Calls {
		c := &u.Calls[i]
		c.Caller = int(d.number(uint64(max(len(u.Callers), 1) - 1)))
		c.At = last + d.signed()
		last = c.At
		for _, n := range []*uint64{&c.Count, &c.BytesIn, &c.BytesOut, &c.TookUS, &c.UpstreamUS} {
			*n = d.number(maxUsageNumber)
		}
		if c.Count != 1 {
			for j := range c.Took {
				c.Took[j] = uint32(d.number(math.MaxUint32))
			}
			continue
		}
		c.RequestID, c.Address = d.text(maxUsageText), d.address()
	}
	switch {
	case d.err != nil:
		return Usage{}, fmt.Errorf("usage: %w", d.err)
	case len(d.rest) > 0:
		return Usage{}, errors.New("usage: data after the value")
	case len(u.Spool) != 32, u.To <= u.From, len(u.Calls) > 0 && len(u.Callers) == 0:
		return Usage{}, errors.New("usage: names no piece of a spool")
	}
	return u, nil
}

// maxUsageText bounds the texts.
const maxUsageText = 128

// maxUsageNumber bounds what is added up: no sum of a piece's leaves 63 bits.
const maxUsageNumber = 1 << 48

// usageReader reads until something is wrong; then everything is empty.
type usageReader struct {
	rest []byte
	err  error
}

func (d *usageReader) fail(why string) {
	if d.err == nil {
		d.err = errors.New(why)
	}
	d.rest = nil
}

func (d *usageReader) bytes(n int) []byte {
	if n > len(d.rest) {
		d.fail("cut short")
		return nil
	}
	out := d.rest[:n]
	d.rest = d.rest[n:]
	return out
}

func (d *usageReader) number(most uint64) uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 || n > most {
		d.fail("a number that cannot be")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

func (d *usageReader) signed() int64 {
	n, size := binary.Varint(d.rest)
	if size <= 0 {
		d.fail("a number that cannot be")
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count reads how many callers or calls follow, which take nine bytes each at
// the least: no more memory is asked for than there is reason to.
func (d *usageReader) count() int { return int(d.number(uint64(len(d.rest) / 9))) }

func (d *usageReader) text(most int) string { return string(d.bytes(int(d.number(uint64(most))))) }

func (d *usageReader) address() string {
	raw := d.bytes(int(d.number(16)))
	if len(raw) == 0 {
		return ""
	}
	a, ok := netip.AddrFromSlice(raw)
	if !ok {
		d.fail("an address of another length")
		return ""
	}
	return a.String()
}

func (d *usageReader) uuid() string {
	switch raw := d.bytes(int(d.number(16))); len(raw) {
	case 0:
	case 16:
		return hex.EncodeToString(raw)
	default:
		d.fail("a uuid of another length")
	}
	return ""
}
