package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/gateway/signature"
	"portico/internal/entry"
)

// signatureStep identifies the caller by a signature of the call.
type signatureStep struct {
	config  entry.SignaturePolicy
	simple  bool
	maxAge  int64 // seconds
	skew    int64 // seconds
	maxBody int64 // bytes
	grants  Grants
	replays *signature.Replays
	among
}

const (
	usualMaxAge  = 5 * time.Minute
	usualSkew    = 30 * time.Second
	usualMaxBody = 1 << 20

	maxKeyIDBytes      = 512
	signatureChallenge = `Signature realm="portico"`
)

func newSignatureStep(config entry.SignaturePolicy, tools Tools, among among) *signatureStep {
	seconds := func(ms int64, usual time.Duration) int64 {
		if ms == 0 {
			ms = usual.Milliseconds()
		}
		return (ms + 999) / 1000
	}
	s := &signatureStep{
		config: config, simple: config.Form == "simple", maxAge: seconds(config.MaxAgeMS, usualMaxAge), skew: seconds(config.SkewMS, usualSkew),
		maxBody: config.MaxBodyBytes, grants: tools.Grants, replays: tools.Replays, among: among,
	}
	if s.maxBody == 0 {
		s.maxBody = usualMaxBody
	}
	return s
}

// signaturePlaces says where a signature stands.
func signaturePlaces(config entry.SignaturePolicy) string {
	if config.Form == "simple" {
		return "the headers X-Key-Id, X-Timestamp and X-Signature"
	}
	return "the headers Signature-Input and Signature (RFC 9421)"
}

// Run implements Step.
func (s *signatureStep) Run(_ context.Context, ex *Exchange) error {
	if ex.Caller.By != "" { // by a policy before this one
		s.strip(ex)
		return nil
	}
	run := s.message
	if s.simple {
		run = s.timestamped
	}
	grant, err := run(ex)
	s.strip(ex)
	switch {
	case err != nil:
		return err
	case grant == nil:
		return s.missing()
	case grant.over(ex):
		return s.denied("credential_expired", "The key that the call is signed with has expired. Create a new one in the portal.")
	}
	return enter(ex, s.grants, grant, entry.PolicySignature)
}

// strip removes signatures, whatever they are of.
func (s *signatureStep) strip(ex *Exchange) {
	if s.simple {
		ex.Header.Del("X-Signature")
		ex.Header.Del("X-Timestamp")
		ex.Header.Del("X-Key-Id")
		return
	}
	ex.Header.Del("Signature")
	ex.Header.Del("Signature-Input")
}

// message verifies a signature after RFC 9421. It returns no grant where there is
// no signature.
func (s *signatureStep) message(ex *Exchange) (*Grant, error) {
	input, inputs := only(ex, "Signature-Input")
	value, values := only(ex, "Signature")
	switch {
	case inputs == 0 && values == 0:
		return nil, nil
	case inputs != 1 || values != 1:
		return nil, s.invalid("The call has to carry Signature-Input and Signature, once each.")
	}
	read, err := signature.Parse(input, value)
	if err != nil {
		return nil, s.invalid(err.Error())
	}
	if err := s.covered(ex, read); err != nil {
		return nil, err
	}
	if s.config.Nonce == "required" && read.Nonce == "" {
		return nil, s.invalid("The signature has no parameter nonce, which this API asks for. Sign with one that is never used again.")
	}
	if err := s.timely(ex, read.Created, read.Expires); err != nil {
		return nil, err
	}
	grant, err := s.signer(ex, read.KeyID)
	if err != nil {
		return nil, err
	}
	start := ex.Scratch()
	base, missing := read.Base(start, func(dst []byte, component string) ([]byte, bool) { return appendComponent(dst, ex, component) })
	if missing != "" {
		return nil, s.invalid("The signature covers " + missing + ", which the call does not have, or cannot be covered here.")
	}
	good := read.Verify(grant.secret(), base[len(start):])
	ex.Grow(base[:len(start)])
	if !good {
		return nil, s.invalid("The signature is not of this call. Sign method, address and headers exactly as they are sent, with the secret of this key id.")
	}
	if read.Covers("content-digest") {
		if err := s.digest(ex); err != nil {
			return nil, err
		}
	}
	return grant, s.once(ex, grant, read)
}

// covered checks what has to be signed.
func (s *signatureStep) covered(ex *Exchange, read *signature.Signature) error {
	lacks := ""
	path, query := read.Covers("@path"), read.Covers("@query") || !strings.Contains(ex.Target, "?")
	switch {
	case !read.Covers("@method"):
		lacks = "@method"
	case !read.Covers("@target-uri") && !read.Covers("@request-target") && !(path && query):
		lacks = "@target-uri, or @path and @query"
	case ex.Body != nil && ex.BodyLength != 0 && !s.config.UnsignedBody && !read.Covers("content-digest"):
		lacks = "content-digest, which this API asks for with a body"
	}
	for _, c := range s.config.Components {
		if lacks == "" && !read.Covers(c) {
			lacks = c
		}
	}
	if lacks == "" {
		return nil
	}
	return s.invalid("The signature does not cover " + lacks + ". Sign it too.")
}

// timely checks when a call was signed.
func (s *signatureStep) timely(ex *Exchange, created, expires int64) error {
	unix := ex.Now.Unix()
	switch {
	case created > unix+s.skew:
		return s.invalid("The signature is of a time that is still to come. Set the clock right that it was made by.")
	case unix-created > s.maxAge+s.skew:
		return s.denied("credential_expired", "The signature is older than "+(time.Duration(s.maxAge)*time.Second).String()+". Sign every call when it is sent, by a clock that is right.")
	case expires != 0 && unix > expires+s.skew:
		return s.denied("credential_expired", "The signature has expired. Sign every call when it is sent.")
	}
	return nil
}

// signer finds the grant that holds the secret of a key id.
func (s *signatureStep) signer(ex *Exchange, keyID string) (*Grant, error) {
	if len(keyID) > maxKeyIDBytes || strings.IndexByte(keyID, '\n') >= 0 {
		return nil, s.invalid("The key id is too long.")
	}
	ex.keyHash = entry.SignatureHash(keyID)
	grant := s.grants.Grant(&ex.keyHash)
	if grant == nil || len(grant.secret()) == 0 {
		return nil, s.invalid("The key id is not known here. It may have been revoked, or belong to another environment. Create a new key in the portal.")
	}
	return grant, nil
}

// digest compares the body with its digest.
func (s *signatureStep) digest(ex *Exchange) error {
	body, err := s.body(ex)
	if err != nil {
		return err
	}
	field, ok := appendField(nil, ex, "content-digest")
	if !ok {
		return s.invalid("The call has no Content-Digest.")
	}
	if err := signature.Digests(string(field), body); err != nil {
		return s.invalid(err.Error())
	}
	return nil
}

// body reads a body that is signed.
func (s *signatureStep) body(ex *Exchange) ([]byte, error) {
	if ex.BodyLength > s.maxBody {
		return nil, TooLarge(s.maxBody)
	}
	return ex.Body.Whole(s.maxBody)
}

// once takes a nonce.
func (s *signatureStep) once(ex *Exchange, grant *Grant, read *signature.Signature) error {
	if s.config.Nonce != "required" {
		return nil
	}
	outcome := signature.Full
	if s.replays != nil {
		outcome = s.replays.Take(grant.Tenant, grant.Credential, read.KeyID, read.Nonce, ex.Now.Unix(), read.Created+s.maxAge+s.skew)
	}
	switch outcome {
	case signature.Fresh:
		return nil
	case signature.Replayed:
		return s.invalid("A call with this nonce was taken before. Sign every call with a new one.")
	}
	return &Denied{
		Status: http.StatusServiceUnavailable, Code: "signatures_overloaded", RetryAfter: 5 * time.Second,
		Detail: "This gateway node has too many nonces of this credential or of others to remember, and cannot tell whether this one is new. Call again in a moment.",
	}
}

// timestamped verifies a signature of the simple form. It returns no grant where
// there is none.
func (s *signatureStep) timestamped(ex *Exchange) (*Grant, error) {
	value, values := only(ex, "X-Signature")
	stamp, stamps := only(ex, "X-Timestamp")
	keyID, keyIDs := only(ex, "X-Key-Id")
	switch {
	case values == 0 && keyIDs == 0:
		return nil, nil
	case values != 1 || stamps != 1 || keyIDs != 1:
		return nil, s.invalid("The call has to carry X-Key-Id, X-Timestamp and X-Signature, once each.")
	}
	var mac [sha256.Size]byte
	if len(value) != hex.EncodedLen(len(mac)) {
		return nil, s.invalid("X-Signature does not hold the 64 hexadecimal digits of an HMAC-SHA256.")
	}
	if _, err := hex.Decode(mac[:], bytesOf(value)); err != nil {
		return nil, s.invalid("X-Signature does not hold the 64 hexadecimal digits of an HMAC-SHA256.")
	}
	created, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || created <= 0 || len(stamp) > 12 || stamp[0] == '+' || stamp[0] == '0' {
		return nil, s.invalid("X-Timestamp does not hold seconds since 1970.")
	}
	if err := s.timely(ex, created, 0); err != nil {
		return nil, err
	}
	grant, err := s.signer(ex, keyID)
	if err != nil {
		return nil, err
	}
	body, err := s.body(ex)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	start := ex.Scratch()
	text := append(append(start, stamp...), '\n')
	text = append(append(text, ex.Method...), '\n')
	text = append(append(text, OriginForm(ex.Target)...), '\n')
	text = hex.AppendEncode(text, sum[:])
	good := signature.Signed(grant.secret(), text[len(start):], mac[:])
	ex.Grow(text[:len(start)])
	if !good {
		return nil, s.invalid("The signature is not of this call. Sign timestamp, method, path with query, and the SHA-256 of the body, with the secret of this key id.")
	}
	return grant, nil
}

func (s *signatureStep) invalid(detail string) error { return s.denied("credential_invalid", detail) }

func (s *signatureStep) denied(code, detail string) error {
	return &Denied{Status: http.StatusUnauthorized, Code: code, Detail: detail, Challenges: []string{signatureChallenge}}
}

// only returns a field that may stand once, and how often it does.
func only(ex *Exchange, name string) (value string, count int) {
	for _, f := range ex.Header.Fields() {
		if FoldEqual(f.Name, name) {
			value = f.Value
			count++
		}
	}
	return value, count
}

// appendComponent appends the value of a component of the call (RFC 9421, 2).
func appendComponent(dst []byte, ex *Exchange, component string) ([]byte, bool) {
	origin := OriginForm(ex.Target)
	path, query, _ := strings.Cut(origin, "?")
	switch component {
	case "@method":
		return append(dst, ex.Method...), true
	case "@target-uri":
		dst = append(append(dst, scheme(ex)...), "://"...)
		return append(appendAuthority(dst, ex), origin...), true
	case "@authority":
		return appendAuthority(dst, ex), true
	case "@scheme":
		return append(dst, scheme(ex)...), true
	case "@request-target":
		return append(dst, ex.Target...), true
	case "@path":
		return append(dst, path...), true
	case "@query":
		return append(append(dst, '?'), query...), true
	}
	if component[0] == '@' {
		return dst, false
	}
	return appendField(dst, ex, component)
}

// appendField appends a header's fields as one.
func appendField(dst []byte, ex *Exchange, name string) ([]byte, bool) {
	found := false
	for _, f := range ex.Header.Fields() {
		if !FoldEqual(f.Name, name) {
			continue
		}
		if found {
			dst = append(dst, ", "...)
		}
		dst = append(dst, strings.Trim(f.Value, " \t")...)
		found = true
	}
	return dst, found
}

func scheme(ex *Exchange) string {
	if ex.Secure {
		return "https"
	}
	return "http"
}

// appendAuthority appends host and port in lower case, without the scheme's own
// port.
func appendAuthority(dst []byte, ex *Exchange) []byte {
	authority, port := ex.Authority, ":80"
	if ex.Secure {
		port = ":443"
	}
	authority = strings.TrimSuffix(authority, port)
	for i := range len(authority) {
		c := authority[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		dst = append(dst, c)
	}
	return dst
}

func (s *signatureStep) explain(ex *Exchange) string {
	switch {
	case ex.Caller.By == "":
		return "a signature is read from " + signaturePlaces(s.config)
	case ex.Caller.By != entry.PolicySignature:
		return "the caller was identified before; signatures are taken away before the upstream"
	}
	return "the signature is of this call, and its key is known and valid"
}
