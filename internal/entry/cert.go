package entry

// Cert is a certificate with which the gateway shows itself to clients that ask
// for one of its hosts.
type Cert struct {
	ID string `json:"id"` // uuid, as in the key
	// Hosts are what clients ask for by SNI: names in lower case, or "*." and a
	// name for one label more. Each is covered by the certificate.
	Hosts []string `json:"hosts"`
	Chain string   `json:"chain"` // PEM, the certificate itself first
	Key   Sealed   `json:"key"`   // its private key, PKCS #8 in DER
	// Default makes it the answer to names that no certificate is for, and to
	// clients that ask for none. Without one these are refused.
	Default bool     `json:"default,omitempty"`
	Clients *Clients `json:"clients,omitempty"` // nil: clients are not asked for certificates
}

// Clients says which certificates clients of a host show.
type Clients struct {
	Mode  ClientsMode `json:"mode"`
	Roots string      `json:"roots"` // PEM, the authorities that sign them
}

// ClientsMode says whether a client must show a certificate.
type ClientsMode string

// The modes. A certificate that is not valid is refused in both.
const (
	ClientsOptional ClientsMode = "optional"
	ClientsRequired ClientsMode = "required"
)

// CertInfo names what the key of a certificate is sealed as, so that it opens
// as nothing else. id is a uuid.
func CertInfo(id string) string { return "certificate_key|" + id }
