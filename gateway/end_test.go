package gateway_test

import (
	"io"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"portico/test/fake"
)

func TestNodeLeavesNothingRunning(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		before := goleak.IgnoreCurrent()
		up := fake.NewUpstream(t)
		carrier := fake.NewCarrier()
		carrier.Put(demo(t, up.URL)...)
		r := start(t, carrier, onDisk(t.TempDir()), lane)
		wait(t, "ready", func() bool { return r.Status().Ready })
		for _, path := range []string{"/demo/orders/v1/open", do + "reset", do + "big?n=100000", "/nowhere"} {
			r.call(t, "GET", path, "")
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		r.client.CloseIdleConnections()
		up.Close()
		goleak.VerifyNone(t, before)
	})
}

func TestTunnelsAndUpstreamsByHTTP2LeaveNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	t.Run("h2c and a tunnel", func(t *testing.T) {
		r := onProtocol(t, serveH2C(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }), "h2c")
		if got := r.call(t, "GET", do+"x", ""); got.body != "ok" {
			t.Errorf("got %d %s", got.status, got.body)
		}
		other := onUpstream(t, switching(t).URL)
		conn, _ := other.open(t, "")
		conn.Close()
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, before)
}
