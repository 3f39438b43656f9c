package discover

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS finds the addresses of a name.
type DNS struct {
	Resolver *Resolver
	Host     string
	Port     string

	families families
}

// Run implements Source.
func (d *DNS) Run(ctx context.Context, tell func([]Found, error)) { poll(ctx, tell, d.look) }

func (d *DNS) look(ctx context.Context) ([]Found, time.Duration, error) {
	if a, err := netip.ParseAddr(d.Host); err == nil {
		return []Found{{net.JoinHostPort(a.String(), d.Port), 1}}, longestTTL, nil
	}
	d.families.has = [2]bool{}
	out, ttl, err := d.families.addresses(ctx, d.Resolver, d.Host, d.Port, 1)
	return d.families.end(out), ttl, err
}

// SRV finds hosts and ports by the records of a service. Those of the lowest
// priority count alone; weights are theirs.
type SRV struct {
	Resolver *Resolver
	Service  string // "_http._tcp.orders.example.com"

	families families
}

// Run implements Source.
func (s *SRV) Run(ctx context.Context, tell func([]Found, error)) { poll(ctx, tell, s.look) }

func (s *SRV) look(ctx context.Context) ([]Found, time.Duration, error) {
	s.families.has = [2]bool{}
	list, ttl, err := s.Resolver.lookup(ctx, s.Service, dnsmessage.TypeSRV)
	if err != nil {
		return nil, 0, err
	}
	if len(list) > MaxFound {
		list = list[:MaxFound+1] // which is told as an error
	}
	lowest, heaviest := uint16(65535), uint16(1)
	var records []*dnsmessage.SRVResource
	for _, one := range list {
		if r, ok := one.Body.(*dnsmessage.SRVResource); ok {
			records, lowest, heaviest = append(records, r), min(lowest, r.Priority), max(heaviest, r.Weight)
		}
	}
	var out []Found
	for _, r := range records {
		if r.Priority != lowest || r.Target.String() == "." {
			continue
		}
		weight := int(r.Weight)
		if heaviest > 1000 {
			weight = weight * 1000 / int(heaviest)
		}
		found, holds, err := s.families.addresses(ctx, s.Resolver, r.Target.String(), strconv.Itoa(int(r.Port)), max(weight, 1))
		if errors.Is(err, errNoName) {
			continue // one dangling record does not hide the others
		}
		if err != nil {
			return nil, 0, err
		}
		out, ttl = append(out, found...), min(ttl, holds)
	}
	return s.families.end(out), ttl, nil
}

// families are IPv4 and IPv6, and which of them a source finds. The zero value has
// found none.
type families struct {
	had, has [2]bool // when something was found last, and as it looks now
	lost     int     // looks in a row that could not ask for one that it had
}

// mostLost is how many of those keep what was found: after them it may be for good.
const mostLost = 4

// end ends a look that has found a list, which it returns.
func (f *families) end(list []Found) []Found {
	if len(list) > 0 {
		f.had, f.lost = f.has, 0
	}
	return list
}

// askAgain is how long what is found holds where one family of addresses could
// not be asked for.
const askAgain = 10 * time.Second

// addresses returns all of a name's, of both families. Where only one can be
// asked for, as with servers that know nothing of IPv6, it is those of that; but one
// that was there is not gone because an answer was lost.
func (f *families) addresses(ctx context.Context, r *Resolver, host, port string, weight int) ([]Found, time.Duration, error) {
	var out []Found
	ttl, missing, failed := longestTTL, error(nil), error(nil)
	for i, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		list, holds, err := r.lookup(ctx, strings.ToLower(host), kind)
		if errors.Is(err, errNoName) {
			missing = err
			continue
		}
		if err != nil && f.had[i] && f.lost < mostLost {
			f.lost++
			return nil, 0, err
		}
		if err != nil {
			failed, ttl = err, min(ttl, askAgain)
			continue
		}
		f.has[i], ttl = true, min(ttl, holds)
		for _, one := range list {
			switch body := one.Body.(type) {
			case *dnsmessage.AResource:
				out = append(out, Found{net.JoinHostPort(netip.AddrFrom4(body.A).String(), port), weight})
			case *dnsmessage.AAAAResource:
				out = append(out, Found{net.JoinHostPort(netip.AddrFrom16(body.AAAA).Unmap().String(), port), weight})
			}
		}
	}
	if len(out) == 0 {
		return nil, 0, cmp.Or(failed, missing)
	}
	return out, ttl, nil
}

// poll looks again when what was found holds no more.
func poll(ctx context.Context, tell func([]Found, error), look func(context.Context) ([]Found, time.Duration, error)) {
	t, p := teller{tell: tell}, pause{}
	for ctx.Err() == nil {
		list, ttl, err := look(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = t.found(list)
		} else {
			t.failed(err)
		}
		if err != nil {
			if !p.wait(ctx) {
				return
			}
			continue
		}
		p.reset()
		if !sleep(ctx, ttl) {
			return
		}
	}
}
