package check

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"portico/internal/entry"
)

// What one certificate may hold.
const (
	MaxCertHosts = 100
	MaxChain     = 10        // certificates of a chain
	MaxRoots     = 100       // certificates of authorities
	MaxPEMBytes  = 256 << 10 // of either
)

// Cert checks a certificate alone. Whether it has expired is not asked: a node
// must start from what it has.
func Cert(c entry.Cert) []Problem {
	p := problems{key: entry.Key("cert." + c.ID)}
	p.uuid("id", c.ID)
	chain, err := Certificates(c.Chain, MaxChain)
	p.addErr("chain", err)
	if len(c.Hosts) == 0 || len(c.Hosts) > MaxCertHosts {
		p.add("hosts", "want 1 to %d, got %d", MaxCertHosts, len(c.Hosts))
	}
	seen := map[string]bool{}
	for i, host := range c.Hosts {
		at := fmt.Sprintf("hosts[%d]", i)
		switch err := CertHost(host); {
		case err != nil:
			p.addErr(at, err)
		case seen[host]:
			p.add(at, "%s stands there twice", host)
		case len(chain) > 0 && !Covers(chain[0], host):
			p.add(at, "%s is not a name of the certificate; it has %s", host, strings.Join(chain[0].DNSNames, ", "))
		}
		seen[host] = true
	}
	if _, err := base64.StdEncoding.DecodeString(c.Key.Box); err != nil || c.Key.Key == 0 || c.Key.Box == "" {
		p.add("key", "is not a sealed value")
	}
	if c.Clients != nil {
		if c.Clients.Mode != entry.ClientsOptional && c.Clients.Mode != entry.ClientsRequired {
			p.add("clients.mode", "want optional or required, got %q", c.Clients.Mode)
		}
		_, err := Certificates(c.Clients.Roots, MaxRoots)
		p.addErr("clients.roots", err)
	}
	return p.list
}

// CertHost says what is wrong with a host that a certificate is to be used for.
func CertHost(host string) error {
	name, wildcard := strings.CutPrefix(host, "*.")
	if name == "" {
		return errors.New("is empty")
	}
	if wildcard && !strings.Contains(name, ".") {
		return fmt.Errorf("%q would be every name under %s; name at least two labels", host, name)
	}
	return Host(name)
}

// Covers reports whether a certificate is valid for a host, which may be a
// wildcard itself.
func Covers(c *x509.Certificate, host string) bool {
	if !strings.HasPrefix(host, "*.") {
		return c.VerifyHostname(host) == nil
	}
	for _, name := range c.DNSNames {
		if strings.EqualFold(name, host) {
			return true
		}
	}
	return false
}

// Fits reports whether a private key is that of a certificate.
func Fits(c *x509.Certificate, private any) bool {
	signer, ok := private.(crypto.Signer)
	if !ok {
		return false
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

// Certificates reads PEM that holds certificates and nothing else, at least one
// and at most the given number.
func Certificates(text string, most int) ([]*x509.Certificate, error) {
	if len(text) > MaxPEMBytes {
		return nil, fmt.Errorf("has %d bytes, the most is %d", len(text), MaxPEMBytes)
	}
	var out []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return nil, errors.New("holds a private key; it belongs in the field of its own")
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %s, want certificates alone", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %w", len(out)+1, err)
		}
		if out = append(out, c); len(out) > most {
			return nil, fmt.Errorf("holds more than %d certificates", most)
		}
	}
	if len(out) == 0 {
		return nil, errors.New(`holds no certificate; want PEM, which begins with "-----BEGIN CERTIFICATE-----"`)
	}
	return out, nil
}
