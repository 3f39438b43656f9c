package manager_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/fake"
	"portico/test/postgres"
)

func (m *market) credential(in manager.NewKey) (manager.MintedKey, error) {
	return m.access.CreateKey(m.t.Context(), m.consumer, m.client.ID, m.app.ID, in)
}

// hashed is a hash as grants are keyed by it.
func hashed(hash [sha256.Size]byte) string { return hex.EncodeToString(hash[:]) }

// client issues a client certificate and returns it in PEM, with its SHA-256 and
// its proof for an application.
func client(t testing.TB, ca *fake.Authority, app apim.ID, ends time.Time) (pem string, thumbprint [sha256.Size]byte, proof string) {
	key := fake.NewKey(t)
	issued := ca.IssueWith(t, key, func(c *x509.Certificate) {
		c.Subject.CommonName, c.NotBefore, c.NotAfter = "till-7", ends.Add(-time.Hour), ends
	})
	return issued.Chain, sha256.Sum256(issued.Pair.Certificate[0]), fake.Signature(t, key, manager.ProofText(app))
}

func TestEveryKindOfCredentialIsGrantedByItsHash(t *testing.T) {
	postgres.Both(t, testEveryKindOfCredentialIsGrantedByItsHash)
}

func testEveryKindOfCredentialIsGrantedByItsHash(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	m.active()
	ends := m.clock().Add(30 * 24 * time.Hour).Truncate(time.Second)
	pem, thumbprint, proof := client(t, fake.NewAuthority(t, "Clients"), m.app.ID, ends)
	for _, tc := range []struct {
		in   manager.NewKey
		hash func(c apim.Credential, text string) [sha256.Size]byte
		once bool // something is shown once
		name string
	}{
		{manager.NewKey{}, func(_ apim.Credential, text string) [32]byte { return sha256.Sum256([]byte(text)) }, true, "Key"},
		{manager.NewKey{Kind: apim.CredentialJWT, Issuer: "https://issuer.example/", Subject: "till", Proof: fake.Proof("https://issuer.example/", "till")}, func(apim.Credential, string) [32]byte { return entry.TokenHash("https://issuer.example/", "till") }, false, "till"},
		{manager.NewKey{Kind: apim.CredentialBasic, User: "till"}, func(_ apim.Credential, text string) [32]byte { return entry.BasicHash("till", text) }, true, "till"},
		{manager.NewKey{Kind: apim.CredentialBasic, Name: "made"}, func(c apim.Credential, text string) [32]byte { return entry.BasicHash(c.Subject, text) }, true, "made"},
		{manager.NewKey{Kind: apim.CredentialSignature}, func(c apim.Credential, _ string) [32]byte { return entry.SignatureHash(c.Secrets[0].Prefix) }, true, "Signing secret"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: pem, Proof: proof}, func(apim.Credential, string) [32]byte { return entry.CertificateHash(thumbprint) }, false, "till-7"},
	} {
		minted, err := m.credential(tc.in)
		if err != nil {
			t.Fatalf("%s: %v", tc.in.Kind, err)
		}
		c := must[manager.ApplicationDetail](t)(m.access.Application(t.Context(), m.consumer, m.client.ID, "till")).Credentials[0]
		if c.ID != minted.Credential.ID || c.Name != tc.name || c.Kind == "" {
			t.Errorf("%s: kept %+v", tc.in.Kind, c)
		}
		if got, want := c.Secrets[0].Hash, hashed(tc.hash(c, minted.Key)); got != want || (minted.Key != "") != tc.once {
			t.Errorf("%s: known by %s, want %s; %q is shown", tc.in.Kind, got, want, minted.Key)
		}
		if tc.once && (len(minted.Key) < 43 || strings.Contains(string(c.Secrets[0].Sealed), minted.Key)) {
			t.Errorf("%s: %d characters, kept as %q", tc.in.Kind, len(minted.Key), c.Secrets[0].Sealed)
		}
		g := m.granted("production", c, 0)
		if len(g.Subscriptions) != 1 || (g.Secret != nil) != (c.Kind == apim.CredentialSignature) {
			t.Errorf("%s: nodes get %+v", tc.in.Kind, g)
		}
		if c.Kind == apim.CredentialCertificate && g.ExpiresAt != ends.Unix() {
			t.Errorf("the certificate is taken until %d, want its own end %d", g.ExpiresAt, ends.Unix())
		}
		if _, _, err := m.access.RevokeKey(t.Context(), m.consumer, m.client.ID, c.ID); err != nil {
			t.Fatal(err)
		}
		if m.granted("production", c, 0).Credential != "" {
			t.Errorf("%s: it works on after it was revoked", tc.in.Kind)
		}
	}
}

func TestCredentialsThatCannotWorkAreRefused(t *testing.T) {
	postgres.Both(t, testCredentialsThatCannotWorkAreRefused)
}

func testCredentialsThatCannotWorkAreRefused(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ca := fake.NewAuthority(t, "Clients")
	old, thumbprint, proof := client(t, ca, m.app.ID, m.clock().Add(-time.Hour))
	now, _, others := client(t, ca, "app_other", m.clock().Add(time.Hour))
	issued := ca.Issue(t, "till.example")
	for _, tc := range []struct {
		in   manager.NewKey
		want string
	}{
		{manager.NewKey{Kind: "password"}, "kind"},
		{manager.NewKey{Issuer: "i", Subject: "s", User: "u", Certificate: "c"}, "issuer subject user certificate"},
		{manager.NewKey{Kind: apim.CredentialJWT}, "issuer subject proof"},
		{manager.NewKey{Kind: apim.CredentialJWT, Issuer: "a\nb", Subject: " s", Proof: "t"}, "issuer subject"},
		{manager.NewKey{Kind: apim.CredentialJWT, Issuer: strings.Repeat("i", 2001), Subject: strings.Repeat("s", 501), Proof: "t"}, "issuer subject"},
		{manager.NewKey{Kind: apim.CredentialJWT, Issuer: "https://issuer.example/", Subject: "till"}, "proof"},
		{manager.NewKey{Kind: apim.CredentialJWT, Issuer: "https://issuer.example/", Subject: "till", Proof: fake.Proof("https://issuer.example/", "other")}, "proof"},
		{manager.NewKey{Kind: apim.CredentialBasic, Proof: "t"}, "proof"},
		{manager.NewKey{Kind: apim.CredentialBasic, User: "a:b"}, "user"},
		{manager.NewKey{Kind: apim.CredentialBasic, User: "jörg"}, "user"},
		{manager.NewKey{Kind: apim.CredentialBasic, User: strings.Repeat("u", 129)}, "user"},
		{manager.NewKey{Kind: apim.CredentialCertificate}, "certificate"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: "abc"}, "certificate"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: issued.Chain + issued.Key}, "certificate"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"}, "certificate"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: ca.PEM}, "certificate"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: old, Proof: proof}, "certificate"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: hex.EncodeToString(thumbprint[:]), Proof: proof}, "certificate"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: now}, "proof"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: now, Proof: "?"}, "proof"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: now, Proof: proof}, "proof"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: now, Proof: others}, "proof"}, // it was shown to another application
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: now, Proof: strings.Repeat("A", 8<<10)}, "proof"},
		{manager.NewKey{Kind: apim.CredentialCertificate, Certificate: strings.Repeat("c", 65<<10)}, "certificate"},
	} {
		_, err := m.credential(tc.in)
		wantFields(t, err, tc.want)
	}
}

// What others issue stands for one application in an environment. That somebody
// has it is told to those alone who have proved that it is theirs.
func TestIdentityIsRegisteredOnceInAnEnvironment(t *testing.T) {
	postgres.Both(t, testIdentityIsRegisteredOnceInAnEnvironment)
}

func testIdentityIsRegisteredOnceInAnEnvironment(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	m.sandbox()
	ctx := t.Context()
	other := m.tenant("other")
	olga := m.person(other, "Olga", apim.RoleConsumer)
	app := m.application(olga, other, "kiosk")
	key := fake.NewKey(t)
	issued := fake.NewAuthority(t, "Clients").IssueWith(t, key, func(c *x509.Certificate) { c.NotAfter = m.clock().Add(time.Hour) })
	for _, in := range []manager.NewKey{
		{Kind: apim.CredentialJWT, Issuer: "https://issuer.example/", Subject: "till", Proof: fake.Proof("https://issuer.example/", "till")},
		{Kind: apim.CredentialCertificate, Certificate: issued.Chain, Proof: fake.Signature(t, key, manager.ProofText(m.app.ID))},
	} {
		theirs := in
		if in.Kind == apim.CredentialCertificate {
			theirs.Proof = fake.Signature(t, key, manager.ProofText(app.ID))
		}
		unproved := theirs
		unproved.Proof = "stolen"
		_, err := m.access.CreateKey(ctx, olga, other.ID, app.ID, unproved)
		wantFields(t, err, "proof") // before anybody has it
		first := must[manager.MintedKey](t)(m.credential(in)).Credential
		for _, taken := range []func() (manager.MintedKey, error){
			func() (manager.MintedKey, error) { return m.credential(in) },
			func() (manager.MintedKey, error) { return m.access.CreateKey(ctx, olga, other.ID, app.ID, theirs) },
		} {
			_, err := taken()
			refused(t, err, apim.Conflict)
			if strings.Contains(err.Error(), "till ") || strings.Contains(err.Error(), "Client") || strings.Contains(err.Error(), m.app.Name) {
				t.Errorf("the refusal %q tells whose it is", err)
			}
		}
		_, err = m.access.CreateKey(ctx, olga, other.ID, app.ID, unproved)
		wantFields(t, err, "proof") // and the same after: nobody learns whether somebody has
		elsewhere := theirs
		elsewhere.Environment = "sandbox"
		inSandbox := must[manager.MintedKey](t)(m.access.CreateKey(ctx, olga, other.ID, app.ID, elsewhere)).Credential
		if err := m.store.SecretsUsed(ctx, []apim.SecretUse{{Environment: "sandbox", Hash: first.Secrets[0].Hash, At: m.clock(), Address: "10.9.9.9"}}); err != nil {
			t.Fatal(err)
		}
		for _, c := range must[manager.ApplicationDetail](t)(m.access.Application(ctx, m.consumer, m.client.ID, "till")).Credentials {
			if c.ID == first.ID && !c.Secrets[0].LastUsedAt.IsZero() {
				t.Error("the use of another's in another environment is told")
			}
		}

		// Once it is revoked it is free, and a second revocation leaves what
		// somebody else has registered since.
		if _, _, err := m.access.RevokeKey(ctx, m.consumer, m.client.ID, first.ID); err != nil {
			t.Fatal(err)
		}
		next := must[manager.MintedKey](t)(m.access.CreateKey(ctx, olga, other.ID, app.ID, theirs)).Credential
		if _, _, err := m.access.RevokeKey(ctx, m.consumer, m.client.ID, first.ID); err != nil {
			t.Fatal(err)
		}
		if _, _, err := m.access.UpdateApplication(ctx, m.consumer, m.client.ID, m.app.ID, manager.ApplicationInput{Name: new("Till " + string(in.Kind))}); err != nil {
			t.Fatal(err)
		}
		if g := m.granted("production", next, 0); g.Application != app.ID.UUID() {
			t.Errorf("%s: nodes get %+v, want the new owner's", in.Kind, g)
		}
		if g := m.granted("sandbox", inSandbox, 0); g.Application != app.ID.UUID() {
			t.Errorf("%s: in the sandbox nodes get %+v", in.Kind, g)
		}
	}
}

func TestCertificatesOfEveryKindOfKeyAreProved(t *testing.T) {
	m := newMarket(t, postgres.File)
	_, pure, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{
		"ECDSA": fake.NewKey(t), "RSA": must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048)), "Ed25519": pure,
	} {
		in := manager.NewKey{Kind: apim.CredentialCertificate, Certificate: fake.NewAuthority(t, "Clients").IssueWith(t, key, func(*x509.Certificate) {}).Chain}
		in.Proof = fake.Signature(t, key, manager.ProofText("app_other"))
		_, err := m.credential(in)
		wantFields(t, err, "proof")
		in.Proof = fake.Signature(t, key, manager.ProofText(m.app.ID)+"\n")
		if _, err := m.credential(in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsShownIsRefusedByTheKindsThatTakeIt(t *testing.T) {
	m := newMarket(t, postgres.File)
	for _, kind := range []apim.CredentialKind{apim.CredentialKey, apim.CredentialBasic, apim.CredentialSignature} {
		_, err := m.credential(manager.NewKey{Kind: kind, Proof: "eyJ"})
		wantFields(t, err, "proof")
		for _, taken := range []apim.CredentialKind{apim.CredentialJWT, apim.CredentialCertificate} {
			if !strings.Contains(err.Error(), string(taken)) {
				t.Errorf("%s with a proof: got %v, want %s named, which takes one", kind, err, taken)
			}
		}
	}
}

// askedProver counts how often issuers are asked.
type askedProver struct {
	fake.Prover
	asked *atomic.Int32
}

func (p askedProver) Prove(ctx context.Context, tenant apim.ID, issuer, subject, token string) error {
	p.asked.Add(1)
	return p.Prover.Prove(ctx, tenant, issuer, subject, token)
}

func TestIssuersAreAskedOnlyForWhoCanRegister(t *testing.T) {
	postgres.Both(t, testIssuersAreAskedOnlyForWhoCanRegister)
}

func testIssuersAreAskedOnlyForWhoCanRegister(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	var asked atomic.Int32
	m.access.Prover = askedProver{asked: &asked}
	register := func(actor apim.Actor, application apim.ID, environment string) error {
		_, err := m.access.CreateKey(t.Context(), actor, m.client.ID, application, manager.NewKey{
			Kind: apim.CredentialJWT, Environment: environment, Issuer: "https://issuer.example/", Subject: "till", Proof: fake.Proof("https://issuer.example/", "till"),
		})
		return err
	}
	refused(t, register(m.consumer, "app_none", ""), apim.NotFound)
	refused(t, register(m.provider, m.app.ID, ""), apim.NotFound) // another tenant's person
	wantFields(t, register(m.consumer, m.app.ID, "moon"), "environment")
	for range 50 {
		must[manager.MintedKey](t)(m.credential(manager.NewKey{}))
	}
	refused(t, register(m.consumer, m.app.ID, ""), apim.Conflict)
	if n := asked.Load(); n != 0 {
		t.Errorf("an issuer was asked %d times for who could register nothing", n)
	}
	other := m.application(m.consumer, m.client, "kiosk")
	if err := register(m.consumer, other.ID, ""); err != nil || asked.Load() != 1 {
		t.Errorf("the issuer was asked %d times: %v", asked.Load(), err)
	}
}

// An operator's word is proof enough: of an issuer that publishes nothing, and of
// a certificate whose key signs nothing else.
func TestOperatorsVouchForIdentities(t *testing.T) {
	postgres.Both(t, testOperatorsVouchForIdentities)
}

func testOperatorsVouchForIdentities(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	for _, in := range []manager.NewKey{
		{Kind: apim.CredentialJWT, Issuer: "acme", Subject: "till"},
		{Kind: apim.CredentialCertificate, Certificate: strings.ToUpper(strings.Repeat("ab:", 31) + "ab")},
	} {
		_, err := m.credential(in)
		if apim.KindOf(err) != apim.Invalid {
			t.Errorf("%s: a consumer's word: got %v", in.Kind, err)
		}
		must[manager.MintedKey](t)(m.access.CreateKey(t.Context(), system, m.client.ID, m.app.ID, in))
	}
	_, err := m.access.CreateKey(t.Context(), system, m.client.ID, m.app.ID, manager.NewKey{Kind: apim.CredentialJWT, Issuer: "acme", Subject: "other", Proof: "bad"})
	wantFields(t, err, "proof") // what is shown is looked at
}

func TestRegistrationsOfTokensAreRenewed(t *testing.T) {
	postgres.Both(t, testRegistrationsOfTokensAreRenewed)
}

func testRegistrationsOfTokensAreRenewed(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	in := manager.NewKey{Kind: apim.CredentialJWT, Issuer: "i", Subject: "s", Proof: fake.Proof("i", "s"), ExpiresAt: m.clock().Add(time.Hour)}
	first := must[manager.MintedKey](t)(m.credential(in)).Credential
	for _, ends := range []time.Time{m.clock().Add(48 * time.Hour).Truncate(time.Second), {}} {
		c := changedKey(t)(m.access.RenewKey(ctx, m.consumer, m.client.ID, first.ID, ends))
		if len(c.Secrets) != 1 || !c.Secrets[0].ExpiresAt.Equal(ends) || c.Secrets[0].Hash != first.Secrets[0].Hash {
			t.Errorf("got %+v, want the end at %v", c, ends)
		}
		want := int64(0)
		if !ends.IsZero() {
			want = ends.Unix()
		}
		if g := m.granted("production", c, 0); g.ExpiresAt != want {
			t.Errorf("nodes get %+v, want the end at %d", g, want)
		}
	}
	_, _, err := m.access.RenewKey(ctx, m.consumer, m.client.ID, first.ID, m.clock().Add(-time.Hour))
	wantFields(t, err, "expires_at")
	key := must[manager.MintedKey](t)(m.credential(manager.NewKey{})).Credential
	_, _, err = m.access.RenewKey(ctx, m.consumer, m.client.ID, key.ID, m.clock().Add(time.Hour))
	refused(t, err, apim.Conflict)

	m.bound(m.offer.automatic, 48*time.Hour)
	m.request(m.consumer, m.client, m.app, m.offer.automatic)
	_, _, err = m.access.RenewKey(ctx, m.consumer, m.client.ID, first.ID, m.clock().Add(72*time.Hour))
	wantFields(t, err, "expires_at")
	c := changedKey(t)(m.access.RenewKey(ctx, m.consumer, m.client.ID, first.ID, time.Time{}))
	if left := c.Secrets[0].ExpiresAt.Sub(m.clock()); left > 48*time.Hour || left < 47*time.Hour {
		t.Errorf("without a time it ends in %v, want as late as the plan allows", left)
	}
}

func TestCredentialsRotateByTheirKind(t *testing.T) {
	postgres.Both(t, testCredentialsRotateByTheirKind)
}

func testCredentialsRotateByTheirKind(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	m.active()
	ctx := t.Context()
	for _, kind := range []apim.CredentialKind{apim.CredentialBasic, apim.CredentialSignature} {
		first := must[manager.MintedKey](t)(m.credential(manager.NewKey{Kind: kind}))
		next := must[manager.MintedKey](t)(m.access.RotateKey(ctx, m.consumer, m.client.ID, first.Credential.ID, time.Hour))
		c := next.Credential
		if len(c.Secrets) != 2 || next.Key == first.Key || next.Key == "" || c.Subject != first.Credential.Subject {
			t.Fatalf("%s: got %+v", kind, c)
		}
		for i := range 2 {
			if g := m.granted("production", c, i); len(g.Subscriptions) != 1 || (g.ExpiresAt > 0) != (i == 0) {
				t.Errorf("%s: nodes get %+v", kind, g)
			}
		}
		_, err := m.access.ReplaceCertificate(ctx, m.consumer, m.client.ID, c.ID, "x", "", 0)
		refused(t, err, apim.Conflict)
		changedKey(t)(m.access.EndSecret(ctx, m.consumer, m.client.ID, c.ID, c.Secrets[0].ID))
		if m.granted("production", c, 0).Credential != "" || m.granted("production", c, 1).Credential == "" {
			t.Errorf("%s: the old secret was to end alone", kind)
		}
	}

	ca, ends := fake.NewAuthority(t, "Clients"), m.clock().Add(24*time.Hour).Truncate(time.Second)
	pem, _, proof := client(t, ca, m.app.ID, ends)
	renewed, thumbprint, next := client(t, ca, m.app.ID, ends.Add(24*time.Hour))
	first := must[manager.MintedKey](t)(m.credential(manager.NewKey{Kind: apim.CredentialCertificate, Certificate: pem, Proof: proof})).Credential
	_, err := m.access.RotateKey(ctx, m.consumer, m.client.ID, first.ID, 0)
	refused(t, err, apim.Conflict)
	_, err = m.access.ReplaceCertificate(ctx, m.consumer, m.client.ID, first.ID, "nothing", "", 0)
	wantFields(t, err, "certificate")
	_, err = m.access.ReplaceCertificate(ctx, m.consumer, m.client.ID, first.ID, pem, proof, 0)
	refused(t, err, apim.Conflict) // the same
	_, err = m.access.ReplaceCertificate(ctx, m.consumer, m.client.ID, first.ID, renewed, proof, 0)
	wantFields(t, err, "proof")
	c := must[manager.MintedKey](t)(m.access.ReplaceCertificate(ctx, m.consumer, m.client.ID, first.ID, renewed, next, time.Hour)).Credential
	if len(c.Secrets) != 2 || c.Secrets[1].Hash != hashed(entry.CertificateHash(thumbprint)) || !c.Secrets[1].ExpiresAt.Equal(ends.Add(24*time.Hour)) {
		t.Errorf("got %+v", c)
	}
	for i := range 2 {
		if len(m.granted("production", c, i).Subscriptions) != 1 {
			t.Error("both certificates are to be taken for the grace")
		}
	}
	jwt := must[manager.MintedKey](t)(m.credential(manager.NewKey{Kind: apim.CredentialJWT, Issuer: "i", Subject: "s", Proof: fake.Proof("i", "s")})).Credential
	_, err = m.access.RotateKey(ctx, m.consumer, m.client.ID, jwt.ID, 0)
	refused(t, err, apim.Conflict)
}

func TestPlansBoundTheLifeOfEveryKind(t *testing.T) {
	postgres.Both(t, testPlansBoundTheLifeOfEveryKind)
}

func testPlansBoundTheLifeOfEveryKind(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	m.bound(m.offer.automatic, 48*time.Hour)
	m.request(m.consumer, m.client, m.app, m.offer.automatic)
	pem, _, proof := client(t, fake.NewAuthority(t, "Clients"), m.app.ID, m.clock().Add(90*24*time.Hour))
	for _, in := range []manager.NewKey{
		{Kind: apim.CredentialJWT, Issuer: "i", Subject: "s", Proof: fake.Proof("i", "s")},
		{Kind: apim.CredentialBasic},
		{Kind: apim.CredentialSignature},
	} {
		_, err := m.credential(in)
		wantFields(t, err, "expires_at")
	}
	c := must[manager.MintedKey](t)(m.credential(manager.NewKey{Kind: apim.CredentialCertificate, Certificate: pem, Proof: proof})).Credential
	if left := c.Secrets[0].ExpiresAt.Sub(m.clock()); left > 48*time.Hour || left < 47*time.Hour {
		t.Errorf("the certificate is taken for %v, want what the plan allows", left)
	}
}

// Nodes get what calls are signed with sealed with the environment's key, as it
// is after a node has left; and a portal, which holds no installation key, can
// grant it anew but not make another.
func TestSigningSecretsReachTheNodesSealed(t *testing.T) {
	postgres.Both(t, testSigningSecretsReachTheNodesSealed)
}

func testSigningSecretsReachTheNodesSealed(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx, key := t.Context(), bus.NodeKey{1}
	m.fleet.Users, m.fleet.Commands = signing{}, &told{}
	node := must[manager.Enrolled](t)(m.fleet.Enrol(ctx, coming(t, m.enrolment(""), "gw-1", key))).Node
	minted := must[manager.MintedKey](t)(m.credential(manager.NewKey{Kind: apim.CredentialSignature}))
	opens := func(environmentKey []byte) string {
		box := must[*secret.Box](t)(secret.NewBox([32]byte(environmentKey)))
		sealed := m.granted("production", minted.Credential, 0).Secret
		if sealed == nil {
			t.Fatal("nodes get no secret")
		}
		plain, err := box.Open(must[[]byte](t)(base64.StdEncoding.DecodeString(sealed.Box)), entry.GrantSecretInfo(minted.Credential.ID.UUID()))
		if err != nil {
			return ""
		}
		return string(plain)
	}
	_, old := m.opened(key, node)
	if opens(old) != minted.Key {
		t.Error("the node does not read what was shown")
	}
	gone := must[manager.Enrolled](t)(m.fleet.Enrol(ctx, coming(t, m.enrolment(""), "gw-2", bus.NodeKey{2}))).Node
	if err := m.fleet.RemoveNode(ctx, system, "production", gone.Name); err != nil {
		t.Fatal(err)
	}
	_, renewed := m.opened(key, node)
	if opens(old) != "" || opens(renewed) != minted.Key {
		t.Error("a removed node reads it, or one that stayed does not")
	}

	core := m.core
	core.Box = nil
	portal := &manager.Access{Core: core}
	if _, _, err := portal.UpdateApplication(ctx, m.consumer, m.client.ID, m.app.ID, manager.ApplicationInput{Name: new("Renamed")}); err != nil {
		t.Fatal(err)
	}
	if g := m.granted("production", minted.Credential, 0); g.Name != "Renamed" || opens(renewed) != minted.Key {
		t.Errorf("after a change in a portal nodes get %+v", g)
	}
	_, err := portal.CreateKey(ctx, m.consumer, m.client.ID, m.app.ID, manager.NewKey{Kind: apim.CredentialSignature})
	refused(t, err, apim.Unavailable)
}
