package entry

import (
	"crypto/sha256"
	"encoding/hex"
)

// PolicyClientCertificate is the kind of ClientCertificatePolicy.
const PolicyClientCertificate PolicyKind = "client_certificate"

// ClientCertificatePolicy is the configuration of the policy
// "client_certificate". Which authorities sign such certificates belongs to the
// host that is called: see Clients.
type ClientCertificatePolicy struct{}

// Kind implements PolicyConfig.
func (*ClientCertificatePolicy) Kind() PolicyKind { return PolicyClientCertificate }

// CertificateHash is what a client certificate is registered by at an
// application: the hash of its grant. thumbprint is the SHA-256 of the
// certificate in DER.
func CertificateHash(thumbprint [sha256.Size]byte) [sha256.Size]byte {
	const prefix = "certificate\n"
	var text [len(prefix) + 2*sha256.Size]byte
	hex.Encode(text[copy(text[:], prefix):], thumbprint[:])
	return sha256.Sum256(text[:])
}
