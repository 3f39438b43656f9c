package policy

import (
	"context"
	"crypto/sha256"
	"net/http"

	"portico/internal/entry"
)

// certificateStep identifies the caller by the certificate that it has shown,
// which was verified for the host that it calls.
type certificateStep struct {
	grants Grants
	among
}

const certificateChallenge = `ClientCertificate realm="portico"`

// Run implements Step.
func (s *certificateStep) Run(_ context.Context, ex *Exchange) error {
	shown := ex.ClientCertificate
	switch {
	case ex.Caller.By != "": // by a policy before this one
		return nil
	case shown == nil:
		return s.missing()
	case ex.Now.After(shown.NotAfter):
		return s.denied("credential_expired", "The client certificate has expired. Get a new one, and register it in the portal.")
	case ex.Now.Before(shown.NotBefore):
		return s.denied("credential_invalid", "The client certificate is not valid yet. Call again when it is, or set the clock right.")
	}
	ex.keyHash = entry.CertificateHash(sha256.Sum256(shown.Raw))
	grant := s.grants.Grant(&ex.keyHash)
	if grant == nil {
		return s.denied("credential_invalid", "The client certificate is not registered here. Register it for an application in the portal, or show the one that is.")
	}
	if grant.over(ex) {
		return s.denied("credential_expired", "The registration of the client certificate has expired. Register a new certificate in the portal.")
	}
	return enter(ex, s.grants, grant, entry.PolicyClientCertificate)
}

func (s *certificateStep) denied(code, detail string) error {
	return &Denied{Status: http.StatusUnauthorized, Code: code, Detail: detail, Challenges: []string{certificateChallenge}}
}

func (s *certificateStep) explain(ex *Exchange) string {
	switch {
	case ex.Caller.By == entry.PolicyClientCertificate:
		return "the client certificate is registered and valid"
	case ex.Caller.By != "":
		return "the caller was identified before"
	case ex.ClientCertificate == nil:
		return "no client certificate was shown that is good for this host"
	}
	return "a client certificate was shown that is good for this host"
}
