package fake

import (
	"context"

	"portico/internal/apim"
)

// Prover stands for issuers of tokens that anybody may register: it takes what
// Proof returns, and refuses all else. It implements manager.Prover.
type Prover struct{}

// Proof returns what proves to a Prover that a client of an issuer is one's own.
func Proof(issuer, subject string) string { return "token of " + subject + " by " + issuer }

// Prove implements manager.Prover.
func (Prover) Prove(_ context.Context, _ apim.ID, issuer, subject, token string) error {
	if token == Proof(issuer, subject) {
		return nil
	}
	var fields apim.Check
	fields.Fail("proof", "subject", "is a token of another client")
	return fields.Err()
}
