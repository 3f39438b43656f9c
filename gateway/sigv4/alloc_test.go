//go:build !race

package sigv4_test

import (
	"testing"
	"time"

	"portico/gateway/sigv4"
)

func TestSigningAllocatesNothing(t *testing.T) {
	s := sigv4.New(sigv4.Options{AccessKey: "A", Secret: "s", Token: "t", Region: "eu-west-1", Service: "execute-api"})
	r := sigv4.Request{
		Method: "POST", Host: "a.example.com", Path: "/prod/orders", Query: "b=2&a=1", Payload: hashOf("{}"), Now: time.Now(),
		Fields: []sigv4.Field{{"Content-Type", "application/json"}},
	}
	b := make([]byte, 0, 1024)
	head, hash, now := "GET /a?b=c HTTP/1.1\r\nHost: a.example.com\r\nContent-Type: text/plain\r\n", hashOf(""), time.Now()
	if n := testing.AllocsPerRun(1000, func() { b = s.AppendHead(append(b[:0], head...), hash, now) }); n > 0 {
		t.Errorf("a head: got %v allocations", n)
	}
	if n := testing.AllocsPerRun(1000, func() { b = s.Append(b[:0], &r) }); n > 0 {
		t.Errorf("got %v allocations", n)
	}
}
