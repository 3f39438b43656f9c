package fake

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a DNS server on loopback, over UDP and TCP. An answer that is longer
// than what UDP takes is cut off there and whole over TCP.
type DNS struct {
	Address string

	mu      sync.Mutex
	records map[string][]dnsmessage.Resource // by name in lower case; guarded by mu
	asked   map[string]int
	silent  bool
	broken  bool
	kinds   map[dnsmessage.Type]bool // of questions: false, they are not answered; true, with a failure
}

// NewDNS starts one, and stops it when the test ends.
func NewDNS(t testing.TB) *DNS {
	d := &DNS{records: map[string][]dnsmessage.Resource{}, asked: map[string]int{}}
	var packets net.PacketConn
	var streams net.Listener
	for range 20 { // until both have the same port
		var err error
		if streams, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		d.Address = streams.Addr().String()
		if packets, err = net.ListenPacket("udp", d.Address); err == nil {
			break
		}
		streams.Close()
	}
	if packets == nil {
		t.Fatal("no port is free for UDP and TCP")
	}
	var all sync.WaitGroup
	all.Go(func() { d.packets(packets) })
	all.Go(func() { d.streams(streams) })
	t.Cleanup(func() {
		packets.Close()
		streams.Close()
		all.Wait()
	})
	return d
}

// Set replaces the records of a name, which ends with a dot.
func (d *DNS) Set(name string, ttl uint32, bodies ...dnsmessage.ResourceBody) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []dnsmessage.Resource
	for _, body := range bodies {
		h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name), Class: dnsmessage.ClassINET, TTL: ttl}
		switch body.(type) {
		case *dnsmessage.AResource:
			h.Type = dnsmessage.TypeA
		case *dnsmessage.AAAAResource:
			h.Type = dnsmessage.TypeAAAA
		case *dnsmessage.SRVResource:
			h.Type = dnsmessage.TypeSRV
		}
		list = append(list, dnsmessage.Resource{Header: h, Body: body})
	}
	d.records[strings.ToLower(name)] = list
}

// Silence makes the server answer nothing, or answer again; Break makes it
// answer that it failed.
func (d *DNS) Silence(silent bool) { d.mu.Lock(); d.silent = silent; d.mu.Unlock() }

// Break makes the server say that it failed, or answer again.
func (d *DNS) Break(broken bool) { d.mu.Lock(); d.broken = broken; d.mu.Unlock() }

// Unsaid makes the server leave questions of one kind without an answer, or with
// one that says that it failed.
func (d *DNS) Unsaid(kind dnsmessage.Type, failed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kinds = map[dnsmessage.Type]bool{kind: failed}
}

// Asked returns how often a name was asked for, over "udp" or "tcp".
func (d *DNS) Asked(network, name string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.asked[network+" "+name]
}

// A returns the record of an IPv4 address.
func A(a, b, c, e byte) *dnsmessage.AResource {
	return &dnsmessage.AResource{A: [4]byte{a, b, c, e}}
}

// SRV returns a record of a service.
func SRV(priority, weight, port uint16, target string) *dnsmessage.SRVResource {
	return &dnsmessage.SRVResource{Priority: priority, Weight: weight, Port: port, Target: dnsmessage.MustNewName(target)}
}

func (d *DNS) packets(conn net.PacketConn) {
	buf := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := d.answer("udp", buf[:n]); answer != nil {
			// Another's answer comes first: it is to be ignored.
			_, _ = conn.WriteTo(append([]byte{answer[0] ^ 0xff}, answer[1:]...), from)
			_, _ = conn.WriteTo(answer, from)
		}
	}
}

func (d *DNS) streams(listener net.Listener) {
	var all sync.WaitGroup
	defer all.Wait()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer conn.Close()
			var size [2]byte
			if _, err := io.ReadFull(conn, size[:]); err != nil {
				return
			}
			query := make([]byte, binary.BigEndian.Uint16(size[:]))
			if _, err := io.ReadFull(conn, query); err != nil {
				return
			}
			if answer := d.answer("tcp", query); answer != nil {
				_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
			}
		})
	}
}

func (d *DNS) answer(network string, query []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked[network+" "+q.Name.String()]++
	failed, unsaid := d.kinds[q.Type]
	if d.silent || unsaid && !failed {
		return nil
	}
	out := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	list, known := d.records[strings.ToLower(q.Name.String())]
	switch {
	case d.broken, failed:
		out.RCode = dnsmessage.RCodeServerFailure
	case !known:
		out.RCode = dnsmessage.RCodeNameError
	}
	if out.RCode == dnsmessage.RCodeSuccess {
		for _, r := range list {
			if r.Header.Type == q.Type {
				out.Answers = append(out.Answers, r)
			}
		}
	}
	text, err := out.Pack()
	if err == nil && network == "udp" && len(text) > 1232 {
		out.Answers, out.Truncated = nil, true
		text, err = out.Pack()
	}
	if err != nil {
		return nil
	}
	return text
}
