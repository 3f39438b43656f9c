package bus

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"portico/internal/entry"
	"portico/internal/secret"
)

// Operator is the root of trust of a NATS server that several processes share:
// it signs the accounts, and through them every user. Each environment has an
// account of its own. The keys of accounts follow from the operator's seed and
// the account's name, so there is one secret to keep. It is safe for concurrent
// use; make one with NewOperator or ReadOperator.
type Operator struct {
	pair nkeys.KeyPair
	seed []byte // raw, 32 bytes
}

// The accounts beside those of environments.
const (
	systemAccount  = "system"  // of the server: accounts are changed there
	controlAccount = "control" // of managers and portals among one another
)

// environmentAccount names an environment's account.
func environmentAccount(slug string) string { return "environment-" + slug }

// NewOperator makes an operator with a fresh seed.
func NewOperator() (*Operator, error) {
	pair, err := nkeys.CreateOperator()
	if err != nil {
		return nil, fmt.Errorf("make an operator: %w", err)
	}
	return operatorOf(pair)
}

// ReadOperator reads the seed from a file that only its owner may read.
func ReadOperator(path string) (*Operator, error) {
	raw, err := readPrivate(path)
	if err != nil {
		return nil, err
	}
	pair, err := nkeys.FromSeed(bytes.TrimSpace(raw))
	if err != nil {
		return nil, fmt.Errorf("%s does not hold an operator's seed; 'portico nats init' writes one", path)
	}
	return operatorOf(pair)
}

func operatorOf(pair nkeys.KeyPair) (*Operator, error) {
	seed, err := pair.Seed()
	if err != nil {
		return nil, fmt.Errorf("read the operator's seed: %w", err)
	}
	prefix, raw, err := nkeys.DecodeSeed(seed)
	if err != nil || prefix != nkeys.PrefixByteOperator {
		return nil, errors.New("this is a seed, but not an operator's; 'portico nats init' writes one")
	}
	return &Operator{pair: pair, seed: raw}, nil
}

// readPrivate reads a file that nobody else may read.
func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s may be read by others (%#o): chmod 600 it", path, info.Mode().Perm())
	}
	return os.ReadFile(path)
}

// derive returns the key pair of a name.
func (o *Operator) derive(prefix nkeys.PrefixByte, name string) (nkeys.KeyPair, error) {
	raw, err := hkdf.Key(sha256.New, o.seed, nil, "portico "+name, 32)
	if err != nil {
		return nil, err
	}
	return nkeys.FromRawSeed(prefix, raw)
}

// account returns an account's key pair and public key.
func (o *Operator) account(name string) (nkeys.KeyPair, string, error) {
	pair, err := o.derive(nkeys.PrefixByteAccount, "account "+name)
	if err != nil {
		return nil, "", fmt.Errorf("account %s: %w", name, err)
	}
	public, err := pair.PublicKey()
	return pair, public, err
}

// accountJWT is what the server is told of an account: that it exists, and
// whose users it must refuse, or, closed, that it is for nobody any more.
func (o *Operator) accountJWT(name string, revoked []string, closed bool) (string, error) {
	_, public, err := o.account(name)
	if err != nil {
		return "", err
	}
	claims := jwt.NewAccountClaims(public)
	claims.Name = "portico-" + name
	if name != systemAccount {
		claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	}
	if closed {
		claims.Limits.JetStreamLimits = jwt.JetStreamLimits{}
		claims.Limits.Conn = 0
	}
	for _, key := range revoked {
		claims.Revoke(key)
	}
	token, err := claims.Encode(o.pair)
	if err != nil {
		return "", fmt.Errorf("sign account %s: %w", name, err)
	}
	return token, nil
}

// user makes a user of an account. Without permissions it may everything there.
func (o *Operator) user(account, name, publicKey string, may *jwt.Permissions) (string, error) {
	pair, _, err := o.account(account)
	if err != nil {
		return "", err
	}
	claims := jwt.NewUserClaims(publicKey)
	if claims == nil {
		return "", errors.New("the user's public key is missing")
	}
	claims.Name = name
	if may != nil {
		claims.Permissions = *may
	}
	token, err := claims.Encode(pair)
	if err != nil {
		return "", fmt.Errorf("sign user %s: %w", name, err)
	}
	return token, nil
}

// own are the credentials with which a process that has the operator's seed
// enters an account: a user of its own, made on the spot.
func (o *Operator) own(account string) (Credentials, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return Credentials{}, err
	}
	return o.credentials(account, "manager", pair, nil)
}

func (o *Operator) credentials(account, name string, pair nkeys.KeyPair, may *jwt.Permissions) (Credentials, error) {
	public, err := pair.PublicKey()
	if err != nil {
		return Credentials{}, err
	}
	token, err := o.user(account, name, public, may)
	if err != nil {
		return Credentials{}, err
	}
	seed, err := pair.Seed()
	return Credentials{JWT: token, Seed: secret.Text(seed)}, err
}

// NodeUser signs the user of a gateway node: it may read its environment's
// entries, report, and hear commands, and nothing else. The key is the public
// half of the node's own; see NodeKey.
func (o *Operator) NodeUser(environment, node, publicKey string) (string, error) {
	if !nkeys.IsValidPublicUserKey(publicKey) {
		return "", errors.New("the node's public key is no user key")
	}
	return o.user(environmentAccount(environment), "node "+node, publicKey, nodePermissions(environment, node))
}

// NodeInbox is the prefix of a node's own inbox: no other user may listen there.
func NodeInbox(node string) string { return "_INBOX_" + node }

// PortalInbox is the prefix of the portals' inbox.
const PortalInbox = "_INBOX_" + portalUser

func nodePermissions(environment, node string) *jwt.Permissions {
	entries, objects := "KV_"+entry.Bucket(environment), "OBJ_"+entry.Objects(environment)
	var may jwt.Permissions
	for _, stream := range []string{entries, objects} {
		may.Pub.Allow.Add(
			"$JS.API.STREAM.INFO."+stream, "$JS.API.CONSUMER.CREATE."+stream+".>", "$JS.API.CONSUMER.INFO."+stream+".>", "$JS.API.CONSUMER.DELETE."+stream+".>",
			"$JS.API.CONSUMER.MSG.NEXT."+stream+".>", "$JS.API.DIRECT.GET."+stream+".>", "$JS.API.STREAM.MSG.GET."+stream,
			"$JS.FC."+stream+".>",
		)
	}
	may.Pub.Allow.Add(
		entry.StatusSubject(environment, node), entry.SeenSubject(environment, node),
		entry.ExplainSubject(environment, node), entry.TargetsSubject(environment, node), entry.UsageSubject(environment, node),
	)
	may.Sub.Allow.Add(NodeInbox(node)+".>", entry.AckSubject(environment, node), entry.CommandSubject(environment, node), entry.CommandSubject(environment, entry.EveryNode))
	return &may
}

// portalPermissions let a portal wake publishers and ask managers what the
// nodes confirm.
func portalPermissions() *jwt.Permissions {
	var may jwt.Permissions
	may.Pub.Allow.Add(nudges+"*", questions)
	may.Sub.Allow.Add(PortalInbox+".>", membersChanged)
	return &may
}

const portalUser = "portal"

// Names of the files that WriteSetup makes.
const (
	OperatorFile = "operator.seed"
	PortalFile   = "portal.creds"
	ServerFile   = "nats.conf"
)

// WriteSetup makes an operator and writes what an installation with a NATS
// server of its own starts from: the operator's seed for managers, the
// credentials of portals, and the server's configuration, which listens at
// listen and keeps its data in store. It does nothing where the seed is there
// already, and reports whether it made one.
func WriteSetup(dir, listen, store string) (made bool, err error) {
	if _, err := os.Stat(filepath.Join(dir, OperatorFile)); err == nil {
		return false, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	o, err := NewOperator()
	if err != nil {
		return false, err
	}
	seed, err := o.pair.Seed()
	if err != nil {
		return false, err
	}
	conf, err := o.serverConfig(listen, store)
	if err != nil {
		return false, err
	}
	pair, err := o.derive(nkeys.PrefixByteUser, "user "+portalUser)
	if err != nil {
		return false, err
	}
	portal, err := o.credentials(controlAccount, portalUser, pair, portalPermissions())
	if err != nil {
		return false, err
	}
	creds, err := jwt.FormatUserConfig(portal.JWT, []byte(portal.Seed.Reveal()))
	if err != nil {
		return false, err
	}
	for _, f := range []struct {
		name string
		body []byte
		mode os.FileMode
	}{
		{ServerFile, []byte(conf), 0o644},
		{PortalFile, creds, 0o600},
		{OperatorFile, append(seed, '\n'), 0o600}, // last: with it, all is there
	} {
		if err := writeFile(filepath.Join(dir, f.name), f.body, f.mode); err != nil {
			return false, err
		}
	}
	return true, nil
}

// writeFile writes a whole file or none.
func writeFile(path string, body []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // there is none once it was renamed
	_, err = tmp.Write(body)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}

// serverConfig is the configuration of a NATS server that trusts the operator:
// streams, clients, and nothing else.
func (o *Operator) serverConfig(listen, store string) (string, error) {
	public, err := o.pair.PublicKey()
	if err != nil {
		return "", err
	}
	_, system, err := o.account(systemAccount)
	if err != nil {
		return "", err
	}
	claims := jwt.NewOperatorClaims(public)
	claims.Name, claims.SystemAccount = "portico", system
	signed, err := claims.Encode(o.pair)
	if err != nil {
		return "", fmt.Errorf("sign the operator: %w", err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# A NATS server for Portico, 2.12.6 or newer. Written by 'portico nats init'.\n")
	fmt.Fprintf(&b, "server_name: portico\nlisten: %q\nmax_payload: %d\n", listen, maxPayload)
	fmt.Fprintf(&b, "jetstream { store_dir: %q }\n", filepath.Join(store, "jetstream"))
	fmt.Fprintf(&b, "operator: %s\nsystem_account: %s\n", signed, system)
	fmt.Fprintf(&b, "resolver { type: full, dir: %q, allow_delete: false }\n", filepath.Join(store, "accounts"))
	b.WriteString("resolver_preload {\n")
	for _, name := range []string{systemAccount, controlAccount} {
		_, key, err := o.account(name)
		if err != nil {
			return "", err
		}
		token, err := o.accountJWT(name, nil, false)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "  %s: %s\n", key, token)
	}
	b.WriteString("}\n")
	return b.String(), nil
}
