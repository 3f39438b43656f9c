package apim

import "time"

// Certificate is what the gateways of an environment show to clients that ask
// for one of its hosts. It belongs to the installation.
type Certificate struct {
	ID          ID
	Environment string   // slug
	Hosts       []string // in lower case; "*.example.com" is one label more
	Chain       string   // PEM, the certificate itself first
	Sealed      []byte   // the private key, PKCS #8, with the installation's key
	Default     bool     // also for names that no certificate is for
	Clients     ClientCertificates

	// What the certificate says of itself.
	Subject     string
	Issuer      string
	KeyType     string // "ECDSA P-256"
	Fingerprint string // SHA-256, lower-case hex
	NotBefore   time.Time
	NotAfter    time.Time

	UpdatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
	Lock      int64
}

// ExpirySoon is how long before its end a certificate is warned of.
const ExpirySoon = 30 * 24 * time.Hour

// CertificateState says whether a certificate is still good.
type CertificateState string

// The states of a certificate.
const (
	CertificateGood     CertificateState = "good"
	CertificateExpiring CertificateState = "expiring" // within ExpirySoon
	CertificateExpired  CertificateState = "expired"
)

// State returns how a certificate stands at a time.
func (c Certificate) State(now time.Time) CertificateState {
	switch {
	case !now.Before(c.NotAfter):
		return CertificateExpired
	case !now.Before(c.NotAfter.Add(-ExpirySoon)):
		return CertificateExpiring
	}
	return CertificateGood
}

// ClientCertificates says which certificates clients of a host show (mutual
// TLS).
type ClientCertificates struct {
	Mode  ClientCertificatesMode `json:"mode,omitempty"`
	Roots string                 `json:"roots,omitempty"` // PEM, of the authorities that sign them
}

// ClientCertificatesMode says whether clients must show a certificate.
type ClientCertificatesMode string

// The modes. A certificate that is shown and not valid is refused in both of
// the last.
const (
	ClientCertificatesOff      ClientCertificatesMode = "off"
	ClientCertificatesOptional ClientCertificatesMode = "optional"
	ClientCertificatesRequired ClientCertificatesMode = "required"
)
