package gateway_test

import (
	"crypto/tls"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"portico/gateway"
)

// TestClientThatComesAsTheDrainBeginsIsToldToLeave has a connection by HTTP/2 that
// is there when the drain begins and says its first word after it: the drain is not
// held up by it.
func TestClientThatComesAsTheDrainBeginsIsToldToLeave(t *testing.T) {
	r := startDemo(t, func(c *gateway.Config) { c.Build = byHTTP2 })
	conn, err := tls.Dial("tcp", r.address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.Sleep(50 * time.Millisecond) // it is handed over, and nothing was said
	began, ended := time.Now(), make(chan error, 1)
	go func() { ended <- r.stop() }()
	time.Sleep(100 * time.Millisecond)
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	told := false
	for _ = conn.SetReadDeadline(time.Now().Add(10 * time.Second)); !told; {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("it is not told to leave: %v", err)
		}
		_, told = frame.(*http2.GoAwayFrame)
	}
	if err := <-ended; err != nil || time.Since(began) > 5*time.Second {
		t.Errorf("the drain took %v: %v", time.Since(began), err)
	}
}
