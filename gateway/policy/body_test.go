package policy_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

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
