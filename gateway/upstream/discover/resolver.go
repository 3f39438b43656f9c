package discover

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Resolver asks DNS servers, and is told for how long what they say holds,
// which net.Resolver does not tell. It keeps nothing. It knows neither files of
// hosts nor search lists beyond what is in its fields.
type Resolver struct {
	Servers []string // host and port, asked in this order
	Search  []string // appended to names with fewer dots than Dots
	Dots    int
	// Dial connects to a server by udp or tcp.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// System returns a resolver for the servers of a file like /etc/resolv.conf.
func System(path string) (*Resolver, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func read(in io.Reader) (*Resolver, error) {
	r := &Resolver{Dots: 1, Dial: (&net.Dialer{}).DialContext}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(words[1]); err == nil {
				r.Servers = append(r.Servers, netip.AddrPortFrom(a, 53).String())
			}
		case "domain", "search":
			r.Search = words[1:]
		case "options":
			for _, word := range words[1:] {
				if n, err := strconv.Atoi(strings.TrimPrefix(word, "ndots:")); err == nil && strings.HasPrefix(word, "ndots:") {
					r.Dots = n
				}
			}
		}
	}
	if len(r.Servers) == 0 {
		return nil, errors.New("names no server")
	}
	return r, lines.Err()
}

// perServer is how long one server may take.
const perServer = 2 * time.Second

// errNoName says that a name does not exist, or has no record of the kind.
var errNoName = errors.New("there is no such name")

// lookup returns the records of a name, and for how long they hold.
func (r *Resolver) lookup(ctx context.Context, name string, kind dnsmessage.Type) ([]dnsmessage.Resource, time.Duration, error) {
	var last error
	for _, full := range r.names(name) {
		list, ttl, err := r.ask(ctx, full, kind)
		if err == nil {
			return list, ttl, nil
		}
		if last == nil || !errors.Is(err, errNoName) {
			last = err
		}
		if !errors.Is(err, errNoName) {
			break
		}
	}
	return nil, 0, fmt.Errorf("look up %s: %w", name, last)
}

// names are those that a name may stand for, in the order of asking.
func (r *Resolver) names(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var out []string
	for _, domain := range r.Search {
		out = append(out, name+"."+strings.TrimSuffix(domain, ".")+".")
	}
	if strings.Count(name, ".") >= r.Dots {
		return append([]string{name + "."}, out...)
	}
	return append(out, name+".")
}

func (r *Resolver) ask(ctx context.Context, full string, kind dnsmessage.Type) ([]dnsmessage.Resource, time.Duration, error) {
	name, err := dnsmessage.NewName(full)
	if err != nil {
		return nil, 0, fmt.Errorf("%q is not a name", full)
	}
	question := dnsmessage.Question{Name: name, Type: kind, Class: dnsmessage.ClassINET}
	last := errors.New("there is no server to ask")
	for _, server := range r.Servers {
		answer, err := r.exchange(ctx, server, question)
		if err != nil {
			last = err
			if ctx.Err() != nil {
				break
			}
			continue
		}
		switch answer.RCode {
		case dnsmessage.RCodeSuccess:
			return records(answer, kind)
		case dnsmessage.RCodeNameError:
			return nil, 0, errNoName
		}
		last = fmt.Errorf("%s answered %s", server, strings.TrimPrefix(answer.RCode.String(), "RCode"))
	}
	return nil, 0, last
}

// records are those of a kind in an answer. Aliases on the way bound how long
// they hold.
func records(m dnsmessage.Message, kind dnsmessage.Type) (list []dnsmessage.Resource, ttl time.Duration, err error) {
	ttl = longestTTL
	for _, a := range m.Answers {
		if a.Header.Type == kind {
			list = append(list, a)
		}
		ttl = min(ttl, time.Duration(a.Header.TTL)*time.Second)
	}
	if len(list) == 0 {
		return nil, 0, errNoName
	}
	return list, max(ttl, shortestTTL), nil
}

// What a server says of how long an answer holds is kept within these.
const (
	shortestTTL = time.Second
	longestTTL  = 5 * time.Minute
)

// exchange asks one server by UDP and, when the answer is too long for that, by
// TCP.
func (r *Resolver) exchange(ctx context.Context, server string, q dnsmessage.Question) (dnsmessage.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, perServer)
	defer cancel()
	answer, err := r.over(ctx, "udp", server, q)
	if err == nil && answer.Truncated {
		answer, err = r.over(ctx, "tcp", server, q)
	}
	return answer, err
}

const udpBytes = 1232 // what passes everywhere in one piece

func (r *Resolver) over(ctx context.Context, network, server string, q dnsmessage.Question) (out dnsmessage.Message, err error) {
	id := uint16(rand.Uint32())
	query, err := pack(id, q)
	if err != nil {
		return out, err
	}
	conn, err := r.Dial(ctx, network, server)
	if err != nil {
		return out, err
	}
	defer func() { _ = conn.Close() }()
	if by, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(by); err != nil {
			return out, err
		}
	}
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if network == "tcp" {
		query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	}
	if _, err := conn.Write(query); err != nil {
		return out, err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := receive(conn, network, buf)
		if err != nil {
			return out, err
		}
		// What was not asked for is somebody else's, or somebody's attempt.
		if out = (dnsmessage.Message{}); out.Unpack(buf[:n]) == nil && out.ID == id && out.Response && len(out.Questions) == 1 && same(out.Questions[0], q) {
			return out, nil
		}
		if network == "tcp" {
			return out, errors.New("the answer is to another question")
		}
	}
}

func same(a, b dnsmessage.Question) bool {
	return a.Type == b.Type && a.Class == b.Class && strings.EqualFold(a.Name.String(), b.Name.String())
}

func pack(id uint16, q dnsmessage.Question) ([]byte, error) {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: id, RecursionDesired: true})
	if err := b.StartQuestions(); err != nil {
		return nil, err
	}
	if err := b.Question(q); err != nil {
		return nil, err
	}
	if err := b.StartAdditionals(); err != nil {
		return nil, err
	}
	var h dnsmessage.ResourceHeader
	if err := h.SetEDNS0(udpBytes, dnsmessage.RCodeSuccess, false); err != nil {
		return nil, err
	}
	if err := b.OPTResource(h, dnsmessage.OPTResource{}); err != nil {
		return nil, err
	}
	return b.Finish()
}

func receive(conn net.Conn, network string, buf []byte) (int, error) {
	if network == "udp" {
		return conn.Read(buf)
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return 0, err
	}
	return io.ReadFull(conn, buf[:binary.BigEndian.Uint16(size[:])])
}
