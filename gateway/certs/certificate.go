package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// Certificate is one certificate, ready to be shown.
type Certificate struct {
	ID       string
	Hosts    []string
	Default  bool
	NotAfter time.Time

	shown   tls.Certificate
	clients *Clients
}

// New compiles an entry that was found good. key is its private key, PKCS #8 in
// DER, which must fit.
func New(c entry.Cert, key []byte) (*Certificate, error) {
	chain, err := check.Certificates(c.Chain, check.MaxChain)
	if err != nil {
		return nil, fmt.Errorf("chain: %w", err)
	}
	private, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("its private key cannot be read") // what it says may quote the key
	}
	out := &Certificate{ID: c.ID, Hosts: c.Hosts, Default: c.Default, NotAfter: chain[0].NotAfter}
	if !check.Fits(chain[0], private) {
		return nil, errors.New("its private key is not that of the certificate")
	}
	out.shown = tls.Certificate{PrivateKey: private, Leaf: chain[0]}
	for _, one := range chain {
		out.shown.Certificate = append(out.shown.Certificate, one.Raw)
	}
	if c.Clients != nil {
		if out.clients, err = newClients(*c.Clients); err != nil {
			return nil, fmt.Errorf("clients: %w", err)
		}
	}
	return out, nil
}

// Closed returns what stands for an entry that was found good and whose private
// key cannot be had, as long as nothing better is there. It is shown to nobody, and
// where the entry requires certificates of clients, none is good: what its hosts
// ask of clients holds for calls that come in another way.
func Closed(c entry.Cert) *Certificate {
	out := &Certificate{ID: c.ID, Hosts: c.Hosts}
	if c.Clients != nil {
		out.clients = &Clients{required: c.Clients.Mode == entry.ClientsRequired}
	}
	return out
}

// closed reports whether there is nothing to show.
func (c *Certificate) closed() bool { return c.shown.PrivateKey == nil }

// Clients says which certificates clients of a host may show.
type Clients struct {
	required bool
	roots    map[string]bool // by what was signed
	pool     *x509.CertPool
}

func newClients(c entry.Clients) (*Clients, error) {
	list, err := check.Certificates(c.Roots, check.MaxRoots)
	if err != nil {
		return nil, err
	}
	out := &Clients{required: c.Mode == entry.ClientsRequired, roots: map[string]bool{}, pool: x509.NewCertPool()}
	for _, one := range list {
		out.roots[string(one.Raw)] = true
		out.pool.AddCert(one)
	}
	return out, nil
}

// Required says that a client without a certificate is refused.
func (c *Clients) Required() bool { return c.required }

// Verified returns the certificate that a client has shown on a connection, as
// long as it is good for this host: the connection may have been opened for
// another one, whose authorities are others, or before these were changed. It
// is nil when there is none.
func (c *Clients) Verified(state *tls.ConnectionState, now time.Time) *x509.Certificate {
	if state == nil {
		return nil
	}
	for _, chain := range state.VerifiedChains {
		if c.roots[string(chain[len(chain)-1].Raw)] && !now.After(chain[0].NotAfter) {
			return chain[0]
		}
	}
	return nil
}
