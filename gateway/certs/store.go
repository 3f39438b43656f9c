package certs

import (
	"crypto/tls"
	"fmt"
	"hash/maphash"
	"maps"
	"strings"
	"sync/atomic"
)

// Store holds the certificates of a node. Make one with NewStore. It is read by
// any number of goroutines; changes are for one at a time.
type Store struct {
	seed     maphash.Seed
	hosts    [parts]atomic.Pointer[map[string]*Certificate] // wildcards by what follows the star
	fallback atomic.Pointer[Certificate]
	asking   atomic.Int64 // hosts that ask clients for certificates
	only13   atomic.Bool

	byID map[string]*Certificate // the writer's

	either, newer, nobody *tls.Config
}

const parts = 256

// NewStore returns a store without certificates, which refuses every name.
func NewStore() *Store {
	s := &Store{seed: maphash.MakeSeed(), byID: map[string]*Certificate{}}
	s.either = s.config(tls.VersionTLS12)
	s.either.GetConfigForClient = s.configFor
	s.newer = s.config(tls.VersionTLS13)
	// A session that is resumed asks for no certificate: what began under a name
	// that is not known any more must not go on.
	s.nobody = &tls.Config{MinVersion: tls.VersionTLS12, SessionTicketsDisabled: true, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return nil, nil // crypto/tls says unrecognized_name
	}}
	return s
}

func (s *Store) config(minimum uint16) *tls.Config {
	return &tls.Config{MinVersion: minimum, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: s.certificateFor}
}

// Config returns what a listener is to shake hands by. It is one and the same
// for all of them, and follows every change. Its session tickets are sealed
// with keys that change every day.
func (s *Store) Config() *tls.Config { return s.either }

// SetMinimum says whether clients must speak TLS 1.3; else 1.2 will do.
func (s *Store) SetMinimum(only13 bool) { s.only13.Store(only13) }

// Len returns how many certificates there are. It is for the writer.
func (s *Store) Len() int { return len(s.byID) }

// Put adds a certificate or replaces the one of the same id. A host that
// another one has is refused, and nothing changes. freed reports whether a host
// is nobody's now.
func (s *Store) Put(c *Certificate) (freed bool, err error) {
	for _, host := range c.Hosts {
		if other := s.load(keyOf(host)); other != nil && other.ID != c.ID {
			return false, fmt.Errorf("host %s: certificate %s is for it already", host, other.ID)
		}
	}
	if c.clients != nil { // before anybody could call without being asked
		s.asking.Add(int64(len(c.Hosts)))
	}
	kept := map[string]bool{}
	for _, host := range c.Hosts {
		s.store(keyOf(host), c)
		kept[host] = true
	}
	old := s.byID[c.ID]
	s.byID[c.ID] = c
	switch {
	case c.Default:
		s.fallback.Store(c)
	case old != nil:
		s.fallback.CompareAndSwap(old, nil)
	}
	if old == nil {
		return false, nil
	}
	if old.clients != nil {
		s.asking.Add(-int64(len(old.Hosts)))
	}
	for _, host := range old.Hosts {
		if !kept[host] {
			s.remove(keyOf(host))
			freed = true
		}
	}
	return freed, nil
}

// Has reports whether there is a certificate of an id. It is for the writer.
func (s *Store) Has(id string) bool { return s.byID[id] != nil }

// Remove takes a certificate out, and reports whether there was one.
func (s *Store) Remove(id string) bool {
	old := s.byID[id]
	if old == nil {
		return false
	}
	delete(s.byID, id)
	s.fallback.CompareAndSwap(old, nil)
	for _, host := range old.Hosts {
		s.remove(keyOf(host))
	}
	if old.clients != nil {
		s.asking.Add(-int64(len(old.Hosts)))
	}
	return true
}

// Asking reports whether any host asks clients for certificates: when none
// does, nobody need look.
func (s *Store) Asking() bool { return s.asking.Load() > 0 }

// Clients returns what is asked of the clients of a host, in lower case; nil is
// nothing.
func (s *Store) Clients(host string) *Clients {
	c := s.find(host)
	if c == nil {
		c = s.fallback.Load()
	}
	if c == nil {
		return nil
	}
	return c.clients
}

// find returns the certificate for a host in lower case, nil when there is
// none.
func (s *Store) find(host string) *Certificate {
	if c := s.load(host); c != nil {
		return c
	}
	if dot := strings.IndexByte(host, '.'); dot > 0 {
		return s.load(host[dot:])
	}
	return nil
}

// keyOf is where a host stands in the map: no name begins with a dot.
func keyOf(host string) string { return strings.TrimPrefix(host, "*") }

func (s *Store) part(key string) *atomic.Pointer[map[string]*Certificate] {
	return &s.hosts[maphash.String(s.seed, key)%parts]
}

func (s *Store) load(key string) *Certificate {
	if m := s.part(key).Load(); m != nil {
		return (*m)[key]
	}
	return nil
}

func (s *Store) store(key string, c *Certificate) {
	part := s.part(key)
	next := map[string]*Certificate{}
	if m := part.Load(); m != nil {
		next = maps.Clone(*m)
	}
	next[key] = c
	part.Store(&next)
}

func (s *Store) remove(key string) {
	part := s.part(key)
	m := part.Load()
	if m == nil {
		return
	}
	next := maps.Clone(*m)
	delete(next, key)
	part.Store(&next)
}

// choose picks by what a client asks for.
func (s *Store) choose(hello *tls.ClientHelloInfo) *Certificate {
	if name := hello.ServerName; name != "" {
		if c := s.find(strings.ToLower(strings.TrimSuffix(name, "."))); c != nil {
			return c
		}
	}
	return s.fallback.Load()
}

func (s *Store) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c := s.choose(hello)
	switch {
	case c == nil || c.closed():
		return s.nobody, nil
	case c.clients != nil:
		return s.asks(c.clients), nil
	case s.only13.Load():
		return s.newer, nil
	}
	return nil, nil // the one that asks
}

// asks is for a connection that is asked for a certificate. It is made for each:
// the handshake costs a thousand times as much.
func (s *Store) asks(clients *Clients) *tls.Config {
	minimum := uint16(tls.VersionTLS12)
	if s.only13.Load() {
		minimum = tls.VersionTLS13
	}
	config := s.config(minimum)
	config.SessionTicketsDisabled = true
	config.ClientCAs, config.ClientAuth = clients.pool, tls.VerifyClientCertIfGiven
	if clients.required {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config
}

func (s *Store) certificateFor(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := s.choose(hello); c != nil && !c.closed() {
		return &c.shown, nil
	}
	return nil, nil // crypto/tls says unrecognized_name
}
