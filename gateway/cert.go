package gateway

import (
	"net/http"

	"portico/gateway/certs"
	"portico/gateway/policy"
	"portico/internal/entry"
	"portico/internal/entry/check"
)

// applyCert puts a certificate in force for connections that begin from now on.
// mu is held.
func (n *Node) applyCert(it entry.Item) (freed bool, err error) {
	if it.Ended {
		freed = n.certs.Remove(it.Key.ID())
		n.shown[it.Key] = it.Position
		return freed, nil
	}
	body, wrong := check.Decode[entry.Cert](it)
	if len(wrong) > 0 {
		return false, problemsError(wrong)
	}
	cert, err := n.openCert(body)
	if err != nil {
		if !n.certs.Has(body.ID) { // else the last good one stays
			_, _ = n.certs.Put(certs.Closed(body)) // a host of another certificate is asked what that one says
		}
		return false, err
	}
	if freed, err = n.certs.Put(cert); err != nil {
		return false, err
	}
	n.shown[it.Key] = it.Position
	return freed, nil
}

// openCert makes an entry's certificate ready to be shown. mu is held.
func (n *Node) openCert(body entry.Cert) (*certs.Certificate, error) {
	key, err := n.unseal(body.Key, entry.CertInfo(body.ID))
	if err != nil {
		return nil, err
	}
	return certs.New(body, key)
}

// forgetRefused forgets an entry that is not there any more, and was never served.
// mu is held.
func (n *Node) forgetRefused(key entry.Key) {
	delete(n.refused, key)
	if key.Kind() == entry.KindCert && n.shown[key] == (entry.Position{}) {
		n.certs.Remove(key.ID())
	}
}

// askClient settles which certificate the caller has shown for the host that it
// calls. The handshake asked for the host that the connection was opened for,
// which may be another one, and in plain it asked nobody.
func (n *Node) askClient(ex *policy.Exchange) error {
	clients := n.certs.Clients(ex.Host)
	if clients == nil {
		return nil
	}
	if ex.ClientCertificate = clients.Verified(ex.TLS, ex.Now); ex.ClientCertificate != nil || !clients.Required() {
		return nil
	}
	if ex.TLS == nil {
		return &policy.Denied{
			Status: http.StatusForbidden, Code: "client_certificate_required",
			Detail: "This host is called over TLS, with a client certificate. Call https and show one.",
		}
	}
	return &policy.Denied{
		Status: http.StatusMisdirectedRequest, Code: "misdirected",
		Detail: "This host asks for a client certificate, and none that is good for it was shown on this connection. Open a new one for it.", Close: true,
	}
}
