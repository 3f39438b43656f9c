package policy

import (
	"slices"
	"strings"
)

// detach returns an exchange for the same call without its body, that outlives
// the one it was made from: nothing of it is the connection's.
func (ex *Exchange) detach() *Exchange {
	out := &Exchange{
		Method: strings.Clone(ex.Method), Target: strings.Clone(ex.Target), Authority: strings.Clone(ex.Authority), Host: strings.Clone(ex.Host),
		Proto: ex.Proto, Secure: ex.Secure, TLS: ex.TLS, Peer: ex.Peer,
		Now: ex.Now, Mono: ex.Mono, Client: ex.Client, Trusted: ex.Trusted, ClientCertificate: ex.ClientCertificate,
		RequestID: strings.Clone(ex.RequestID), Issuer: strings.Clone(ex.Issuer), MaxBodyBytes: ex.MaxBodyBytes,
		Path: Path{Decoded: strings.Clone(ex.Path.Decoded), Wire: strings.Clone(ex.Path.Wire)}, Query: strings.Clone(ex.Query),
		Scope: ex.Scope, Caller: ex.Caller, UpstreamPath: strings.Clone(ex.UpstreamPath), Destination: ex.Destination,
		Shared: ex.Shared, Shard: ex.Shard, chain: ex.chain, proofs: slices.Clone(ex.proofs),
	}
	for _, f := range ex.Header.Fields() {
		out.Header.Add(strings.Clone(f.Name), strings.Clone(f.Value))
	}
	out.Params.Begin(ex.Params.names)
	out.Params.values = slices.Clone(ex.Params.values)
	for i, v := range out.Params.values {
		out.Params.values[i] = strings.Clone(v)
	}
	return out
}
