package check_test

import (
	"testing"

	"portico/internal/entry/check"
)

func TestProtocolOfAnUpstreamFitsItsAddress(t *testing.T) {
	for _, c := range []struct {
		protocol, url string
		known, fits   bool
	}{
		{"", "http://x", true, true},
		{"http1", "https://x", true, true},
		{"auto", "http://x", true, true},
		{"auto", "https://x", true, true},
		{"http2", "https://x", true, true},
		{"http2", "http://x", true, false},
		{"h2c", "http://x", true, true},
		{"h2c", "https://x", true, false},
		{"spdy", "https://x", false, true},
	} {
		if known := check.Protocol(c.protocol) == nil; known != c.known {
			t.Errorf("%s: known %v", c.protocol, known)
		}
		if fits := check.ProtocolFits(c.protocol, c.url) == nil; fits != c.fits {
			t.Errorf("%s %s: fits %v", c.protocol, c.url, fits)
		}
	}
}
