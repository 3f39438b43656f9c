package health_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"portico/gateway/upstream/health"
)

// run lets a scheduler ask until the test is over.
func run(t *testing.T, s *health.Scheduler) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// within waits for what is to happen soon.
func within(t *testing.T, d time.Duration, what string, c <-chan string) string {
	t.Helper()
	select {
	case got := <-c:
		return got
	case <-time.After(d):
		t.Errorf("not within %v: %s", d, what)
		return "-"
	}
}

// silent takes connections and says nothing.
func silent(t *testing.T) string {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	var conns []net.Conn
	group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conns = append(conns, conn)
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		group.Wait()
		for _, c := range conns {
			_ = c.Close()
		}
	})
	return listener.Addr().String()
}

var patient = health.Check{Kind: health.TCP, Interval: time.Hour, Timeout: time.Hour, Healthy: 1, Unhealthy: 1}

func TestChecksThatNobodyWaitsForAnyMoreAreOver(t *testing.T) {
	scheduler := health.New(dial)
	run(t, scheduler)
	at := health.Target{Tenant: "one", Address: silent(t), TLS: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: "x"}}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var asking sync.WaitGroup
	for range health.AtOnce {
		asking.Go(func() {
			if f, ok := scheduler.Once(ctx, at, patient); ok {
				t.Errorf("got %+v of a target that says nothing", f)
			}
		})
	}
	asking.Wait()
	well := serve(t, false, nil)
	reports := make(chan string, 1)
	scheduler.Watch(health.Target{Tenant: "one", Address: well.Listener.Addr().String()}, patient, func(why string) { reports <- why })
	if why := within(t, 5*time.Second, "the check of a target that is well", reports); why != "" {
		t.Errorf("got %q", why)
	}
}

func TestSilentTargetsOfTenantsLeaveThoseOfOthersChecked(t *testing.T) {
	scheduler := health.New(func(ctx context.Context, _, address string) (net.Conn, error) {
		if address == "well" {
			a, b := net.Pipe()
			_ = b.Close()
			return a, nil
		}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	for i := range 1000 { // all of them due before the other's
		scheduler.Watch(health.Target{Tenant: strconv.Itoa(i % 20), Address: "silent"}, patient, func(string) {})
	}
	run(t, scheduler)
	reports := make(chan string, 1)
	for i := range 3 {
		watch := scheduler.Watch(health.Target{Tenant: "another", Address: "well"}, patient, func(why string) { reports <- why })
		if why := within(t, 5*time.Second, fmt.Sprintf("check %d of the other tenant", i), reports); why != "" {
			t.Errorf("got %q", why)
		}
		watch.Stop()
	}
}

func TestAskingForAnOverdueTargetKeepsItsPlace(t *testing.T) {
	asked := make(chan string, 1000)
	scheduler := health.New(func(ctx context.Context, _, address string) (net.Conn, error) {
		asked <- address
		<-ctx.Done()
		return nil, ctx.Err()
	})
	watch := scheduler.Watch(health.Target{Address: "first"}, patient, func(string) {})
	for range 200 { // more than are asked at once
		scheduler.Watch(health.Target{Address: "later"}, patient, func(string) {})
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if f, ok := watch.Ask(over); ok {
		t.Errorf("got %+v before anything was asked", f)
	}
	run(t, scheduler)
	for range health.AtOnce / 4 {
		if within(t, 5*time.Second, "the first checks", asked) == "first" {
			return
		}
	}
	t.Error("what was due first was not among the first that were asked")
}

func TestAskingIsOverWhenTheWatchIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		scheduler := health.New(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		run(t, scheduler)
		watch := scheduler.Watch(health.Target{Address: "silent"}, patient, func(why string) {
			t.Errorf("reported %q after it was stopped", why)
		})
		began := time.Now()
		answers := make(chan string, 1)
		go func() {
			f, ok := watch.Ask(t.Context())
			answers <- fmt.Sprint(f.Why, ok)
		}()
		synctest.Wait() // it is under way
		watch.Stop()
		if got := within(t, time.Minute, "the answer", answers); got != "false" || time.Since(began) != 0 {
			t.Errorf("got %s after %v", got, time.Since(began))
		}
		if f, ok := watch.Ask(t.Context()); ok {
			t.Errorf("afterwards: got %+v", f)
		}
	})
}
