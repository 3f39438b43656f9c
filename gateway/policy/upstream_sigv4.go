package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"portico/gateway/sigv4"
	"portico/internal/entry"
)

// signatureProof is a signature as AWS wants it.
type signatureProof struct {
	signer  *sigv4.Signer
	s3      bool
	limit   int64    // of a body that is signed; 0: none is
	allowed []string // X-Amz- headers that go out
	now     func() time.Time
}

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func newUpstreamSigV4Step(config entry.UpstreamSigV4, now func() time.Time, own bool) *proofStep {
	p := &signatureProof{
		signer: sigv4.New(sigv4.Options{
			AccessKey: config.AccessKeyID.Opened, Secret: config.SecretAccessKey.Opened, Token: config.SessionToken.Opened,
			Region: config.Region, Service: config.Service,
		}),
		s3: sigv4.IsS3(config.Service), allowed: config.Headers, now: now,
	}
	if p.now == nil {
		p.now = time.Now
	}
	body := "without its body"
	if config.Body != "unsigned" {
		body = "with its body"
		if p.limit = config.MaxBodyBytes; p.limit == 0 {
			p.limit = entry.SigV4MaxBodyBytes
		}
	}
	return &proofStep{Proof: p, upstream: config.Upstream, own: own, text: "the request is signed " + body + " for " + config.Service + " in " + config.Region}
}

// Ready implements Proof.
func (p *signatureProof) Ready(_ context.Context, ex *Exchange) error {
	if strings.IndexByte(ex.Query, '+') >= 0 {
		ex.Query = strings.ReplaceAll(ex.Query, "+", "%20")
	}
	if p.s3 {
		ex.UpstreamPath = sigv4.S3Path(ex.UpstreamPath)
	}
	ex.proven = sigv4.Unsigned
	if p.limit == 0 {
		return nil
	}
	if !hasBody(ex) {
		ex.proven = emptyHash
		return nil
	}
	if ex.BodyLength > p.limit {
		return TooLarge(p.limit)
	}
	data, err := ex.Body.Whole(p.limit)
	if err != nil {
		return err
	}
	ex.BodyLength = int64(len(data))
	sum := sha256.Sum256(data)
	ex.proven = hex.EncodeToString(sum[:])
	return nil
}

// Replaces implements Proof.
func (p *signatureProof) Replaces(name string) bool {
	const amz = "X-Amz-"
	if len(name) < len(amz) || !FoldEqual(name[:len(amz)], amz) {
		return FoldEqual(name, "Authorization")
	}
	for _, allowed := range p.allowed {
		if FoldEqual(allowed, name) {
			return false
		}
	}
	return true
}

// Append implements Proof. It signs what the head says.
func (p *signatureProof) Append(head []byte, ex *Exchange) []byte {
	return p.signer.AppendHead(head, ex.proven, p.now())
}

// Refused implements Proof.
func (*signatureProof) Refused(context.Context, *Exchange, bool) bool { return false }
