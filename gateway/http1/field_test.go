package http1_test

import (
	"strings"
	"testing"

	"portico/gateway/http1"
)

// TestEveryByteOfAFieldIsLookedAt puts each byte in each place of values of each
// length that eight bytes at a time may be cut into.
func TestEveryByteOfAFieldIsLookedAt(t *testing.T) {
	for length := 1; length <= 25; length++ {
		for at := range length {
			for c := range 256 {
				value := strings.Repeat("v", at) + string([]byte{byte(c)}) + strings.Repeat("\x80", length-at-1)
				f, err := http1.ParseField("X-A: \t" + value + " \t")
				text := c >= ' ' && c != 0x7f || c == '\t'
				if (err == nil) != text || text && f.Value != strings.Trim(value, " \t") {
					t.Fatalf("%q: got %q, %v", value, f.Value, err)
				}
			}
		}
	}
	for c := range 256 {
		f, err := http1.ParseField("a" + string([]byte{byte(c)}) + "b:v")
		want := "a" + string([]byte{byte(c)}) + "b"
		if c == ':' {
			want = "a"
		}
		if ok := http1.IsToken(want); (err == nil) != ok || ok && f.Name != want {
			t.Fatalf("%q: got %q, %v", want, f.Name, err)
		}
	}
}

// TestCRIsRefusedAsSuchWhereverItStands in a head, whatever else is wrong there.
func TestCRIsRefusedAsSuchWhereverItStands(t *testing.T) {
	const head = "GET /a HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n"
	for at := range len(head) {
		if strings.ContainsAny(head[at:at+1], "\r\n") || at > 0 && head[at-1] == '\n' && head[at] == '\r' {
			continue
		}
		var h http1.Head
		raw := head[:at] + "\r" + head[at:]
		if err := h.Parse([]byte(raw)); err == nil || !strings.Contains(err.Detail, "CR without LF") {
			t.Errorf("%q: got %v", raw, err)
		}
		if at > strings.Index(head, "X-A") {
			break // what stands behind is not read
		}
	}
}
