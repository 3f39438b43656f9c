package entry_test

import (
	"reflect"
	"strings"
	"testing"

	"portico/internal/entry"
)

func someUsage() entry.Usage {
	return entry.Usage{
		Spool: strings.Repeat("ab", 16), Segment: 7, From: 3, To: 6, Lost: 9,
		Callers: []entry.UsageCaller{
			{Version: strings.Repeat("01", 16), Application: strings.Repeat("02", 16), Subscription: strings.Repeat("03", 16), Plan: strings.Repeat("04", 16), Credential: strings.Repeat("05", 16), Operation: "list", Method: "GET", Status: 200},
			{Method: "GET", Status: 404, Code: "no_route"},
		},
		Calls: []entry.UsageCall{
			{Caller: 0, At: 1_700_000_000_000_000, Count: 1, BytesIn: 1, BytesOut: 2, TookUS: 3, UpstreamUS: 4, RequestID: "r", Address: "192.0.2.1"},
			{Caller: 1, At: 1_699_999_999_000_000, Count: 1},
			{Caller: 0, At: 1_700_000_060_000_000, Count: 5, TookUS: 50, Took: [entry.UsageBuckets]uint32{4, 1}},
		},
	}
}

func TestUsageComesBackAsItWasEncoded(t *testing.T) {
	want := someUsage()
	got, err := entry.DecodeUsage(entry.AppendUsage(nil, want))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
}

func TestUsageThatIsCutOrLongerIsRefused(t *testing.T) {
	raw := entry.AppendUsage(nil, someUsage())
	for n := range raw {
		if _, err := entry.DecodeUsage(raw[:n]); err == nil {
			t.Errorf("cut after %d of %d bytes it was taken", n, len(raw))
		}
	}
	if _, err := entry.DecodeUsage(append(raw, 0)); err == nil {
		t.Error("with a byte more it was taken")
	}
	raw[0] = 9
	if _, err := entry.DecodeUsage(raw); err == nil || !strings.Contains(err.Error(), "form 9") {
		t.Errorf("of another form: got %v", err)
	}
}

func TestUsageBucketHoldsItsBound(t *testing.T) {
	for i, bound := range entry.UsageBounds() {
		if got := entry.UsageBucket(bound); got != i {
			t.Errorf("%d µs: got bucket %d, want %d", bound, got, i)
		}
		if got := entry.UsageBucket(bound + 1); got != i+1 {
			t.Errorf("%d µs: got bucket %d, want %d", bound+1, got, i+1)
		}
	}
}

// Whatever a node sends is refused or read whole, and costs no more memory than
// it has bytes.
func FuzzDecodeUsage(f *testing.F) {
	f.Add(entry.AppendUsage(nil, someUsage()))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		u, err := entry.DecodeUsage(raw)
		if err != nil {
			return
		}
		again, err := entry.DecodeUsage(entry.AppendUsage(nil, u))
		if err != nil || !reflect.DeepEqual(u, again) {
			t.Errorf("read %+v, written and read again %+v, %v", u, again, err)
		}
	})
}
