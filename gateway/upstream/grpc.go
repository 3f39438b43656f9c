package upstream

import (
	"strconv"
	"strings"
	"time"

	"portico/gateway/policy"
)

// isGRPC reports whether a call is one of gRPC, whose answers end with
// trailers, and whose requests say that those are welcome.
func isGRPC(ex *policy.Exchange) bool {
	value, ok := ex.Header.Value("Content-Type")
	return ok && strings.HasPrefix(value, policy.GRPC) && !strings.HasPrefix(value, policy.GRPCWeb)
}

// beginGRPC keeps a call of gRPC within the time that its caller gives it, and
// turns one of gRPC-Web into it where the upstream speaks HTTP/2; for such a one
// it returns what turns the answer back.
func (c *call) beginGRPC() *web {
	protocol := c.upstream.config.Protocol
	if protocol == "" || protocol == protocolHTTP1 {
		return nil
	}
	w := newWeb(c.ex)
	if w == nil && !isGRPC(c.ex) {
		return nil
	}
	if text, ok := c.ex.Header.Value("Grpc-Timeout"); ok {
		if d := grpcTimeout(text); d > 0 {
			c.answerBy = c.upstream.set.now.Load() + int64(d)
		}
	}
	return w
}

// deadlineExceeded is gRPC's status of a call whose time is over.
const deadlineExceeded = "4"

// deadlineSlack is by how much an upstream that keeps the same deadline may be
// ahead of the set's clock when it breaks the call off.
const deadlineSlack = int64(100 * time.Millisecond)

// pastDeadline reports whether a call of gRPC ended since the time that its
// caller gave it is over, whoever ended it. Its answer then ends in gRPC's own
// words.
func (c *call) pastDeadline() bool {
	return c.answerBy > 0 && (c.conn == nil || c.conn.why() != abandoned) && c.upstream.set.now.Load() >= c.answerBy-deadlineSlack
}

// longest is a time that bounds nothing, nor makes a clock go round.
const longest = time.Duration(1 << 62)

// grpcTimeout reads a time as gRPC writes it: up to eight digits and a unit. It
// returns 0 for what is not one, and for what is no bound.
func grpcTimeout(text string) time.Duration {
	if len(text) < 2 || len(text) > 9 {
		return 0
	}
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if err != nil {
		return 0
	}
	unit := time.Duration(0)
	switch text[len(text)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	}
	if unit > 0 && time.Duration(n) > longest/unit {
		return 0
	}
	return max(time.Duration(n)*unit, 1)
}
