package policy_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"portico/gateway/policy"
)

// thrower is a source that panics.
type thrower struct{}

func (thrower) Read([]byte) (int, error) { panic("thrown") }

// TestPanicOfWhoReadsABodyBesideACallIsAnError reads one as an upload does, whose
// goroutine no lane watches; net/http reads it so for upstreams by HTTP/2.
func TestPanicOfWhoReadsABodyBesideACallIsAnError(t *testing.T) {
	b := policy.NewBody(io.MultiReader(strings.NewReader("ab"), thrower{}))
	b.Share()
	text, err := io.ReadAll(iotest.OneByteReader(b))
	if thrown := (*policy.Thrown)(nil); string(text) != "ab" || !errors.As(err, &thrown) || thrown.Value != "thrown" || !strings.Contains(string(thrown.Stack), "thrower") {
		t.Errorf("got %q, %v", text, err)
	}
	if broken := (*policy.Broken)(nil); errors.As(b.Err(), &broken) || b.Err() == nil {
		t.Errorf("got %v, which is not the caller's doing", b.Err())
	}
	b.Stop(func() { t.Error("somebody still reads") })
}

func TestPanicOfWhoReadsABodyInTheCallIsTheLanes(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it was swallowed")
		}
	}()
	_, _ = policy.NewBody(thrower{}).Read(make([]byte, 1))
}

// A body may be unpacked more than once, such as by what looks at messages of
// gRPC and by what takes a coding away. What the caller sends counts once.
func TestABodyThatIsUnpackedTwiceCountsOnce(t *testing.T) {
	b := policy.NewBody(iotest.OneByteReader(strings.NewReader("0123456789")))
	b.Limit(10)
	for range 2 {
		b.Unpack(func(source io.Reader) io.Reader { return source })
	}
	if text, err := io.ReadAll(b); string(text) != "0123456789" || err != nil || b.Count() != 10 {
		t.Errorf("got %q, %v, and %d bytes counted; want all 10", text, err, b.Count())
	}
}

// slow is a source that says when it is read, and fails when it is told to.
type slow struct {
	asked chan struct{}
	fails chan error
}

func (s slow) Read([]byte) (int, error) { close(s.asked); return 0, <-s.fails }

// TestWhyABodyFailedIsWaitedFor asks while a read is under way.
func TestWhyABodyFailedIsWaitedFor(t *testing.T) {
	source := slow{make(chan struct{}), make(chan error)}
	b := policy.NewBody(source)
	go func() { _, _ = b.Read(make([]byte, 1)) }()
	<-source.asked
	if err := b.Failure(time.Millisecond); err != nil {
		t.Errorf("it has not failed yet: got %v", err)
	}
	refused := policy.BadRequest("A chunk has no size.")
	go func() { source.fails <- refused }()
	if err := b.Failure(time.Minute); !errors.Is(err, refused) {
		t.Errorf("got %v", err)
	}
	if err := (*policy.Body)(nil).Failure(time.Minute); err != nil {
		t.Errorf("no body: got %v", err)
	}
}
