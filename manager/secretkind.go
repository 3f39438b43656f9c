package manager

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
)

// What others issue, an issuer's tokens or a client certificate, is registered
// and not made: whoever shows it is the application. So it stands for one
// application in an environment, and who registers it proves that it is theirs
// (proof.go): nobody can take or block what is another's. That somebody has it is
// told to those alone who have proved that they hold it too.

// The most that is taken of what people write into a credential.
const (
	longestIssuer      = 2000
	longestSubject     = 500
	longestUser        = 128
	longestCertificate = 64 << 10
)

// Makes reports whether this process can make credentials of a kind: what calls
// are signed with is sealed with the installation's key, which a portal that runs
// apart does not hold. A manager does.
func (a *Access) Makes(kind apim.CredentialKind) bool {
	return kind != apim.CredentialSignature || a.Box != nil
}

// shown is what an application shows and does not get from here: its
// certificate's SHA-256 and end. For other kinds it is empty.
type shown struct {
	thumbprint [sha256.Size]byte
	notAfter   time.Time         // zero: not known
	name       string            // that a certificate has
	leaf       *x509.Certificate // nil: its SHA-256 alone was given
}

// checkNewKey checks what is asked for by kind, and puts in what was left out.
func checkNewKey(fields *apim.Check, in *NewKey, application apim.ID, vouched bool, now time.Time) *shown {
	if in.Kind == "" {
		in.Kind = apim.CredentialKey
	}
	form := &shown{}
	only := func(field, text string, kind apim.CredentialKind) {
		if text != "" && in.Kind != kind {
			fields.Fail(field, "kind", "is for credentials of the kind %s; leave it out", kind)
		}
	}
	only("issuer", in.Issuer, apim.CredentialJWT)
	only("subject", in.Subject, apim.CredentialJWT)
	only("user", in.User, apim.CredentialBasic)
	only("certificate", in.Certificate, apim.CredentialCertificate)
	if in.Kind.Secret() && in.Proof != "" {
		fields.Fail("proof", "kind", "is for credentials of the kinds %s and %s; leave it out", apim.CredentialJWT, apim.CredentialCertificate)
	}
	name := "Key"
	switch in.Kind {
	case apim.CredentialKey:
	case apim.CredentialJWT:
		checkShown(fields, "issuer", in.Issuer, longestIssuer)
		checkShown(fields, "subject", in.Subject, longestSubject)
		name = in.Subject
		if name == "" {
			name = "Token identity"
		}
	case apim.CredentialBasic:
		if in.User == "" {
			in.User = "user-" + strings.ToLower(string(secret.MintToken("u"))[2:14])
		}
		checkUser(fields, in.User)
		in.Subject, name = in.User, in.User
	case apim.CredentialSignature:
		name = "Signing secret"
	case apim.CredentialCertificate:
		form = readShown(fields, in.Certificate, now)
		form.checkProof(fields, application, in.Proof, vouched)
		name = form.name
	default:
		fields.Fail("kind", "unknown", "is none of %v", apim.CredentialKinds())
	}
	if in.Name == "" {
		if runes := []rune(name); len(runes) > 60 {
			name = string(runes[:59]) + "…"
		}
		in.Name = name
	}
	return form
}

// checkShown checks what a token says: the gateway compares it byte for byte.
func checkShown(fields *apim.Check, field, text string, most int) {
	switch {
	case text == "":
		fields.Fail(field, "required", "is missing; it is compared with what the token says")
	case len(text) > most:
		fields.Fail(field, "too_long", "has more than %d bytes", most)
	case strings.ContainsFunc(text, isControl):
		fields.Fail(field, "control", "holds a control character")
	case strings.TrimSpace(text) != text:
		fields.Fail(field, "spaces", "begins or ends with a space, which no token has")
	case field == "issuer" && strings.Contains(text, "://"):
		if _, err := url.Parse(text); err != nil {
			fields.Fail(field, "url", "is no address; give it exactly as in the tokens' claim iss")
		}
	}
}

// checkUser checks a user name: what RFC 7617 can carry, in ASCII.
func checkUser(fields *apim.Check, user string) {
	other := func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }
	switch {
	case len(user) > longestUser:
		fields.Fail("user", "too_long", "has more than %d characters", longestUser)
	case strings.ContainsFunc(user, other):
		fields.Fail("user", "characters", "holds a space, a colon, or a character that is not ASCII")
	}
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// readShown reads a client certificate, in PEM or as its SHA-256 in hex.
func readShown(fields *apim.Check, text string, now time.Time) *shown {
	out := &shown{name: "Certificate"}
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		fields.Fail("certificate", "required", "is missing; give it in PEM, or its SHA-256 in hex")
	case len(text) > longestCertificate:
		fields.Fail("certificate", "too_long", "has more than %d bytes", longestCertificate)
	case strings.Contains(text, "PRIVATE KEY"):
		fields.Fail("certificate", "private_key", "holds a private key, which stays with the application: was it shown to anybody, make another")
	case !strings.Contains(text, "-----BEGIN"):
		digits := strings.NewReplacer(":", "", " ", "").Replace(text)
		raw, err := hex.DecodeString(digits)
		if err != nil || len(raw) != len(out.thumbprint) {
			fields.Fail("certificate", "fingerprint", "is neither PEM nor a SHA-256 in hex, which has 64 digits")
			break
		}
		copy(out.thumbprint[:], raw)
	default:
		block, _ := pem.Decode([]byte(text))
		if block == nil || block.Type != "CERTIFICATE" {
			fields.Fail("certificate", "pem", "is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----")
			break
		}
		leaf, err := x509.ParseCertificate(block.Bytes)
		switch {
		case err != nil:
			fields.Fail("certificate", "certificate", "cannot be read as a certificate")
		case leaf.IsCA:
			fields.Fail("certificate", "authority", "is an authority's; put the application's own certificate first")
		case !leaf.NotAfter.After(now):
			fields.Fail("certificate", "expired", "has expired on %s", leaf.NotAfter.UTC().Format("2 January 2006"))
		default:
			out.leaf = leaf
			out.thumbprint, out.notAfter = sha256.Sum256(leaf.Raw), leaf.NotAfter
			if cn := leaf.Subject.CommonName; cn != "" && !strings.ContainsFunc(cn, isControl) {
				out.name = cn
			}
		}
	}
	return out
}

// end bounds the end of a credential by its certificate's. Where none is asked
// for it is the earlier of that and what the application's plans allow.
func (s *shown) end(in *NewKey, limit KeyLimit, now time.Time) {
	if s.notAfter.IsZero() {
		return
	}
	if in.ExpiresAt.IsZero() && limit.Life > 0 {
		in.ExpiresAt = limit.Latest(now)
	}
	if in.ExpiresAt.IsZero() || in.ExpiresAt.After(s.notAfter) {
		in.ExpiresAt = s.notAfter
	}
}

// secretFor makes a credential's next secret and its text, or registers what it
// shows in the place of one.
func (u *unit) secretFor(ctx context.Context, owner apim.Tenant, env apim.Environment, c apim.Credential, form *shown, expires time.Time) (kept apim.Secret, text string, err error) {
	kept = apim.Secret{ID: apim.NewID(apim.PrefixSecret, u.now), CreatedAt: u.now}
	if !expires.IsZero() {
		kept.ExpiresAt = expires.UTC().Truncate(time.Microsecond)
	}
	prefix := secret.KeyPrefix(owner.KeyPrefix, env.Kind == apim.Sandbox)
	var hash [sha256.Size]byte
	switch c.Kind {
	case apim.CredentialJWT:
		hash = entry.TokenHash(c.Issuer, c.Subject)
		kept.Prefix = c.Subject
	case apim.CredentialCertificate:
		hash = entry.CertificateHash(form.thumbprint)
		kept.Prefix = hex.EncodeToString(form.thumbprint[:])
	case apim.CredentialBasic:
		text = secret.MintToken(prefix + "_password").Reveal()
		hash = entry.BasicHash(c.Subject, text)
		kept.Prefix = prefix + "_password_"
	case apim.CredentialSignature:
		text = secret.MintToken(prefix + "_signing").Reveal()
		kept.Prefix = "sig_" + strings.ReplaceAll(kept.ID.UUID(), "-", "")
		hash = entry.SignatureHash(kept.Prefix)
		if err := u.sealSecret(ctx, c, &kept, text); err != nil {
			return kept, "", err
		}
	default:
		key, err := secret.MintKey(prefix)
		if err != nil {
			return kept, "", fmt.Errorf("mint key: %w", err)
		}
		text, hash, kept.Prefix = key.Reveal(), key.Hash(), key.String()
	}
	kept.Hash = hex.EncodeToString(hash[:])
	if text != "" {
		kept.LastFour = text[len(text)-4:]
	}
	if c.Kind.Secret() {
		return kept, text, nil
	}
	taken, err := u.System().Registered(ctx, env.Slug, kept.Hash)
	if err == nil && taken {
		err = apim.Errorf(apim.Conflict, "this %s is registered for %s already, and stands for one application there; revoke it where it is", c.Kind.Text(), env.Name).WithCode("registered_already")
	}
	return kept, text, err
}

// secretPlace names what a signing secret is sealed as in the database.
func secretPlace(tenant, id apim.ID) string { return string(tenant) + "|secret|" + string(id) }

// sealSecret keeps what calls are signed with: sealed for the database, and for
// the nodes, so that a portal, which cannot open it, can grant it anew.
func (u *unit) sealSecret(ctx context.Context, c apim.Credential, s *apim.Secret, text string) (err error) {
	if u.core.Box == nil {
		return apim.Errorf(apim.Unavailable, "signing secrets are made by a manager, and this process is none; use 'portico keys'").WithCode("no_key")
	}
	if s.Sealed, err = u.core.Box.Seal([]byte(text), secretPlace(c.Tenant, s.ID)); err != nil {
		return fmt.Errorf("seal signing secret: %w", err)
	}
	return u.sealForNodes(ctx, c, s, []byte(text))
}

func (u *unit) sealForNodes(ctx context.Context, c apim.Credential, s *apim.Secret, text []byte) error {
	sealed, err := u.sealFor(ctx, c.Environment, entry.GrantSecretInfo(c.ID.UUID()), text)
	s.NodeKey, s.NodeBox = sealed.Key, sealed.Box
	return err
}

// signed seals an environment's signing secrets with its key as it is now, and
// returns what they grant.
func (u *unit) signed(ctx context.Context, environment string) ([]entry.Item, error) {
	all, err := u.System().SigningIn(ctx, environment)
	if err != nil {
		return nil, err
	}
	var out []entry.Item
	var done []apim.ID
	var apps []apim.Application
	for _, one := range all {
		t := u.Tenant(one.Tenant)
		c, err := t.Credential(ctx, one.Credential)
		if err != nil {
			return nil, err
		}
		for _, s := range c.Secrets {
			plain, err := u.core.Box.Open(s.Sealed, secretPlace(c.Tenant, s.ID))
			if err != nil {
				return nil, fmt.Errorf("signing secret %s: %w", s.ID, err)
			}
			if err := u.sealForNodes(ctx, c, &s, plain); err != nil {
				return nil, err
			}
			if err := t.SealSecret(ctx, s); err != nil {
				return nil, err
			}
		}
		if slices.Contains(done, c.Application) {
			continue
		}
		app, err := t.Application(ctx, string(c.Application))
		if err != nil {
			return nil, err
		}
		done, apps = append(done, app.ID), append(apps, app)
	}
	for _, app := range apps {
		items, err := u.grants(ctx, app)
		if err != nil {
			return nil, err
		}
		out = append(out, items[environment]...)
	}
	return out, nil
}
