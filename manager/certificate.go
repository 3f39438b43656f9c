package manager

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/secret"
	"portico/manager/compile"
)

// smallestRSA is the fewest bits that an RSA key may have.
const smallestRSA = 2048

// CertificateInput is a certificate to be used. No hosts are all that it names.
type CertificateInput struct {
	Chain   string      // PEM, the certificate itself first
	Key     secret.Text // PEM
	Hosts   []string
	Default bool
	Clients apim.ClientCertificates
}

// CertificateChange changes a certificate; nil fields stay. A Chain without a
// Key is one that was renewed for the same key.
type CertificateChange struct {
	Chain   *string
	Key     *secret.Text
	Hosts   *[]string
	Default *bool
	Clients *apim.ClientCertificates
	Lock    int64
}

// Certificates lists an environment's certificates, those that expire first
// before others, without their keys.
func (f *Fleet) Certificates(ctx context.Context, actor apim.Actor, environment string, page apim.Page) (apim.List[apim.Certificate], error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.List[apim.Certificate]{}, err
	}
	if _, err := f.Store.System().Environment(ctx, environment); err != nil {
		return apim.List[apim.Certificate]{}, err
	}
	all, err := f.Store.System().Certificates(ctx, environment, page)
	for i := range all.Items {
		all.Items[i].Sealed = nil
	}
	return all, err
}

// Certificate returns a certificate of an environment, without its key.
func (f *Fleet) Certificate(ctx context.Context, actor apim.Actor, environment string, id apim.ID) (apim.Certificate, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.Certificate{}, err
	}
	c, err := f.Store.System().Certificate(ctx, environment, id)
	c.Sealed = nil
	return c, err
}

// AddCertificate puts a certificate in force on an environment's nodes. Its
// private key is sealed, and never shown again.
func (f *Fleet) AddCertificate(ctx context.Context, actor apim.Actor, environment string, in CertificateInput) (apim.Certificate, apim.Change, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.Certificate{}, apim.Change{}, err
	}
	c := apim.Certificate{Environment: environment, Hosts: in.Hosts, Default: in.Default, Clients: in.Clients}
	var fields apim.Check
	key := readChain(&fields, &c, in.Chain, in.Key.Reveal(), nil, f.now())
	checkCertificate(&fields, &c)
	if err := fields.Err(); err != nil {
		return apim.Certificate{}, apim.Change{}, err
	}
	var change apim.Change
	err := f.write(ctx, actor, func(u *unit) (err error) {
		if _, err := u.System().Environment(ctx, environment); err != nil {
			return err
		}
		c.ID, c.CreatedAt, c.Lock = apim.NewID(apim.PrefixCertificate, u.now), u.now, 1
		if err := u.sealCertificate(&c, key); err != nil {
			return err
		}
		if err := u.hostsFree(ctx, c); err != nil {
			return err
		}
		items, err := u.onlyDefault(ctx, c)
		if err != nil {
			return err
		}
		if err := u.System().InsertCertificate(ctx, c); err != nil {
			return err
		}
		err = u.recordChange(ctx, "", "certificate.add", c.ID, nil, certificateFacts(c), "certificate for %s added to %s", few(c.Hosts), environment)
		if err != nil {
			return err
		}
		change, err = u.emitCertificate(ctx, c, items)
		return err
	})
	c.Sealed = nil
	return c, change, err
}

// ChangeCertificate replaces a certificate, or changes what it is used for.
// Connections that are open keep what they began with.
func (f *Fleet) ChangeCertificate(ctx context.Context, actor apim.Actor, environment string, id apim.ID, in CertificateChange) (apim.Certificate, apim.Change, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.Certificate{}, apim.Change{}, err
	}
	var c apim.Certificate
	var change apim.Change
	err := f.write(ctx, actor, func(u *unit) (err error) {
		if c, err = u.System().Certificate(ctx, environment, id); err != nil {
			return err
		}
		if err := apim.CheckLock("certificate", c.Lock, in.Lock); err != nil {
			return err
		}
		before := certificateFacts(c)
		set(&c.Hosts, in.Hosts)
		set(&c.Default, in.Default)
		set(&c.Clients, in.Clients)
		var fields apim.Check
		var key []byte
		switch {
		case in.Chain != nil:
			var old []byte
			if in.Key == nil {
				if old, err = u.certificateKey(c); err != nil {
					return err
				}
			}
			key = readChain(&fields, &c, *in.Chain, value(in.Key).Reveal(), old, u.now)
		case in.Key != nil:
			fields.Fail("chain", "required", "give the certificate beside its key")
		}
		checkCertificate(&fields, &c)
		if err := fields.Err(); err != nil {
			return err
		}
		if key != nil {
			if err := u.sealCertificate(&c, key); err != nil {
				return err
			}
		}
		c.UpdatedBy, c.UpdatedAt = who(actor), u.now
		if err := u.hostsFree(ctx, c); err != nil {
			return err
		}
		items, err := u.onlyDefault(ctx, c)
		if err != nil {
			return err
		}
		if err := u.System().UpdateCertificate(ctx, &c); err != nil {
			return err
		}
		err = u.recordChange(ctx, "", "certificate.change", c.ID, before, certificateFacts(c), "certificate for %s in %s changed", few(c.Hosts), environment)
		if err != nil {
			return err
		}
		change, err = u.emitCertificate(ctx, c, items)
		return err
	})
	c.Sealed = nil
	return c, change, err
}

// RemoveCertificate takes a certificate out of use: connections that begin from
// then on are not shown it.
func (f *Fleet) RemoveCertificate(ctx context.Context, actor apim.Actor, environment string, id apim.ID) (apim.Change, error) {
	if err := f.Authz.Allow(ctx, actor, "", apim.Write, apim.ObjectEnvironment); err != nil {
		return apim.Change{}, err
	}
	var change apim.Change
	err := f.write(ctx, actor, func(u *unit) error {
		c, err := u.System().Certificate(ctx, environment, id)
		if err != nil {
			return err
		}
		if err := u.System().DeleteCertificate(ctx, c); err != nil {
			return err
		}
		err = u.recordChange(ctx, "", "certificate.remove", c.ID, certificateFacts(c), nil, "certificate for %s removed from %s", few(c.Hosts), environment)
		if err != nil {
			return err
		}
		key, err := entry.CertKey(c.ID.UUID())
		if err != nil {
			return err
		}
		change, err = u.emit(ctx, environment, []entry.Item{entry.Tombstone(key, entry.Position{})})
		return err
	})
	return change, err
}

// certificateFacts are what an audit row says: of the key only which one.
func certificateFacts(c apim.Certificate) any {
	return map[string]any{
		"hosts": c.Hosts, "fingerprint": c.Fingerprint, "issuer": c.Issuer, "not_after": c.NotAfter.UTC().Format(time.RFC3339),
		"default": c.Default, "clients": string(c.Clients.Mode),
	}
}

// few names the first of many hosts.
func few(hosts []string) string {
	if len(hosts) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(hosts[:3], ", "), len(hosts)-3)
	}
	return strings.Join(hosts, ", ")
}

// readChain reads a chain and its key into a certificate, and returns the key
// in PKCS #8. old is the key of before, for a chain that comes without one.
func readChain(fields *apim.Check, c *apim.Certificate, chainText, keyText string, old []byte, now time.Time) []byte {
	chain, err := check.Certificates(chainText, check.MaxChain)
	if err != nil {
		fields.Fail("chain", "not_readable", "%s", err)
	}
	der := old
	if old == nil {
		if der, err = privateKey(keyText); err != nil {
			fields.Fail("private_key", "not_readable", "%s", err)
		}
	}
	if len(chain) == 0 || der == nil {
		return nil
	}
	leaf := chain[0]
	private, err := x509.ParsePKCS8PrivateKey(der)
	signer, ok := private.(crypto.Signer)
	switch {
	case err != nil || !ok:
		fields.Fail("private_key", "not_readable", "is not a key that signs")
		return nil
	case !check.Fits(leaf, signer):
		for i, other := range chain[1:] {
			if check.Fits(other, signer) {
				fields.Fail("chain", "order", "begins with another certificate: the key's own is number %d. Put it first, then the one that signed it, and so on", i+2)
				return nil
			}
		}
		if old != nil {
			fields.Fail("private_key", "required", "is needed: the certificate was made for another key than the one of before")
		} else {
			fields.Fail("private_key", "other_key", "is not the key of the certificate; give the one that the certificate was requested with")
		}
		return nil
	}
	var kind string
	if kind, err = keyType(signer.Public()); err != nil {
		fields.Fail("private_key", "weak", "%s", err)
	}
	for i := range len(chain) - 1 {
		if chain[i].CheckSignatureFrom(chain[i+1]) != nil {
			fields.Fail("chain", "order", "is out of order: certificate %d (%s) was not signed by certificate %d (%s). Put the certificate first, then the one that signed it, and so on", i+1, nameOf(chain[i]), i+2, nameOf(chain[i+1]))
			break
		}
	}
	for i, one := range chain {
		if !now.Before(one.NotAfter) {
			fields.Fail("chain", "expired", "has expired: certificate %d (%s) was good until %s", i+1, nameOf(one), one.NotAfter.UTC().Format("2 January 2006 15:04 MST"))
			break
		}
		if now.Before(one.NotBefore) {
			fields.Fail("chain", "not_yet", "is not good yet: certificate %d (%s) is from %s on", i+1, nameOf(one), one.NotBefore.UTC().Format("2 January 2006 15:04 MST"))
			break
		}
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		fields.Fail("chain", "usage", "may not be used by servers: its extended key usage lacks server authentication")
	}
	var text bytes.Buffer
	for _, one := range chain { // and nothing that stood between
		_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: one.Raw}) // a buffer takes all
	}
	sum := sha256.Sum256(leaf.Raw)
	c.Chain, c.Subject, c.Issuer, c.KeyType = text.String(), nameOf(leaf), leaf.Issuer.String(), kind
	c.Fingerprint, c.NotBefore, c.NotAfter = hex.EncodeToString(sum[:]), leaf.NotBefore.UTC(), leaf.NotAfter.UTC()
	return der
}

func nameOf(c *x509.Certificate) string {
	switch {
	case c.Subject.String() != "":
		return c.Subject.String()
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	}
	return "without a name"
}

// privateKey reads a private key in PEM into PKCS #8. Its errors quote nothing.
func privateKey(text string) ([]byte, error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New(`holds no private key; want PEM, which begins with "-----BEGIN PRIVATE KEY-----"`)
		}
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errEncryptedKey()
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errEncryptedKey()
			}
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errEncryptedKey()
		default:
			continue // such as EC PARAMETERS
		}
		if err != nil {
			return nil, errors.New("cannot be read; it is damaged or of a kind that is not known")
		}
		return x509.MarshalPKCS8PrivateKey(key)
	}
}

func errEncryptedKey() error {
	return errors.New("is protected by a passphrase; take that off first, with: openssl pkey -in key.pem -out plain.pem")
}

// keyType names a kind of key, and refuses weak ones.
func keyType(public crypto.PublicKey) (string, error) {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < smallestRSA {
			return "", fmt.Errorf("is an RSA key of %d bits; want at least %d, or ECDSA", k.N.BitLen(), smallestRSA)
		}
		return fmt.Sprintf("RSA %d", k.N.BitLen()), nil
	case *ecdsa.PublicKey:
		if k.Params().BitSize < 256 {
			return "", fmt.Errorf("is an ECDSA key of %d bits; want at least 256", k.Params().BitSize)
		}
		return "ECDSA " + k.Params().Name, nil
	case ed25519.PublicKey:
		return "Ed25519", nil
	}
	return "", fmt.Errorf("is a %T; want RSA, ECDSA or Ed25519", public)
}

// checkCertificate settles what a certificate is used for.
func checkCertificate(fields *apim.Check, c *apim.Certificate) {
	chain, _ := check.Certificates(c.Chain, check.MaxChain) // what is wrong with it was said
	if len(c.Hosts) == 0 && len(chain) > 0 {
		c.Hosts = slices.Clone(chain[0].DNSNames)
		if len(c.Hosts) == 0 {
			fields.Fail("chain", "no_names", "names no host (it has no subject alternative name); clients take no such certificate")
		}
	}
	for i, h := range c.Hosts {
		c.Hosts[i] = strings.ToLower(strings.TrimSpace(h))
	}
	slices.Sort(c.Hosts)
	c.Hosts = slices.Compact(c.Hosts)
	if len(c.Hosts) > check.MaxCertHosts {
		fields.Fail("hosts", "too_many", "are %d, the most is %d; name those that are used", len(c.Hosts), check.MaxCertHosts)
	}
	for i, host := range c.Hosts {
		at := fmt.Sprintf("hosts[%d]", i)
		if err := check.CertHost(host); err != nil {
			fields.Fail(at, "host", "%s", err)
		} else if len(chain) > 0 && !check.Covers(chain[0], host) {
			fields.Fail(at, "not_covered", "%s is not a name of the certificate; it has %s", host, few(chain[0].DNSNames))
		}
	}
	switch c.Clients.Mode {
	case "", apim.ClientCertificatesOff:
		c.Clients = apim.ClientCertificates{Mode: apim.ClientCertificatesOff, Roots: c.Clients.Roots}
		if c.Clients.Roots == "" {
			return
		}
	case apim.ClientCertificatesOptional, apim.ClientCertificatesRequired:
		if c.Clients.Roots == "" {
			fields.Fail("clients.roots", "required", "give the certificates of the authorities that sign your clients' certificates")
			return
		}
	default:
		fields.Fail("clients.mode", "unknown", "use off, optional or required")
	}
	if _, err := check.Certificates(c.Clients.Roots, check.MaxRoots); err != nil {
		fields.Fail("clients.roots", "not_readable", "%s", err)
	}
}

// certificatePlace names where a private key lives, for its seal.
func certificatePlace(id apim.ID) string { return "certificate|" + string(id) + "|key" }

func (u *unit) sealCertificate(c *apim.Certificate, key []byte) (err error) {
	if u.core.Box == nil {
		return errNoKey
	}
	c.UpdatedBy, c.UpdatedAt = who(u.actor), u.now
	c.Sealed, err = u.core.Box.Seal(key, certificatePlace(c.ID))
	return err
}

func (u *unit) certificateKey(c apim.Certificate) ([]byte, error) {
	if u.core.Box == nil {
		return nil, errNoKey
	}
	key, err := u.core.Box.Open(c.Sealed, certificatePlace(c.ID))
	if err != nil {
		return nil, fmt.Errorf("the private key of certificate %s: %w", c.ID, err)
	}
	return key, nil
}

// hostsFree refuses hosts that another certificate of the environment is for.
func (u *unit) hostsFree(ctx context.Context, c apim.Certificate) error {
	taken, err := u.System().CertificateHosts(ctx, c.Environment, c.Hosts)
	if err != nil {
		return err
	}
	var fields apim.Check
	for i, host := range c.Hosts {
		if by := taken[host]; by != "" && by != c.ID {
			fields.Fail(fmt.Sprintf("hosts[%d]", i), "taken", "certificate %s is for %s already; replace that one, or take the host from it first", by, host)
		}
	}
	return fields.Err()
}

// onlyDefault makes others that are the default no default any more, where this
// one is, and returns them as entries.
func (u *unit) onlyDefault(ctx context.Context, c apim.Certificate) ([]entry.Item, error) {
	if !c.Default {
		return nil, nil
	}
	all, err := u.System().DefaultCertificates(ctx, c.Environment)
	if err != nil {
		return nil, err
	}
	var items []entry.Item
	for _, other := range all {
		if other.ID == c.ID {
			continue
		}
		before := certificateFacts(other)
		other.Default = false
		if err := u.System().UpdateCertificate(ctx, &other); err != nil {
			return nil, err
		}
		if err := u.recordChange(ctx, "", "certificate.change", other.ID, before, certificateFacts(other), "certificate for %s is the default of %s no more", few(other.Hosts), c.Environment); err != nil {
			return nil, err
		}
		it, err := u.certificateItem(ctx, other)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// certificateItem is a certificate as nodes get it: its key sealed for them.
func (u *unit) certificateItem(ctx context.Context, c apim.Certificate) (entry.Item, error) {
	key, err := u.certificateKey(c)
	if err != nil {
		return entry.Item{}, err
	}
	sealed, err := u.sealFor(ctx, c.Environment, entry.CertInfo(c.ID.UUID()), key)
	if err != nil {
		return entry.Item{}, err
	}
	name, err := entry.CertKey(c.ID.UUID())
	if err != nil {
		return entry.Item{}, err
	}
	body := compile.Cert(c, sealed)
	if wrong := check.Cert(body); len(wrong) > 0 {
		return entry.Item{}, fmt.Errorf("certificate %s cannot be served: %s", c.ID, wrong[0])
	}
	return entry.Encode(name, entry.Position{}, body)
}

func (u *unit) emitCertificate(ctx context.Context, c apim.Certificate, also []entry.Item) (apim.Change, error) {
	it, err := u.certificateItem(ctx, c)
	if err != nil {
		return apim.Change{}, err
	}
	return u.emit(ctx, c.Environment, append(also, it))
}

// certificates are all of an environment, sealed with its key as it is now.
func (u *unit) certificates(ctx context.Context, environment string) ([]entry.Item, error) {
	all, err := u.System().EveryCertificate(ctx, environment)
	if err != nil {
		return nil, err
	}
	var items []entry.Item
	for _, c := range all {
		it, err := u.certificateItem(ctx, c)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}
