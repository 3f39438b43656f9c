package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// backend is a gRPC server that takes any method of any service, and does what
// the last part of its name says.
type backend struct {
	gone chan error // of calls to "hang": why they ended
}

func (b *backend) serve(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	read := func() (string, error) {
		var m wrapperspb.StringValue
		err := s.RecvMsg(&m)
		return m.Value, err
	}
	write := func(text string) error { return s.SendMsg(wrapperspb.String(text)) }
	s.SetTrailer(metadata.Pairs("x-cost", "7", "x-raw-bin", "\x00\xff"))
	switch method[strings.LastIndexByte(method, '/')+1:] {
	case "unary":
		text, err := read()
		if err != nil {
			return err
		}
		if in, _ := metadata.FromIncomingContext(s.Context()); len(in["x-asks"]) > 0 {
			_ = s.SetHeader(metadata.Pairs("x-asked", in["x-asks"][0]))
		}
		return write(strings.ToUpper(text))
	case "download":
		for _, text := range []string{"a", "b", strings.Repeat("c", 200_000)} {
			if err := write(text); err != nil {
				return err
			}
		}
		return nil
	case "upload", "talk":
		all := ""
		for {
			text, err := read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if all += text; strings.HasSuffix(method, "talk") {
				if err := write(strings.ToUpper(text)); err != nil {
					return err
				}
			}
		}
		if strings.HasSuffix(method, "upload") {
			return write(all)
		}
		return nil
	case "fail":
		failed, err := status.New(codes.FailedPrecondition, "not während of this 100 %").WithDetails(wrapperspb.String("why"), wrapperspb.Int64(7))
		if err != nil {
			return err
		}
		return failed.Err()
	case "hang":
		_ = write("still here")
		<-s.Context().Done()
		b.gone <- context.Cause(s.Context())
		return s.Context().Err()
	}
	<-s.Context().Done() // without a word
	b.gone <- context.Cause(s.Context())
	return s.Context().Err()
}

// behindGRPC runs a node before a server of grpc-go.
func behindGRPC(t *testing.T, test func(*testing.T, *running, *backend)) {
	inHTTP2(t, func(t *testing.T, lane change) {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		b := &backend{gone: make(chan error, 10)}
		server := grpc.NewServer(grpc.UnknownServiceHandler(b.serve))
		go func() { _ = server.Serve(l) }()
		t.Cleanup(server.Stop)
		test(t, onProtocol(t, "http://"+l.Addr().String(), "h2c", lane), b)
	})
}

// overGRPC is behindGRPC with a client of grpc-go.
func overGRPC(t *testing.T, test func(*testing.T, *grpc.ClientConn, *backend)) {
	behindGRPC(t, func(t *testing.T, r *running, b *backend) {
		trust := insecure.NewCredentials()
		if c := r.client.TLSClientConfig; c != nil {
			trust = credentials.NewClientTLSFromCert(c.RootCAs, "127.0.0.1")
		}
		client, err := grpc.NewClient("passthrough:///"+r.address, grpc.WithTransportCredentials(trust))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		test(t, client, b)
	})
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestUnaryGRPCPassesWholly(t *testing.T) {
	overGRPC(t, func(t *testing.T, client *grpc.ClientConn, _ *backend) {
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
			for _, text := range []string{"hello", "", strings.Repeat("large", 50_000)} {
				var out wrapperspb.StringValue
				var head, end metadata.MD
				ctx := metadata.AppendToOutgoingContext(within(t), "x-asks", "how")
				if err := client.Invoke(ctx, do+"unary", wrapperspb.String(text), &out, append(options, grpc.Header(&head), grpc.Trailer(&end))...); err != nil {
					t.Fatal(err)
				}
				if out.Value != strings.ToUpper(text) || len(head["x-asked"]) != 1 || head["x-asked"][0] != "how" || end["x-cost"][0] != "7" || end["x-raw-bin"][0] != "\x00\xff" {
					t.Errorf("got %.20q, head %v, end %v", out.Value, head, end)
				}
			}
		}
	})
}

func TestGRPCStreamsOfEveryKindPass(t *testing.T) {
	overGRPC(t, func(t *testing.T, client *grpc.ClientConn, _ *backend) {
		for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
			down, err := client.NewStream(within(t), &grpc.StreamDesc{ServerStreams: true}, do+"download", options...)
			if err == nil {
				err = errors.Join(down.SendMsg(wrapperspb.String("go")), down.CloseSend())
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"a", "b", strings.Repeat("c", 200_000)} {
				var m wrapperspb.StringValue
				if err := down.RecvMsg(&m); err != nil || m.Value != want {
					t.Fatalf("got %.20q, %v, want %.20q", m.Value, err, want)
				}
			}
			if err := down.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) || down.Trailer()["x-cost"][0] != "7" {
				t.Errorf("got %v, %v at the end", err, down.Trailer())
			}

			up, err := client.NewStream(within(t), &grpc.StreamDesc{ClientStreams: true}, do+"upload", options...)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{"one", strings.Repeat("x", 100_000), "three"} {
				if err := up.SendMsg(wrapperspb.String(text)); err != nil {
					t.Fatal(err)
				}
			}
			var all wrapperspb.StringValue
			if err := errors.Join(up.CloseSend(), up.RecvMsg(&all)); err != nil || all.Value != "one"+strings.Repeat("x", 100_000)+"three" {
				t.Errorf("got %.20q, %v", all.Value, err)
			}

			both, err := client.NewStream(within(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, do+"talk", options...)
			if err != nil {
				t.Fatal(err)
			}
			for range 5 { // each answer comes before the next question
				var m wrapperspb.StringValue
				if err := errors.Join(both.SendMsg(wrapperspb.String("ping")), both.RecvMsg(&m)); err != nil || m.Value != "PING" {
					t.Fatalf("got %q, %v", m.Value, err)
				}
			}
			if err := errors.Join(both.CloseSend()); err != nil {
				t.Fatal(err)
			}
			if err := both.RecvMsg(new(wrapperspb.StringValue)); !errors.Is(err, io.EOF) {
				t.Errorf("got %v at the end", err)
			}
		}
	})
}

func TestGRPCErrorsKeepTheirDetails(t *testing.T) {
	overGRPC(t, func(t *testing.T, client *grpc.ClientConn, _ *backend) {
		var end metadata.MD
		got := status.Convert(client.Invoke(within(t), do+"fail", wrapperspb.String("x"), new(wrapperspb.StringValue), grpc.Trailer(&end)))
		if got.Code() != codes.FailedPrecondition || got.Message() != "not während of this 100 %" || len(got.Details()) != 2 || end["x-cost"][0] != "7" {
			t.Fatalf("got %v, %v, %v", got, got.Details(), end)
		}
		if first, ok := got.Details()[0].(*wrapperspb.StringValue); !ok || first.Value != "why" {
			t.Errorf("got %v", got.Details()[0])
		}
		// A server may end a call while its caller still sends.
		s, err := client.NewStream(within(t), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, do+"fail")
		if err == nil {
			err = s.SendMsg(wrapperspb.String("x"))
		}
		if err != nil && !errors.Is(err, io.EOF) { // EOF: it ended before this was sent, and RecvMsg says how
			t.Fatal(err)
		}
		began := time.Now()
		if err := s.RecvMsg(new(wrapperspb.StringValue)); status.Code(err) != codes.FailedPrecondition || time.Since(began) > time.Second {
			t.Errorf("while the caller sends: got %v after %v", err, time.Since(began))
		}
		if got := status.Code(client.Invoke(within(t), "/demo/orders/v1/orders", wrapperspb.String("x"), new(wrapperspb.StringValue))); got != codes.Unauthenticated {
			t.Errorf("without a key: got %v", got)
		}
	})
}

// The caller has no clock of its own, as grpc-go has, which would hide what the
// gateway does.
func TestTheGatewayKeepsGRPCDeadlines(t *testing.T) {
	behindGRPC(t, func(t *testing.T, r *running, b *backend) {
		for _, c := range []struct {
			when, method string
			holds        bool // the caller goes on sending
		}{{"before an answer", "silence", false}, {"in the middle of one", "hang", false}, {"while the caller sends", "silence", true}, {"while both do", "hang", true}} {
			in, out := io.Pipe()
			go func() {
				_, _ = out.Write(message("\n\x01x"))
				if !c.holds {
					_ = out.Close()
				}
			}()
			began := time.Now()
			res := r.grpc(t, within(t), do+c.method, "application/grpc", in, "grpc-timeout: 300m")
			_, err := io.ReadAll(res.Body)
			code := res.Trailer.Get("Grpc-Status") + res.Header.Get("Grpc-Status") // of an answer that has no message
			if took := time.Since(began); err != nil || code != "4" || took < 250*time.Millisecond || took > 900*time.Millisecond {
				t.Errorf("%s: got status %q and %v after %v, want 4 after 300 ms", c.when, code, err, took)
			}
			select {
			case <-b.gone:
			case <-time.After(5 * time.Second):
				t.Errorf("%s: the upstream was not told", c.when)
			}
			_ = out.Close()
		}
	})
}

func TestCancellingReachesTheGRPCServer(t *testing.T) {
	overGRPC(t, func(t *testing.T, client *grpc.ClientConn, b *backend) {
		ctx, cancel := context.WithCancel(within(t))
		s, err := client.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, do+"hang")
		if err == nil {
			err = errors.Join(s.SendMsg(wrapperspb.String("x")), s.RecvMsg(new(wrapperspb.StringValue)))
		}
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if code := status.Code(s.RecvMsg(new(wrapperspb.StringValue))); code != codes.Canceled {
			t.Errorf("got %v", code)
		}
		select {
		case <-b.gone:
		case <-time.After(5 * time.Second):
			t.Error("the upstream was not told")
		}
		// The caller's own deadline reaches the server as one.
		short, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer stop()
		if code := status.Code(client.Invoke(short, do+"silence", wrapperspb.String("x"), new(wrapperspb.StringValue))); code != codes.DeadlineExceeded {
			t.Errorf("got %v", code)
		}
		<-b.gone
	})
}
