package fake

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"testing"
	"time"
)

// Authority signs certificates, as one that everybody trusts does.
type Authority struct {
	PEM  string // its own certificate
	Pool *x509.CertPool

	cert *x509.Certificate
	key  crypto.Signer
}

// Issued is a certificate with its private key.
type Issued struct {
	Chain string // PEM
	Key   string // PEM, PKCS #8
	DER   []byte // the key, PKCS #8
	Pair  tls.Certificate
}

// NewAuthority returns an authority of a name.
func NewAuthority(t testing.TB, name string) *Authority {
	t.Helper()
	key := NewKey(t)
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(10 * 365 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authority{PEM: certificatePEM(raw), Pool: x509.NewCertPool(), cert: cert, key: key}
	a.Pool.AddCert(cert)
	return a
}

// Issue signs a certificate for hosts, good for servers and clients, for 90
// days.
func (a *Authority) Issue(t testing.TB, hosts ...string) Issued {
	t.Helper()
	return a.IssueWith(t, NewKey(t), func(c *x509.Certificate) { c.DNSNames = hosts })
}

// IssueWith signs a certificate of a key, which change may alter before.
func (a *Authority) IssueWith(t testing.TB, key crypto.Signer, change func(*x509.Certificate)) Issued {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	change(template)
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	out := Issued{Chain: certificatePEM(raw), DER: der, Key: string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))}
	if out.Pair, err = tls.X509KeyPair([]byte(out.Chain), []byte(out.Key)); err != nil {
		t.Fatal(err)
	}
	return out
}

// NewKey returns a private key for a certificate.
func NewKey(t testing.TB) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func certificatePEM(raw []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}))
}

// Signature signs a text with a key, in base64: by SHA-256, as openssl dgst -sha256
// -sign does, or with an Ed25519 key as it is, as openssl pkeyutl -rawin does.
func Signature(t testing.TB, key crypto.Signer, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	signed, by := sum[:], crypto.SHA256
	if _, ok := key.(ed25519.PrivateKey); ok {
		signed, by = []byte(text), 0
	}
	signature, err := key.Sign(rand.Reader, signed, by)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}
