package main

import (
	"fmt"
	"os"
	"strings"
)

// ctlUpstreamTLS says how https addresses of a backend are spoken to. What is
// left out stays.
type ctlUpstreamTLS struct {
	UpstreamServerName  *string `placeholder:"NAME" help:"That the backend's certificate is for; empty is its address's host."`
	UpstreamRoots       *string `placeholder:"FILE" help:"PEM file, or $${NAME}, with the authorities that sign the backend's certificate; empty are the system's."`
	UpstreamCertificate *string `placeholder:"FILE" help:"PEM file, or $${NAME}, with the certificate that the gateway shows the backend; empty is none."`
	UpstreamKey         *string `placeholder:"$${NAME}" help:"Its private key: a secret value of the environment. Set one with: portico values set --secret NAME < key.pem"`
	UpstreamUnverified  *bool   `negatable:"" help:"Take any certificate of the backend, where the environment allows that: anybody may then answer for it."`
}

func (c ctlUpstreamTLS) changes() bool {
	return c.UpstreamServerName != nil || c.UpstreamRoots != nil || c.UpstreamCertificate != nil || c.UpstreamKey != nil || c.UpstreamUnverified != nil
}

// merge adds what was given to what is set.
func (c ctlUpstreamTLS) merge(now map[string]any) (map[string]any, error) {
	out := map[string]any{}
	for name, value := range now {
		out[name] = value
	}
	put(out, "server_name", c.UpstreamServerName)
	put(out, "key", c.UpstreamKey)
	put(out, "unverified", c.UpstreamUnverified)
	for name, from := range map[string]*string{"roots": c.UpstreamRoots, "certificate": c.UpstreamCertificate} {
		if from == nil {
			continue
		}
		if *from == "" || strings.HasPrefix(*from, "${") {
			out[name] = *from
			continue
		}
		text, err := os.ReadFile(*from)
		if err != nil {
			return nil, fmt.Errorf("upstream-%s: %w", name, err)
		}
		out[name] = string(text)
	}
	return out, nil
}
