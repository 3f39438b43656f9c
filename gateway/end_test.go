package gateway_test

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"portico/test/fake"
)

func TestNodeLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	up := fake.NewUpstream(t)
	carrier := fake.NewCarrier()
	carrier.Put(demo(t, up.URL)...)
	r := start(t, carrier, onDisk(t.TempDir()))
	wait(t, "ready", func() bool { return r.Status().Ready })
	for _, path := range []string{"/demo/orders/v1/open", do + "reset", do + "big?n=100000", "/nowhere"} {
		r.call(t, "GET", path, "")
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	up.Close()
	goleak.VerifyNone(t, before)
}
