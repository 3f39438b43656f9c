package gateway

import (
	"encoding/base64"
	"fmt"

	"portico/gateway/upstream"
	"portico/internal/entry"
	"portico/internal/entry/check"
	"portico/internal/secret"
)

// keys is the environment's key, with which secrets inside entries are opened.
type keys struct {
	at     entry.Position
	number uint64
	box    *secret.Box // nil: nothing was sealed for this node
}

// applyKeys opens the environment's key, where it was sealed for this node. mu
// is held.
func (n *Node) applyKeys(it entry.Item) error {
	if it.Ended {
		return fmt.Errorf("an environment's key is replaced, not ended")
	}
	body, wrong := check.Decode[entry.Keys](it)
	if len(wrong) > 0 {
		return problemsError(wrong)
	}
	next := keys{at: it.Position, number: body.Number}
	sealed, meant := body.Sealed[n.config.Node]
	if meant && n.config.Box != nil {
		raw, err := secret.OpenFor(n.config.Box, sealed, entry.KeyInfo(n.config.Environment, body.Number))
		if err != nil || len(raw) != 32 {
			return fmt.Errorf("the environment's key was not sealed for this node's key")
		}
		if next.box, err = secret.NewBox([32]byte(raw)); err != nil {
			return err
		}
		signs, err := secret.Derive([32]byte(raw), entry.ExplainKeyUse)
		if err != nil {
			return err
		}
		n.ways.key.Store(&signs)
		if err := n.tools.Identity.Use([32]byte(raw)); err != nil {
			return err
		}
	} else {
		n.ways.key.Store(nil)
		n.tools.Identity.Forget()
	}
	n.keys = next
	return nil
}

// unseal opens a secret of an entry. mu is held.
func (n *Node) unseal(sealed entry.Sealed, info string) ([]byte, error) {
	if n.keys.box == nil || n.keys.number != sealed.Key {
		return nil, fmt.Errorf("is sealed with the environment's key %d, which this node does not have", sealed.Key)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed.Box)
	if err != nil {
		return nil, err
	}
	return n.keys.box.Open(raw, info)
}

// openGrant opens the secret that the holder of a grant signs calls with. mu is
// held.
func (n *Node) openGrant(grant entry.Grant) ([]byte, error) {
	plain, err := n.unseal(*grant.Secret, entry.GrantSecretInfo(grant.Credential))
	if err != nil {
		return nil, fmt.Errorf("the secret of the credential: %w", err)
	}
	if len(plain) < entry.MinSignatureSecretBytes {
		return nil, fmt.Errorf("the secret of the credential has %d bytes, want at least %d", len(plain), entry.MinSignatureSecretBytes)
	}
	return plain, nil
}

// openSecrets opens what is sealed of an API's policies, for the steps that are
// compiled of them. mu is held.
func (n *Node) openSecrets(api entry.API) error {
	if err := n.openPolicies(api.Version, "", api.Policies); err != nil {
		return err
	}
	for _, route := range api.Routes {
		if err := n.openPolicies(api.Version, route.Operation, route.Policies); err != nil {
			return fmt.Errorf("at %s: %w", route.Operation, err)
		}
	}
	return nil
}

func (n *Node) openPolicies(version, operation string, list []entry.Policy) error {
	for i, p := range list {
		for _, s := range entry.Secrets(p.Config) {
			if s.IsZero() {
				continue
			}
			if s.Sealed == nil {
				return fmt.Errorf("the secret %s of %s is not sealed", s.Field, p.Kind())
			}
			plain, err := n.unseal(*s.Sealed, entry.PolicySecretInfo(version, operation, i, p.Kind(), s.Field))
			if err != nil {
				return fmt.Errorf("the secret %s of %s: %w", s.Field, p.Kind(), err)
			}
			s.Opened = string(plain)
		}
	}
	return nil
}

// openHeaders puts what is sealed of an API's upstreams in clear. mu is
// held.
func (n *Node) openHeaders(api entry.API) error {
	for _, up := range api.Upstreams {
		if t := up.TLS; t != nil && t.Key != nil {
			key, err := n.unseal(*t.Key, entry.UpstreamKeyInfo(api.Version, up.Name))
			if err != nil {
				return fmt.Errorf("the certificate's key for %s: %w", up.Name, err)
			}
			t.Opened = key
		}
		if _, err := upstream.TLSConfig(up); err != nil {
			return fmt.Errorf("TLS to %s: %w", up.Name, err)
		}
		if up.TLS != nil && up.TLS.Unverified {
			n.config.Log.Warn("anybody may answer for an upstream: its certificate is not verified", "api", api.Name, "upstream", up.Name)
		}
		for i, h := range up.Headers {
			if h.Sealed == nil {
				continue
			}
			plain, err := n.unseal(*h.Sealed, entry.HeaderInfo(api.Version, up.Name, h.Name))
			if err != nil {
				return fmt.Errorf("the header %s to %s: %w", h.Name, up.Name, err)
			}
			up.Headers[i] = entry.UpstreamHeader{Name: h.Name, Value: string(plain)}
		}
	}
	return nil
}
