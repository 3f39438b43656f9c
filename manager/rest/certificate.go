package rest

import (
	"net/http"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/internal/web"
	"portico/manager"
)

// certificate is what gateways show for hosts; its key is never told.
type certificate struct {
	ID          apim.ID               `json:"id"`
	Environment string                `json:"environment"`
	Hosts       []string              `json:"hosts"`
	Default     bool                  `json:"default"`
	Clients     clientCertificates    `json:"clients"`
	Chain       string                `json:"chain"`
	Subject     string                `json:"subject"`
	Issuer      string                `json:"issuer"`
	KeyType     string                `json:"key_type"`
	Fingerprint string                `json:"fingerprint"`
	NotBefore   time.Time             `json:"not_before"`
	NotAfter    time.Time             `json:"not_after"`
	State       apim.CertificateState `json:"state"`
	UpdatedBy   string                `json:"updated_by"`
	CreatedAt   time.Time             `json:"created_at"`
	UpdatedAt   time.Time             `json:"updated_at"`
}

// clientCertificates says which certificates clients show.
type clientCertificates struct {
	Mode  apim.ClientCertificatesMode `json:"mode"`
	Roots string                      `json:"roots,omitempty"`
}

func (r *request) certificateOf(c apim.Certificate) certificate {
	return certificate{
		ID: c.ID, Environment: c.Environment, Hosts: c.Hosts, Default: c.Default, Clients: clientCertificates(c.Clients),
		Chain: c.Chain, Subject: c.Subject, Issuer: c.Issuer, KeyType: c.KeyType, Fingerprint: c.Fingerprint,
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), State: c.State(r.Fleet.Now()),
		UpdatedBy: c.UpdatedBy, CreatedAt: c.CreatedAt.UTC(), UpdatedAt: c.UpdatedAt.UTC(),
	}
}

func listCertificates(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	all, err := r.Fleet.Certificates(r.ctx, r.actor, r.c.Param("environment"), page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(all, r.certificateOf))
}

func showCertificate(r *request) error {
	id, err := r.id(apim.PrefixCertificate, "certificate")
	if err != nil {
		return err
	}
	c, err := r.Fleet.Certificate(r.ctx, r.actor, r.c.Param("environment"), id)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, c.Lock, r.certificateOf(c))
}

func addCertificate(r *request) error {
	var in struct {
		Chain      string             `json:"chain"`
		PrivateKey string             `json:"private_key"`
		Hosts      []string           `json:"hosts"`
		Default    bool               `json:"default"`
		Clients    clientCertificates `json:"clients"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	environment := r.c.Param("environment")
	c, change, err := r.Fleet.AddCertificate(r.ctx, r.actor, environment, manager.CertificateInput{
		Chain: in.Chain, Key: secret.Text(in.PrivateKey), Hosts: in.Hosts, Default: in.Default, Clients: apim.ClientCertificates(in.Clients),
	})
	if err != nil {
		return err
	}
	r.c.Header("Location", Base+"/environments/"+environment+"/certificates/"+string(c.ID))
	return r.answer(http.StatusCreated, c.Lock, struct {
		certificate
		outcome
	}{r.certificateOf(c), r.settle(change)})
}

func changeCertificate(r *request) error {
	var in struct {
		Chain      *string             `json:"chain"`
		PrivateKey *string             `json:"private_key"`
		Hosts      *[]string           `json:"hosts"`
		Default    *bool               `json:"default"`
		Clients    *clientCertificates `json:"clients"`
	}
	if err := r.body(&in); err != nil {
		return err
	}
	id, err := r.id(apim.PrefixCertificate, "certificate")
	if err != nil {
		return err
	}
	c, change, err := r.Fleet.ChangeCertificate(r.ctx, r.actor, r.c.Param("environment"), id, manager.CertificateChange{
		Chain: in.Chain, Key: (*secret.Text)(in.PrivateKey), Hosts: in.Hosts, Default: in.Default, Clients: (*apim.ClientCertificates)(in.Clients), Lock: r.lock,
	})
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, c.Lock, struct {
		certificate
		outcome
	}{r.certificateOf(c), r.settle(change)})
}

func removeCertificate(r *request) error {
	id, err := r.id(apim.PrefixCertificate, "certificate")
	if err != nil {
		return err
	}
	if _, err := r.Fleet.RemoveCertificate(r.ctx, r.actor, r.c.Param("environment"), id); err != nil {
		return err
	}
	return r.gone()
}
