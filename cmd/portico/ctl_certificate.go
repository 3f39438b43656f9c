package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

type ctlCertificates struct {
	List    ctlCertificateList    `cmd:"" default:"withargs" help:"List certificates, those that expire first before others."`
	Show    ctlCertificateShow    `cmd:"" help:"Show a certificate."`
	Add     ctlCertificateAdd     `cmd:"" help:"Add a certificate with its private key."`
	Replace ctlCertificateReplace `cmd:"" help:"Put another certificate in the place of one, such as its renewal."`
	Set     ctlCertificateSet     `cmd:"" help:"Change what a certificate is used for."`
	Remove  ctlCertificateRemove  `cmd:"" help:"Take a certificate out of use."`
}

type certificateAnswer struct {
	ID, Environment, Subject, Issuer, State, Fingerprint string
	Hosts                                                []string
	Default                                              bool
	KeyType                                              string    `json:"key_type"`
	NotBefore                                            time.Time `json:"not_before"`
	NotAfter                                             time.Time `json:"not_after"`
	Clients                                              struct{ Mode string }
}

func (c certificateAnswer) row() []string {
	name := few(c.Hosts)
	if c.Default {
		name += " (default)"
	}
	return []string{name, c.Environment, c.Issuer, when(c.NotAfter), c.State, c.Clients.Mode, c.ID}
}

type ctlCertificateList struct {
	ctlFlags
	Environment string `help:"Only of this environment."`
}

// Run prints certificates.
func (c *ctlCertificateList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	items, err := s.certificates(ctx, c.Environment)
	if err != nil {
		return err
	}
	return printItems(s, items, []string{"HOSTS", "ENVIRONMENT", "ISSUER", "ENDS", "STATE", "CLIENTS", "ID"}, certificateAnswer.row)
}

// certificates returns those of one environment, or of all for "".
func (s *session) certificates(ctx context.Context, environment string) ([]json.RawMessage, error) {
	places, err := s.environments(ctx)
	if err != nil {
		return nil, err
	}
	if environment != "" {
		one, err := s.environment(ctx, environment)
		if err != nil {
			return nil, err
		}
		places = []environmentAnswer{one}
	}
	items := []json.RawMessage{}
	for _, e := range places {
		some, err := s.all(ctx, escaped("/environments/%s/certificates", e.Slug), nil)
		if err != nil {
			return nil, err
		}
		items = append(items, some...)
	}
	return items, nil
}

// certificate finds a certificate by id or by a host.
func (s *session) certificate(ctx context.Context, called string) (certificateAnswer, error) {
	items, err := s.certificates(ctx, "")
	if err != nil {
		return certificateAnswer{}, err
	}
	var found []certificateAnswer
	for _, raw := range items {
		var c certificateAnswer
		if err := json.Unmarshal(raw, &c); err != nil {
			return c, fmt.Errorf("read certificate: %w", err)
		}
		if c.ID == called {
			return c, nil
		}
		for _, host := range c.Hosts {
			if strings.EqualFold(host, called) {
				found = append(found, c)
			}
		}
	}
	switch len(found) {
	case 0:
		return certificateAnswer{}, s.unknown("there is no certificate %q; 'portico certificates' lists them", called)
	case 1:
		return found[0], nil
	}
	return certificateAnswer{}, usagef("%d certificates are for %s, in several environments; say which by its id", len(found), called)
}

type ctlCertificateShow struct {
	ctlFlags
	Certificate string `arg:"" help:"Id (cert_…), or one of its hosts."`
}

// Run prints a certificate.
func (c *ctlCertificateShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	one, err := s.certificate(ctx, c.Certificate)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodGet, escaped("/environments/%s/certificates/%s", one.Environment, one.ID), nil, nil, &one)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("Certificate %s of %s, %s.", one.ID, one.Environment, one.State)
	return s.table([][]string{
		{"FIELD", "VALUE"},
		{"Hosts", strings.Join(one.Hosts, ", ")},
		{"Default", yes(one.Default)},
		{"Subject", one.Subject},
		{"Issuer", one.Issuer},
		{"Key", one.KeyType},
		{"Good from", when(one.NotBefore)},
		{"Good until", when(one.NotAfter)},
		{"SHA-256", one.Fingerprint},
		{"Client certificates", one.Clients.Mode},
	})
}

// ctlCertificateUse says what a certificate is used for.
type ctlCertificateUse struct {
	Host        []string `placeholder:"HOST" help:"A host that it is used for, *.example.com for one label more. Give it again for more. Default: all that it names."`
	Default     *bool    `negatable:"" help:"Show it also for names that no certificate is for."`
	Clients     string   `enum:",off,optional,required" default:"" help:"Whether clients show a certificate: off, optional or required."`
	ClientRoots string   `type:"existingfile" placeholder:"FILE" help:"PEM file with the authorities that sign clients' certificates."`
}

func (c ctlCertificateUse) body(into map[string]any) error {
	if len(c.Host) > 0 {
		into["hosts"] = c.Host
	}
	put(into, "default", c.Default)
	if c.Clients == "" {
		if c.ClientRoots != "" {
			return usagef("--client-roots means nothing without --clients optional or required")
		}
		return nil
	}
	clients := map[string]any{"mode": c.Clients}
	if c.ClientRoots != "" {
		roots, err := os.ReadFile(c.ClientRoots)
		if err != nil {
			return fmt.Errorf("client-roots: %w", err)
		}
		clients["roots"] = string(roots)
	}
	into["clients"] = clients
	return nil
}

type ctlCertificateAdd struct {
	ctlFlags
	ctlWait
	ctlCertificateUse
	Chain       string `required:"" type:"existingfile" placeholder:"FILE" help:"PEM file: the certificate, then the one that signed it, and so on (fullchain.pem)."`
	Key         string `required:"" type:"existingfile" placeholder:"FILE" help:"PEM file with its private key (privkey.pem)."`
	Environment string `default:"production" help:"Where it is used."`
}

// Run adds a certificate.
func (c *ctlCertificateAdd) Run(ctx context.Context, io *ctlIO) error {
	body, err := pairOf(c.Chain, c.Key)
	if err != nil {
		return err
	}
	if err := c.body(body); err != nil {
		return err
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	e, err := s.environment(ctx, c.Environment)
	if err != nil {
		return err
	}
	var made certificateAnswer
	answer, err := s.call(ctx, http.MethodPost, escaped("/environments/%s/certificates", e.Slug), c.query(), body, &made)
	if err != nil {
		return err
	}
	return s.done(answer, "Added certificate %s for %s to %s. It ends %s.", made.ID, few(made.Hosts), e.Slug, when(made.NotAfter))
}

// pairOf reads a chain and, where one is named, its key.
func pairOf(chain, key string) (map[string]any, error) {
	body := map[string]any{}
	text, err := os.ReadFile(chain)
	if err != nil {
		return nil, fmt.Errorf("chain: %w", err)
	}
	body["chain"] = string(text)
	if key != "" {
		if text, err = os.ReadFile(key); err != nil {
			return nil, fmt.Errorf("key: %w", err)
		}
		body["private_key"] = string(text)
	}
	return body, nil
}

type ctlCertificateReplace struct {
	ctlFlags
	ctlWait
	ctlCertificateUse
	Certificate string `arg:"" help:"Id (cert_…), or one of its hosts."`
	Chain       string `required:"" type:"existingfile" placeholder:"FILE" help:"PEM file: the certificate, then the one that signed it, and so on."`
	Key         string `type:"existingfile" placeholder:"FILE" help:"PEM file with its private key. Default: the key of before."`
}

// Run replaces a certificate.
func (c *ctlCertificateReplace) Run(ctx context.Context, io *ctlIO) error {
	body, err := pairOf(c.Chain, c.Key)
	if err != nil {
		return err
	}
	return changeCertificate(ctx, io, c.ctlFlags, c.ctlWait, c.ctlCertificateUse, c.Certificate, body)
}

type ctlCertificateSet struct {
	ctlFlags
	ctlWait
	ctlCertificateUse
	Certificate string `arg:"" help:"Id (cert_…), or one of its hosts."`
}

// Run changes what a certificate is used for.
func (c *ctlCertificateSet) Run(ctx context.Context, io *ctlIO) error {
	return changeCertificate(ctx, io, c.ctlFlags, c.ctlWait, c.ctlCertificateUse, c.Certificate, map[string]any{})
}

func changeCertificate(ctx context.Context, io *ctlIO, flags ctlFlags, wait ctlWait, use ctlCertificateUse, called string, body map[string]any) error {
	if err := use.body(body); err != nil {
		return err
	}
	if len(body) == 0 {
		return usagef("nothing to change; give --host, --default or --clients")
	}
	s, err := flags.open(io)
	if err != nil {
		return err
	}
	one, err := s.certificate(ctx, called)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPatch, escaped("/environments/%s/certificates/%s", one.Environment, one.ID), wait.query(), body, &one)
	if err != nil {
		return err
	}
	return s.done(answer, "Changed certificate %s of %s. It ends %s.", one.ID, one.Environment, when(one.NotAfter))
}

type ctlCertificateRemove struct {
	ctlFlags
	Certificate string `arg:"" help:"Id (cert_…), or one of its hosts."`
	Yes         bool   `help:"Do not ask first."`
}

// Run removes a certificate.
func (c *ctlCertificateRemove) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	one, err := s.certificate(ctx, c.Certificate)
	if err != nil {
		return err
	}
	if err := s.confirm(c.Yes, "Remove the certificate for %s from %s? Clients that ask for it are refused.", few(one.Hosts), one.Environment); err != nil {
		return err
	}
	if _, err := s.call(ctx, http.MethodDelete, escaped("/environments/%s/certificates/%s", one.Environment, one.ID), nil, nil, nil); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.Out, map[string]string{"certificate": one.ID})
	}
	s.say("Certificate %s is removed from %s.", one.ID, one.Environment)
	return nil
}
