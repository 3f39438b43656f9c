package gateway_test

import (
	"io"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"portico/internal/entry"
)

// TestTimesAreKeptWhileACallerOfAnUpstreamByHTTP2Sends has an answer begin and not go
// on, while the caller has more to send.
func TestTimesAreKeptWhileACallerOfAnUpstreamByHTTP2Sends(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		t.Parallel()
		up := serveFrames(t, func(f *frames, id uint32) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: f.head(":status", "200", "content-type", "application/grpc"), EndHeaders: true})
			f.WriteData(id, false, message("x"))
		})
		r := governed(t, lane, func(api *entry.API) {
			calledBy("h2c", up.URL)(api)
			api.Upstreams[0].IdleTimeoutMS = 300
		})
		for _, c := range []struct{ kind, header, end string }{{"application/grpc", "grpc-timeout: 300m", "4"}, {"text/plain", "x-a: 1", ""}} {
			in, out := io.Pipe()
			go out.Write(message("x"))
			begin := time.Now()
			res := r.grpc(t, t.Context(), do+"bad", c.kind, in, c.header)
			_, err := io.ReadAll(res.Body)
			took, end := time.Since(begin), res.Trailer.Get("Grpc-Status")
			if end != c.end || (err == nil) != (c.end != "") || took > 1500*time.Millisecond {
				t.Errorf("%s: got the end %q and %v after %v", c.kind, end, err, took)
			}
			out.Close()
		}
	})
}
