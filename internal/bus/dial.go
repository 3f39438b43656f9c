package bus

import (
	"context"
	"net"
	"time"
)

// gentle connects to a server that is elsewhere, and writes to it in pieces.
type gentle struct{ net.Dialer }

// Dial implements nats.CustomDialer.
func (d *gentle) Dial(network, address string) (net.Conn, error) {
	conn, err := d.DialContext(context.Background(), network, address) // Timeout ends it
	if err != nil {
		return nil, err
	}
	return inPieces{conn}, nil
}

// inPieces writes what is large in pieces, with a pause after each. One write of a
// usage message of 300 KB may take a millisecond of the processor, and on a gateway of
// one core all calls would wait for its end. To yield in between would not do: the
// runtime comes back at once, and asks the network only when nothing is ready to run.
type inPieces struct{ net.Conn }

const (
	onePiece   = 16 << 10
	afterPiece = 20 * time.Microsecond
)

// Write implements io.Writer.
func (c inPieces) Write(b []byte) (n int, err error) {
	for {
		m, err := c.Conn.Write(b[:min(len(b), onePiece)])
		n += m
		if b = b[m:]; err != nil || len(b) == 0 {
			return n, err
		}
		time.Sleep(afterPiece)
	}
}
