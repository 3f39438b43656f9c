package policy

import (
	"context"
	"encoding/base64"

	"portico/internal/entry"
)

// basicProof is a user name and a password.
type basicProof struct{ line string }

func newUpstreamBasicStep(config entry.UpstreamBasic, own bool) *proofStep {
	text := base64.StdEncoding.EncodeToString([]byte(config.Username.Opened + ":" + config.Password.Opened))
	return &proofStep{
		Proof: &basicProof{"Authorization: Basic " + text + "\r\n"}, upstream: config.Upstream, own: own,
		text: "a user name and a password are sent in Authorization",
	}
}

// Ready implements Proof.
func (*basicProof) Ready(context.Context, *Exchange) error { return nil }

// Replaces implements Proof.
func (*basicProof) Replaces(name string) bool { return FoldEqual(name, "Authorization") }

// Append implements Proof.
func (p *basicProof) Append(head []byte, _ *Exchange) []byte { return append(head, p.line...) }

// Refused implements Proof.
func (*basicProof) Refused(context.Context, *Exchange, bool) bool { return false }
