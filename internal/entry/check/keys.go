package check

import (
	"encoding/base64"

	"portico/internal/entry"
)

// maxNodes bounds how many nodes an environment's key is sealed for.
const maxNodes = 10_000

// Keys checks the environment's key as it is sealed for its nodes.
func Keys(k entry.Keys) []Problem {
	p := problems{key: entry.KeysKey}
	if k.Number < 1 {
		p.add("number", "want 1 or more, got %d", k.Number)
	}
	if len(k.Sealed) > maxNodes {
		p.add("sealed", "want at most %d, got %d", maxNodes, len(k.Sealed))
	}
	for node, box := range k.Sealed {
		p.uuid("sealed", node)
		if _, err := base64.StdEncoding.DecodeString(box); err != nil {
			p.add("sealed."+node, "is not base64")
		}
	}
	return p.list
}
