package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// TLSConfig returns how an upstream's targets that are https are spoken to. The
// server name is "" where it is the target's host. Each target is to have a copy
// with a session cache of its own.
func TLSConfig(config entry.Upstream) (*tls.Config, error) {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	t := config.TLS
	if t == nil {
		return out, nil
	}
	out.ServerName = t.ServerName
	out.InsecureSkipVerify = t.Unverified //nolint:gosec // the operator of the environment allows it
	if t.Roots != "" {
		roots, err := check.Certificates(t.Roots, check.MaxRoots)
		if err != nil {
			return nil, fmt.Errorf("roots: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		for _, one := range roots {
			out.RootCAs.AddCert(one)
		}
	}
	if t.Certificate == "" {
		return out, nil
	}
	shown, err := pair(t.Certificate, t.Opened)
	if err != nil {
		return nil, err
	}
	out.Certificates = []tls.Certificate{shown}
	// Shown also to a server that names other authorities: it is what it is to
	// get, and its refusal says more than none.
	out.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &shown, nil }
	return out, nil
}

// rulesOf tells settings apart by a hash of all that they say but the name.
func rulesOf(t *entry.UpstreamTLS) [32]byte {
	if t == nil {
		return [32]byte{}
	}
	h := sha256.New()
	for _, part := range [...][]byte{[]byte(t.Roots), []byte(t.Certificate), t.Opened, strconv.AppendBool(nil, t.Unverified)} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return [32]byte(h.Sum(nil))
}

// pair reads a chain in PEM and its key in PKCS #8.
func pair(chain string, key []byte) (tls.Certificate, error) {
	list, err := check.Certificates(chain, check.MaxChain)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	private, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, errors.New("its private key cannot be read") // what it says may quote the key
	}
	out := tls.Certificate{PrivateKey: private, Leaf: list[0]}
	for _, one := range list {
		out.Certificate = append(out.Certificate, one.Raw)
	}
	if !check.Fits(list[0], private) {
		return tls.Certificate{}, errors.New("its private key is not that of the certificate")
	}
	return out, nil
}
