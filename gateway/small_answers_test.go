//go:build !race

package gateway_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/gateway/lane"
)

// It takes more answers to fill a socket than a node gives in time under the race
// detector.

// TestClientThatReadsNoSmallAnswersIsCutOff asks again and again, for answers that
// each lane writes in one go when all else is done.
func TestClientThatReadsNoSmallAnswersIsCutOff(t *testing.T) {
	inHTTP1(t, func(t *testing.T, chosen change) {
		t.Parallel()
		r := startDemo(t, chosen, func(c *gateway.Config) { c.Times = lane.Times{Write: 500 * time.Millisecond} })
		for _, method := range []string{"GET", "HEAD"} {
			conn, err := net.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			asked := strings.Repeat(method+" /demo/orders/v1/open HTTP/1.1\r\nHost: x\r\n\r\n", 100)
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			for err == nil {
				_, err = io.WriteString(conn, asked)
			}
			// Whatever is sent after the node gave it up is answered by a reset.
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: a client that does not read is waited for", method)
			}
		}
	})
}
