package manager

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"strings"

	"portico/internal/apim"
	"portico/manager/store"
)

// Whoever registers what others issue proves that it is theirs. Of a certificate
// that is a text, signed with its private key: it names the application, so that
// it is of no use to any other. Of an issuer's tokens it is one of them, checked
// by the keys that the issuer publishes itself, and kept nowhere.
//
// Why operators may do without: an issuer may publish nothing, and a certificate's
// key may be where nothing can be signed with it. Their word stands in the audit
// log.

// Prover checks what an application shows of an issuer. manager/issuer implements
// it.
type Prover interface {
	// Prove returns an Invalid error at "issuer" or "proof" unless the issuer gave
	// the token to that client of it. It calls the issuer.
	Prove(ctx context.Context, tenant apim.ID, issuer, subject, token string) error
}

// ProofText is what is signed with a certificate's key to register it for an
// application.
func ProofText(application apim.ID) string {
	return "portico: this certificate is of " + string(application)
}

// vouches reports whether somebody's word is proof enough.
func vouches(actor apim.Actor) bool { return actor.Operator || actor.System }

// prove checks the proof of an issuer's tokens. It stands outside of what is
// written, since it asks the issuer: only for who could register it then.
func (a *Access) prove(ctx context.Context, actor apim.Actor, tenant, application apim.ID, in NewKey) error {
	if in.Kind != apim.CredentialJWT || in.Proof == "" && vouches(actor) {
		return nil
	}
	var fields apim.Check
	checkShown(&fields, "issuer", in.Issuer, longestIssuer)
	checkShown(&fields, "subject", in.Subject, longestSubject)
	if in.Proof == "" {
		fields.Fail("proof", "required", "is missing; show a token that the issuer gave to this client, or ask the operator to register it")
	}
	if err := fields.Err(); err != nil {
		return err
	}
	if err := a.Store.Read(ctx, func(tx *store.Tx) error {
		_, _, err := a.roomFor(ctx, tx, actor, tenant, application, in.Environment)
		return err
	}); err != nil {
		return err
	}
	if a.Prover == nil {
		return apim.Errorf(apim.Unavailable, "tokens cannot be checked here now; try again later")
	}
	return a.Prover.Prove(ctx, tenant, in.Issuer, in.Subject, in.Proof)
}

// checkProof checks that whoever registers a certificate holds its key.
func (s *shown) checkProof(fields *apim.Check, application apim.ID, proof string, vouched bool) {
	switch {
	case s.thumbprint == [32]byte{}: // what is wrong with it was said
	case proof == "" && vouched:
	case s.leaf == nil:
		fields.Fail("certificate", "pem", "is a SHA-256 alone, which proves nothing; give the certificate in PEM, or ask the operator to register it")
	case proof == "":
		fields.Fail("proof", "required", "is missing; sign the text %q with the certificate's key, by SHA-256 (an Ed25519 key signs the text itself), and give the signature in base64", ProofText(application))
	default:
		signature, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(proof), ""))
		if err != nil || len(signature) > longestProof {
			fields.Fail("proof", "base64", "is no signature in base64")
		} else if !signedBy(s.leaf, ProofText(application), signature) {
			fields.Fail("proof", "signature", "is not the signature of the text %q by the certificate's key", ProofText(application))
		}
	}
}

const longestProof = 2 << 10 // bytes of a signature

// signedBy reports whether a certificate's key has signed a text, with a line end
// or without.
func signedBy(leaf *x509.Certificate, text string, signature []byte) bool {
	var algorithms []x509.SignatureAlgorithm
	switch leaf.PublicKey.(type) {
	case *rsa.PublicKey:
		algorithms = []x509.SignatureAlgorithm{x509.SHA256WithRSA, x509.SHA256WithRSAPSS}
	case *ecdsa.PublicKey:
		algorithms = []x509.SignatureAlgorithm{x509.ECDSAWithSHA256}
	case ed25519.PublicKey:
		algorithms = []x509.SignatureAlgorithm{x509.PureEd25519}
	}
	for _, a := range algorithms {
		for _, end := range []string{"", "\n"} {
			if leaf.CheckSignature(a, []byte(text+end), signature) == nil {
				return true
			}
		}
	}
	return false
}
