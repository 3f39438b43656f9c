package gateway_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portico/gateway"
	"portico/internal/entry"
)

// message frames a message of gRPC.
func message(text string) []byte {
	b := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))
	return append(b, text...)
}

func readMessage(in io.Reader) (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", err
	}
	text := make([]byte, binary.BigEndian.Uint32(head[1:]))
	_, err := io.ReadFull(in, text)
	return string(text), err
}

// grpcServer answers each message at once with its own in upper case, and ends
// with trailers. A call to "fail" fails with a head alone, one to "hang" hangs.
func grpcServer(t *testing.T, seen func(*http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		seen(r)
		w.Header().Set("Content-Type", "application/grpc+proto")
		switch {
		case r.Proto != "HTTP/2.0":
			t.Errorf("called by %s", r.Proto)
		case strings.HasSuffix(r.URL.Path, "fail"):
			w.Header().Set("Grpc-Status", "5")
			w.Header().Set("Grpc-Message", "not here")
			return
		case strings.HasSuffix(r.URL.Path, "hang"):
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		w.(http.Flusher).Flush()
		for {
			text, err := readMessage(r.Body)
			if err != nil {
				break
			}
			w.Write(message(strings.ToUpper(text)))
			w.(http.Flusher).Flush()
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", "fine")
	}
}

// inHTTP2 runs a test for callers by HTTP/2, without and with TLS.
func inHTTP2(t *testing.T, test func(*testing.T, change)) {
	t.Run("h2c", func(t *testing.T) { test(t, func(c *gateway.Config) { c.Build = byH2C }) })
	t.Run("HTTP2", func(t *testing.T) { test(t, func(c *gateway.Config) { c.Build = byHTTP2 }) })
}

func (r *running) grpc(t *testing.T, ctx context.Context, path, kind string, body io.Reader, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, "POST", r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Te", "trailers")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := r.client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

func TestGRPCStreamsBothWaysAtOnce(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		r := onProtocol(t, serveH2C(t, grpcServer(t, func(req *http.Request) {
			if req.Header.Get("Te") != "trailers" || req.Header.Get("X-Request-Id") == "" || req.Header.Get("X-Forwarded-For") != "127.0.0.1" {
				t.Errorf("the upstream saw %v", req.Header)
			}
		})), "h2c", lane)
		in, out := io.Pipe()
		go out.Write(message("first"))
		res := r.grpc(t, context.Background(), do+"talk", "application/grpc", in)
		for _, text := range []string{"first", "second", strings.Repeat("large", 100_000), ""} {
			if text != "first" {
				go out.Write(message(text))
			}
			if got, err := readMessage(res.Body); err != nil || got != strings.ToUpper(text) {
				t.Fatalf("got %.20q %v, want %.20q", got, err, text)
			}
		}
		out.Close()
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 || res.Trailer.Get("Grpc-Status") != "0" || res.Trailer.Get("Grpc-Message") != "fine" {
			t.Errorf("ended with %q %v, trailers %v", rest, err, res.Trailer)
		}
		res = r.grpc(t, context.Background(), do+"fail", "application/grpc", bytes.NewReader(message("x")))
		if res.StatusCode != 200 || res.Header.Get("Grpc-Status") != "5" || res.Header.Get("Grpc-Message") != "not here" {
			t.Errorf("a head alone: got %d %v", res.StatusCode, res.Header)
		}
	})
}

func TestGRPCIsRefusedInItsOwnWords(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		closed, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		closed.Close()
		r := onProtocol(t, "http://"+closed.Addr().String(), "h2c", lane)
		for path, want := range map[string]string{
			"/demo/orders/v1/orders": "16 credential_missing",
			"/nowhere":               "12 no_route",
			do + "a%2Fb":             "13 request_invalid",
			do + "talk":              "14 upstream_unreachable",
		} {
			for _, kind := range []string{"application/grpc", "application/grpc+proto", "application/grpc-web+proto"} {
				res := r.grpc(t, context.Background(), path, kind, bytes.NewReader(message("x")))
				text, _ := io.ReadAll(res.Body)
				got := res.Header.Get("Grpc-Status") + " " + res.Header.Get("X-Portico-Code")
				if res.StatusCode != 200 || got != want || res.Header.Get("Grpc-Message") == "" || res.Header.Get("Content-Type") != kind || len(text) > 0 {
					t.Errorf("%s %s: got %d %v %q, want %s", path, kind, res.StatusCode, res.Header, text, want)
				}
			}
		}
	})
}

func TestGRPCTimeoutBoundsTheCall(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		gone := make(chan struct{}, 1)
		r := onProtocol(t, serveH2C(t, grpcServer(t, func(req *http.Request) {
			context.AfterFunc(req.Context(), func() { gone <- struct{}{} })
		})), "h2c", lane)
		res := r.grpc(t, context.Background(), do+"hang", "application/grpc", bytes.NewReader(message("x")), "grpc-timeout: 300m")
		begin := time.Now()
		if _, err := io.ReadAll(res.Body); err != nil || res.Trailer.Get("Grpc-Status") != "4" {
			t.Errorf("got %v and the end %v, want DEADLINE_EXCEEDED", err, res.Trailer)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("ended after %v", took)
		}
		<-gone
	})
}

// late is an upstream that knows nothing of deadlines: it gives a message back
// after a while.
func late(t *testing.T, after time.Duration) string {
	return serveH2C(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		select {
		case <-time.After(after):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Write(body)
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
	})
}

func TestGRPCTimeoutBoundsACallThatIsSentWhole(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		r := onProtocol(t, late(t, 10*time.Second), "h2c", lane)
		for _, kind := range []string{"application/grpc", "application/grpc-web+proto"} {
			begin := time.Now()
			res := r.grpc(t, within(t), do+"x", kind, bytes.NewReader(message("x")), "grpc-timeout: 200m")
			if took := time.Since(begin); res.Header.Get("Grpc-Status") != "4" || took > 700*time.Millisecond {
				t.Errorf("%s: got %v after %v, want DEADLINE_EXCEEDED after 200 ms", kind, res.Header, took)
			}
		}
	})
}

func TestGRPCTimeoutBeyondAllBoundsIsNone(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		r := onProtocol(t, late(t, 200*time.Millisecond), "h2c", lane)
		for _, timeout := range []string{"99999999H", "99999999M", "2562047H", "99999999S"} {
			for name, body := range map[string]io.Reader{"streams": io.MultiReader(bytes.NewReader(message("x"))), "whole": bytes.NewReader(message("x"))} {
				res := r.grpc(t, within(t), do+"x", "application/grpc", body, "grpc-timeout: "+timeout)
				text, err := io.ReadAll(res.Body)
				if err != nil || string(text) != string(message("x")) || res.Trailer.Get("Grpc-Status") != "0" {
					t.Errorf("%s, %s: got %q %v, head %v, end %v", timeout, name, text, err, res.Header, res.Trailer)
				}
			}
		}
	})
}

// Whoever gives an upstream no time must not have it taken for a bad one, by
// which calls of everybody else would be refused.
func TestGRPCTimeoutIsNotHeldAgainstTheUpstream(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		up := late(t, 250*time.Millisecond)
		r := governed(t, lane, func(api *entry.API) {
			api.Upstreams[0].Targets[0].URL, api.Upstreams[0].Protocol = up, "h2c"
			api.Upstreams[0].Traffic.Breaker = entry.Breaker{ErrorPercent: 20, MinRequests: 4, OpenMS: 60_000}
			api.Upstreams[0].Traffic.Ejection = entry.Ejection{Failures: 2}
		})
		for i := range 12 {
			body := io.Reader(bytes.NewReader(message("x")))
			if i%2 == 0 {
				body = io.MultiReader(body)
			}
			timeout := [...]string{"1n", "20m", "100m"}[i%3]
			if res := r.grpc(t, within(t), do+"x", "application/grpc", body, "grpc-timeout: "+timeout); res.Header.Get("Grpc-Status") != "4" {
				t.Errorf("%d, %s: got %v, want DEADLINE_EXCEEDED", i, timeout, res.Header)
			}
		}
		res := r.grpc(t, within(t), do+"x", "application/grpc", bytes.NewReader(message("x")))
		if text, err := io.ReadAll(res.Body); err != nil || res.Trailer.Get("Grpc-Status") != "0" {
			t.Errorf("somebody else's call: got %q %v, head %v", text, err, res.Header)
		}
	})
}

func TestCallerThatLeavesCancelsGRPC(t *testing.T) {
	inHTTP2(t, func(t *testing.T, lane change) {
		gone := make(chan struct{}, 1)
		r := onProtocol(t, serveH2C(t, grpcServer(t, func(req *http.Request) {
			context.AfterFunc(req.Context(), func() { gone <- struct{}{} })
		})), "h2c", lane)
		ctx, cancel := context.WithCancel(context.Background())
		r.grpc(t, ctx, do+"hang", "application/grpc", bytes.NewReader(message("x")))
		cancel()
		select {
		case <-gone:
		case <-time.After(4 * time.Second):
			t.Error("the upstream was not told")
		}
	})
}

func TestGRPCWebIsTranslated(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := onProtocol(t, serveH2C(t, grpcServer(t, func(req *http.Request) {
			if kind := req.Header.Get("Content-Type"); kind != "application/grpc+proto" && kind != "application/grpc" {
				t.Errorf("the upstream saw %s", kind)
			}
		})), "h2c", lane)
		trailers := "grpc-message: fine\r\ngrpc-status: 0\r\n"
		want := string(message("HELLO")) + string(append([]byte{0x80}, binary.BigEndian.AppendUint32(nil, uint32(len(trailers)))...))
		large := strings.Repeat("x", 50_000)
		for _, c := range []struct{ kind, body, text string }{
			{"application/grpc-web+proto", string(message("hello")), ""},
			{"application/grpc-web-text+proto", base64.StdEncoding.EncodeToString(message("hello")), ""},
			{"application/grpc-web-text+proto", base64.StdEncoding.EncodeToString(message("hello")[:1]) + base64.StdEncoding.EncodeToString(message("hello")[1:]), ""},
			{"application/grpc-web-text+proto", base64.StdEncoding.EncodeToString(message(large)), large},
		} {
			res := r.grpc(t, context.Background(), do+"talk", c.kind, strings.NewReader(c.body))
			text, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != c.kind {
				t.Fatalf("%s: got %d %v %v %q", c.kind, res.StatusCode, res.Header, err, text)
			}
			if strings.Contains(c.kind, "text") {
				if text, err = fromPieces(string(text)); err != nil {
					t.Fatal(err)
				}
			}
			if c.text != "" {
				if got, err := readMessage(bytes.NewReader(text)); err != nil || got != strings.ToUpper(c.text) {
					t.Errorf("got %d bytes, %v", len(got), err)
				}
				continue
			}
			head, tail, _ := strings.Cut(string(text), "grpc-")
			if head != want || !strings.Contains("grpc-"+tail, "grpc-status: 0\r\n") || !strings.Contains("grpc-"+tail, "grpc-message: fine\r\n") {
				t.Errorf("%s: got %q", c.kind, text)
			}
		}
		res := r.grpc(t, context.Background(), do+"talk", "application/grpc-web-text", strings.NewReader("no base64!!!"))
		if text, err := io.ReadAll(res.Body); err == nil && res.Header.Get("Grpc-Status") != "13" {
			t.Errorf("nonsense: got %d %v %q", res.StatusCode, res.Header, text)
		}
	})
}

// What is counted of a call in base64 is what its caller sends.
func TestGRPCWebTextCountsAsItIsSent(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := onProtocol(t, late(t, 0), "h2c", lane, func(c *gateway.Config) { c.UsageDir = t.TempDir() })
		body := base64.StdEncoding.EncodeToString(message("hello!"))
		res := r.grpc(t, within(t), do+"x", "application/grpc-web-text", strings.NewReader(body))
		if text, err := io.ReadAll(res.Body); err != nil || len(text) == 0 {
			t.Fatalf("got %q %v", text, err)
		}
		wait(t, "its record", func() bool {
			for _, u := range r.carrier.Ledger().Usages() {
				if len(u.Calls) == 0 {
					continue
				}
				if in := u.Calls[0].BytesIn; in != uint64(len(body)) {
					t.Fatalf("got %d bytes in, want %d", in, len(body))
				}
				return true
			}
			return false
		})
	})
}

// fromPieces reads base64 whose pieces are padded each.
func fromPieces(text string) (out []byte, err error) {
	for i := 0; i+4 <= len(text); i += 4 {
		b, err := base64.StdEncoding.DecodeString(text[i : i+4])
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

// TestUpstreamsByHTTP2AnswerLikeOthers holds what is promised of calls to an
// upstream by each of its protocols.
func TestUpstreamsByHTTP2AnswerLikeOthers(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] {
		case "slow":
			<-r.Context().Done()
		case "cut":
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "0123456789")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case "upload":
			n, err := io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%d %v", n, err)
		case "trailers":
			body, _ := io.ReadAll(r.Body)
			w.(http.Flusher).Flush()
			w.Write(body)
			w.Header().Set(http.TrailerPrefix+"X-Sum", r.Trailer.Get("X-Sum"))
		default:
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s %s %s %s %s", r.Proto, r.Method, r.Host, r.RequestURI, body)
		}
	}
	up := newBoth(t, handler)
	for protocol, proto := range map[string]string{"": "HTTP/1.1", "h2c": "HTTP/2.0", "http2": "HTTP/2.0", "auto": "HTTP/2.0"} {
		t.Run("by "+protocol, func(t *testing.T) {
			inEachLane(t, func(t *testing.T, lane change) {
				t.Parallel()
				r := governed(t, lane, up.calledBy(protocol))
				api := demoAPI("")
				up.calledBy(protocol)(&api)
				_, host, _ := strings.Cut(api.Upstreams[0].Targets[0].URL, "://")
				for _, target := range []string{"/files/a%20b/c?x=%20y", "/files//double", "/files/"} {
					if got := r.call(t, "GET", "/demo/orders/v1"+target, ""); got.body != proto+" GET "+host+" "+target+" " {
						t.Errorf("got %d %q", got.status, got.body)
					}
				}
				if got := r.call(t, "POST", do+"x", "small"); !strings.HasSuffix(got.body, "POST "+host+" /do/x small") {
					t.Errorf("got %d %q", got.status, got.body)
				}
				if got := r.call(t, "POST", do+"upload", strings.Repeat("x", 1<<20)); got.body != "1048576 <nil>" {
					t.Errorf("got %d %q up", got.status, got.body)
				}
				if got := r.call(t, "GET", do+"slow", ""); got.code() != "upstream_timeout" {
					t.Errorf("got %d %s", got.status, got.body)
				}
				req, _ := http.NewRequest("POST", r.url+do+"trailers", io.MultiReader(strings.NewReader("hello")))
				req.Trailer = http.Header{"X-Sum": {"5"}}
				res, err := r.client.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				if text, err := io.ReadAll(res.Body); err != nil || string(text) != "hello" || res.Trailer.Get("X-Sum") != "5" {
					t.Errorf("got %q, trailers %v, %v", text, res.Trailer, err)
				}
				res.Body.Close()
				res, err = r.get(do + "cut")
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if text, err := io.ReadAll(res.Body); err == nil {
					t.Errorf("an answer that breaks off: got %q and no error", text)
				}
			})
		})
	}
}

func TestUpstreamWithoutHTTP2IsToldApart(t *testing.T) {
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "old") }))
	defer old.Close()
	r := onProtocol(t, old.URL, "h2c")
	if got := r.call(t, "GET", do+"x", ""); got.status != 502 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	api := demoAPI(old.URL)
	api.Upstreams[0].Protocol = "auto" // which is HTTP/1.1 where there is no TLS
	r.carrier.Put(item(t, 3, api), entry.Mark(entry.HeadKey, at(3)))
	wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 3 })
	if got := r.call(t, "GET", do+"x", ""); got.body != "old" {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
