package gateway_test

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"portico/gateway"
	"portico/internal/entry"
)

// TestCallThatAnUpstreamByHTTP2SendsAwayComesToAnEnd has it send each call away in a
// way after which net/http makes it again, at once, on another connection, and
// without an end. What may not be sent twice is not.
func TestCallThatAnUpstreamByHTTP2SendsAwayComesToAnEnd(t *testing.T) {
	reset := func(code http2.ErrCode) func(*frames, uint32) {
		return func(f *frames, id uint32) { f.WriteRSTStream(id, code) }
	}
	inEachLane(t, func(t *testing.T, lane change) {
		t.Parallel()
		var group sync.WaitGroup
		defer group.Wait()
		for _, c := range []struct {
			name     string
			says     func(*frames, uint32)
			settings []http2.Setting
		}{
			{"a fault of the protocol", reset(http2.ErrCodeProtocol), nil},
			{"a goodbye that counts no call", func(f *frames, _ uint32) { f.WriteGoAway(0, http2.ErrCodeNo, nil) }, nil},
			{"a refusal", reset(http2.ErrCodeRefusedStream), nil},
			{"a refusal and no room", reset(http2.ErrCodeRefusedStream), []http2.Setting{{ID: http2.SettingMaxConcurrentStreams, Val: 0}}},
		} {
			for method, most := range map[string]int32{"GET": 3, "POST": 1} {
				var heads atomic.Int32
				up := serveFrames(t, func(f *frames, id uint32) {
					heads.Add(1)
					c.says(f, id)
				}, c.settings...)
				r := governed(t, lane, func(api *entry.API) {
					calledBy("h2c", up.URL)(api)
					api.Upstreams[0].Traffic.Retry.Off, api.Upstreams[0].Traffic.TotalTimeoutMS = true, 5000
				})
				group.Go(func() {
					body := ""
					if method == "POST" {
						body = "x"
					}
					begin := time.Now()
					got := r.call(t, method, do+"bad", body)
					took, code := time.Since(begin), got.code()
					if code != "upstream_unreachable" && code != "upstream_timeout" || took > 3*time.Second {
						t.Errorf("%s, %s: got %d %s after %v", c.name, method, got.status, got.body, took)
					}
					if heads.Load() > most || up.Accepted() > 3 {
						t.Errorf("%s, %s: it was sent %d times by %d connections", c.name, method, heads.Load(), up.Accepted())
					}
				})
			}
		}
	})
}

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

// TestConnectionsThatHaveNoRoomAreNotKept calls an upstream that lets every connection
// carry no call at all.
func TestConnectionsThatHaveNoRoomAreNotKept(t *testing.T) {
	up := serveFrames(t, func(f *frames, id uint32) { f.WriteRSTStream(id, http2.ErrCodeRefusedStream) }, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0})
	var open atomic.Int32
	r := governed(t, func(c *gateway.Config) {
		c.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				open.Add(1)
				conn = &closing{Conn: conn, closed: func() { open.Add(-1) }}
			}
			return conn, err
		}
	}, func(api *entry.API) {
		calledBy("h2c", up.URL)(api)
		api.Upstreams[0].Traffic.Ejection.Off = true
	})
	for range 5 {
		if got := r.call(t, "POST", do+"bad", "x"); got.code() != "upstream_unreachable" {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	wait(t, "no connection to be open", func() bool { return open.Load() == 0 })
}

type closing struct {
	net.Conn
	once   sync.Once
	closed func()
}

func (c *closing) Close() error {
	c.once.Do(c.closed)
	return c.Conn.Close()
}
