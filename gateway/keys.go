package gateway

import (
	"encoding/base64"
	"fmt"

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
	} else {
		n.ways.key.Store(nil)
	}
	n.keys = next
	return nil
}

// openHeaders puts the sealed headers of an API's upstreams in clear. mu is
// held.
func (n *Node) openHeaders(api entry.API) error {
	for _, up := range api.Upstreams {
		for i, h := range up.Headers {
			if h.Sealed == nil {
				continue
			}
			if n.keys.box == nil || n.keys.number != h.Sealed.Key {
				return fmt.Errorf("the header %s to %s is sealed with the environment's key %d, which this node does not have", h.Name, up.Name, h.Sealed.Key)
			}
			raw, err := base64.StdEncoding.DecodeString(h.Sealed.Box)
			if err != nil {
				return err
			}
			plain, err := n.keys.box.Open(raw, entry.HeaderInfo(api.Version, up.Name, h.Name))
			if err != nil {
				return fmt.Errorf("the header %s to %s: %w", h.Name, up.Name, err)
			}
			up.Headers[i] = entry.UpstreamHeader{Name: h.Name, Value: string(plain)}
		}
	}
	return nil
}
