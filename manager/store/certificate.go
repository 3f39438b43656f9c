package store

import (
	"context"

	"portico/internal/apim"
)

type certificateRow struct {
	ID          apim.ID `gorm:"primaryKey"`
	Environment string
	Hosts       jsonOf[[]string]
	Chain       string
	Sealed      []byte
	IsDefault   bool
	Clients     jsonOf[apim.ClientCertificates]
	Subject     string
	Issuer      string
	KeyType     string
	Fingerprint string
	NotBefore   int64
	NotAfter    int64
	UpdatedBy   string
	Created     int64 `gorm:"column:created_at"`
	Updated     int64 `gorm:"column:updated_at"`
	Lock        int64
}

func (certificateRow) TableName() string { return "certificate" }

func (r certificateRow) domain() apim.Certificate {
	return apim.Certificate{
		ID: r.ID, Environment: r.Environment, Hosts: r.Hosts.V, Chain: r.Chain, Sealed: r.Sealed, Default: r.IsDefault, Clients: r.Clients.V,
		Subject: r.Subject, Issuer: r.Issuer, KeyType: r.KeyType, Fingerprint: r.Fingerprint, NotBefore: when(r.NotBefore), NotAfter: when(r.NotAfter),
		UpdatedBy: r.UpdatedBy, CreatedAt: when(r.Created), UpdatedAt: when(r.Updated), Lock: r.Lock,
	}
}

func rowOfCertificate(c apim.Certificate) certificateRow {
	return certificateRow{
		ID: c.ID, Environment: c.Environment, Hosts: jsonOf[[]string]{c.Hosts}, Chain: c.Chain, Sealed: c.Sealed, IsDefault: c.Default,
		Clients: jsonOf[apim.ClientCertificates]{c.Clients}, Subject: c.Subject, Issuer: c.Issuer, KeyType: c.KeyType, Fingerprint: c.Fingerprint,
		NotBefore: micros(c.NotBefore), NotAfter: micros(c.NotAfter), UpdatedBy: c.UpdatedBy, Created: micros(c.CreatedAt), Updated: micros(c.UpdatedAt), Lock: c.Lock,
	}
}

type certificateHostRow struct {
	Environment   string `gorm:"primaryKey"`
	Host          string `gorm:"primaryKey"`
	CertificateID apim.ID
}

func (certificateHostRow) TableName() string { return "certificate_host" }

// InsertCertificate adds a certificate. Its hosts have to be free.
func (s System) InsertCertificate(ctx context.Context, c apim.Certificate) error {
	row := rowOfCertificate(c)
	if err := insert(s.in(ctx), "certificate", &row); err != nil {
		return err
	}
	return s.holdHosts(ctx, c)
}

// UpdateCertificate writes a certificate anew, all but where it is and when it
// was made. Hosts that it takes have to be free.
func (s System) UpdateCertificate(ctx context.Context, c *apim.Certificate) error {
	row := rowOfCertificate(*c)
	row.Lock++
	err := update(s.in(ctx).Where("environment = ? AND id = ?", c.Environment, c.ID), "certificate", &row, c.Lock,
		"hosts", "chain", "sealed", "is_default", "clients", "subject", "issuer", "key_type", "fingerprint", "not_before", "not_after", "updated_by", "updated_at")
	if err != nil {
		return err
	}
	c.Lock++
	return s.holdHosts(ctx, *c)
}

func (s System) holdHosts(ctx context.Context, c apim.Certificate) error {
	if _, err := remove[certificateHostRow](s.in(ctx).Where("certificate_id = ?", c.ID), "hosts of a certificate"); err != nil {
		return err
	}
	for _, host := range c.Hosts {
		if err := insert(s.in(ctx), "host of a certificate", &certificateHostRow{Environment: c.Environment, Host: host, CertificateID: c.ID}); err != nil {
			return err
		}
	}
	return nil
}

// DeleteCertificate removes a certificate and frees its hosts.
func (s System) DeleteCertificate(ctx context.Context, c apim.Certificate) error {
	if _, err := remove[certificateHostRow](s.in(ctx).Where("certificate_id = ?", c.ID), "hosts of a certificate"); err != nil {
		return err
	}
	_, err := remove[certificateRow](s.in(ctx).Where("environment = ? AND id = ?", c.Environment, c.ID), "certificate")
	return err
}

// Certificate returns a certificate of an environment.
func (s System) Certificate(ctx context.Context, environment string, id apim.ID) (apim.Certificate, error) {
	row, err := one[certificateRow](s.in(ctx).Where("environment = ? AND id = ?", environment, id), "certificate")
	return row.domain(), err
}

// Certificates returns a page of an environment's certificates, those that
// expire first before others.
func (s System) Certificates(ctx context.Context, environment string, page apim.Page) (apim.List[apim.Certificate], error) {
	rows, next, err := paged(s.in(ctx).Where("environment = ?", environment), "certificates", page, order{"certificate", "not_after", "id", false},
		func(r certificateRow) (any, any) { return r.NotAfter, r.ID })
	return apim.List[apim.Certificate]{Items: sliceOf(rows, certificateRow.domain), NextCursor: next}, err
}

// EveryCertificate returns all certificates of an environment.
func (s System) EveryCertificate(ctx context.Context, environment string) ([]apim.Certificate, error) {
	rows, err := many[certificateRow](s.in(ctx).Where("environment = ?", environment).Order("id"), "certificates")
	return sliceOf(rows, certificateRow.domain), err
}

// CountCertificates counts an environment's certificates.
func (s System) CountCertificates(ctx context.Context, environment string) (int, error) {
	return count[certificateRow](s.in(ctx).Where("environment = ?", environment), "certificates")
}

// DefaultCertificates returns those that are an environment's default: one, or
// none.
func (s System) DefaultCertificates(ctx context.Context, environment string) ([]apim.Certificate, error) {
	rows, err := many[certificateRow](s.in(ctx).Where("environment = ? AND is_default", environment).Order("id"), "certificates")
	return sliceOf(rows, certificateRow.domain), err
}

// CertificateHosts says which certificate is for each of some hosts; those that
// none is for are left out.
func (s System) CertificateHosts(ctx context.Context, environment string, hosts []string) (map[string]apim.ID, error) {
	rows, err := many[certificateHostRow](s.in(ctx).Where("environment = ? AND host IN ?", environment, hosts), "hosts of certificates")
	out := make(map[string]apim.ID, len(rows))
	for _, r := range rows {
		out[r.Host] = r.CertificateID
	}
	return out, err
}
