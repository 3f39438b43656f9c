package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"portico/internal/apim"
)

type ctlKeys struct {
	List      ctlKeyList      `cmd:"" help:"List an application's keys."`
	Create    ctlKeyCreate    `cmd:"" help:"Make a key, or another credential. Its secret is shown this once."`
	Rotate    ctlKeyRotate    `cmd:"" help:"Give a key a new secret, which is shown this once; the old one works on for a while."`
	EndSecret ctlKeyEndSecret `cmd:"" help:"End the older secret of a rotated key now."`
	Set       ctlKeySet       `cmd:"" help:"Change a key's name, or from where it may be used."`
	Revoke    ctlKeyRevoke    `cmd:"" help:"Revoke a key for good."`
}

type keyAnswer struct {
	ID, Name, Environment, Key string
	Kind, Issuer, User         string
	Addresses, Referrers       []string
	CreatedAt                  time.Time `json:"created_at"`
	RevokedAt                  time.Time `json:"revoked_at"`
	Secrets                    []keySecretAnswer
}

type keySecretAnswer struct {
	ID, Prefix string
	LastFour   string    `json:"last_four"`
	CreatedAt  time.Time `json:"created_at"`
	ExpiresAt  time.Time `json:"expires_at"`
	LastUsed   time.Time `json:"last_used_at"`
}

func (k keyAnswer) row() []string {
	var texts, expires []string
	var used time.Time
	for _, s := range k.Secrets {
		switch k.Kind {
		case "basic":
			texts = append(texts, k.User+" …"+s.LastFour)
		case "jwt":
			texts = append(texts, s.Prefix+" of "+k.Issuer)
		case "signature":
			texts = append(texts, s.Prefix)
		case "certificate":
			texts = append(texts, s.Prefix[:min(16, len(s.Prefix))]+"…")
		default:
			texts = append(texts, s.Prefix+"…"+s.LastFour)
		}
		if !s.ExpiresAt.IsZero() {
			expires = append(expires, apim.Secret{Prefix: s.Prefix[:min(16, len(s.Prefix))], LastFour: s.LastFour}.Text()+" "+when(s.ExpiresAt))
		}
		if s.LastUsed.After(used) {
			used = s.LastUsed
		}
	}
	if len(expires) == 1 && len(k.Secrets) == 1 {
		expires[0] = when(k.Secrets[0].ExpiresAt)
	}
	state := "works"
	if !k.RevokedAt.IsZero() {
		state = "revoked " + when(k.RevokedAt)
	}
	return []string{
		k.Name, k.Environment, k.Kind, strings.Join(texts, ", "), state, strings.Join(expires, ", "), when(used),
		strings.Join(slices.Concat(k.Addresses, k.Referrers), ", "), k.ID,
	}
}

func keyHeading() []string {
	return []string{"NAME", "ENVIRONMENT", "KIND", "KEY", "STATE", "EXPIRES", "LAST USED", "ONLY FROM", "ID"}
}

// key finds a key by its id, or as APPLICATION/NAME.
func (s *session) key(ctx context.Context, called string) (string, error) {
	if _, err := apim.ParseID(apim.PrefixCredential, called); err == nil {
		return called, nil
	}
	app, name, ok := strings.Cut(called, "/")
	if !ok || app == "" || name == "" {
		return "", usagef("%q is neither the id of a key (cred_…) nor APPLICATION/NAME; 'portico keys list APPLICATION' lists them", called)
	}
	keys, err := s.keysOf(ctx, app)
	if err != nil {
		return "", err
	}
	// A revoked key is not meant where one of that name works.
	var works, revoked []string
	names := []string{}
	for _, raw := range keys {
		var k keyAnswer
		if err := json.Unmarshal(raw, &k); err != nil {
			return "", fmt.Errorf("read key: %w", err)
		}
		switch {
		case !strings.EqualFold(k.Name, name):
			names = append(names, k.Name)
		case k.RevokedAt.IsZero():
			works = append(works, k.ID)
		default:
			revoked = append(revoked, k.ID)
		}
	}
	fits := works
	if len(fits) == 0 {
		fits = revoked
	}
	switch len(fits) {
	case 0:
		return "", s.unknown("application %s has no key %q; it has %s", app, name, few(names))
	case 1:
		return fits[0], nil
	}
	return "", usagef("%d keys of %s are called %q; say which by its id: %s", len(fits), app, name, strings.Join(fits, ", "))
}

// keysOf returns an application's keys, raw.
func (s *session) keysOf(ctx context.Context, app string) ([]json.RawMessage, error) {
	path, err := s.at(ctx, anApplication(), app)
	if err != nil {
		return nil, err
	}
	var all struct{ Items []json.RawMessage }
	err = s.get(ctx, path+"/credentials", nil, &all)
	return all.Items, err
}

type ctlKeyList struct {
	ctlFlags
	App string `arg:"" name:"application" help:"Slug, id or name of the application."`
}

// Run prints an application's keys.
func (c *ctlKeyList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	keys, err := s.keysOf(ctx, c.App)
	if err != nil {
		return err
	}
	return printItems(s, keys, keyHeading(), keyAnswer.row)
}

// ctlNewSecret is where a key goes that is shown once.
type ctlNewSecret struct {
	Quiet bool   `short:"q" help:"Print the key alone."`
	Out   string `placeholder:"FILE" help:"Write the key to this file (0600) and not to the terminal."`
}

// print prints the key, alone on its line.
func (c ctlNewSecret) print(s *session, answer []byte, k keyAnswer, format string, args ...any) error {
	if c.Out != "" {
		return os.WriteFile(c.Out, []byte(k.Key+"\n"), 0o600)
	}
	if c.Quiet {
		fmt.Fprintln(s.io.Out, k.Key)
		return nil
	}
	return s.done(answer, "%s\n"+format, append([]any{k.Key}, args...)...)
}

// check refuses what cannot be printed both ways.
func (c ctlNewSecret) check(f ctlFlags) error {
	if c.Quiet && f.JSON {
		return usagef("--quiet and --json do not go together")
	}
	return nil
}

// ctlRestrictions are from where a key may be used.
type ctlRestrictions struct {
	Address  []string `placeholder:"NETWORK" help:"Only from this address or network, like 203.0.113.0/24. Give it again for more."`
	Referrer []string `placeholder:"HOST" help:"Only from pages of this host, *.example.com for all below. Give it again for more."`
}

type ctlKeyCreate struct {
	ctlFlags
	ctlWait
	ctlNewSecret
	ctlRestrictions
	App         string `arg:"" name:"application" help:"Slug, id or name of the application."`
	Name        string `arg:"" optional:"" default:"Command line" help:"What it is for."`
	Kind        string `enum:"key,basic,signature,jwt,certificate" default:"key" help:"key, basic (user name and password), signature (calls are signed), jwt (an issuer's tokens) or certificate."`
	User        string `help:"With --kind basic: the user name. Default: one is made."`
	Issuer      string `help:"With --kind jwt: who issues the tokens, exactly as in their claim iss."`
	Subject     string `help:"With --kind jwt: what the claim says that names the application."`
	Certificate string `placeholder:"FILE" help:"With --kind certificate: the client certificate in PEM, or the SHA-256 of it in hex."`
	Proof       string `placeholder:"FILE" help:"With --kind jwt: a file with a token that the issuer gave to this client for itself. With --kind certificate: one with the signature, by the certificate's key, that proves it is yours."`
	Environment string `help:"Environment. Default: the first."`
	Expires     moment `placeholder:"DAY" help:"When it no longer works: a day like 2027-06-30, or a time like 2027-06-30T12:00:00Z."`
}

// Run makes a key and prints it.
func (c *ctlKeyCreate) Run(ctx context.Context, io *ctlIO) error {
	if err := c.check(c.ctlFlags); err != nil {
		return err
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.at(ctx, anApplication(), c.App)
	if err != nil {
		return err
	}
	body := map[string]any{"name": c.Name, "kind": c.Kind}
	for field, text := range map[string]string{"user": c.User, "issuer": c.Issuer, "subject": c.Subject} {
		if text != "" {
			body[field] = text
		}
	}
	if err := putCertificate(body, c.Certificate); err != nil {
		return err
	}
	if err := putFile(body, "proof", c.Proof); err != nil {
		return err
	}
	if c.Environment != "" {
		e, err := s.environment(ctx, c.Environment)
		if err != nil {
			return err
		}
		body["environment"] = e.Slug
	}
	putTime(body, "expires_at", c.Expires)
	if len(c.Address) > 0 {
		body["addresses"] = c.Address
	}
	if len(c.Referrer) > 0 {
		body["referrers"] = c.Referrer
	}
	var k keyAnswer
	answer, err := s.call(ctx, http.MethodPost, path+"/credentials", c.query(), body, &k)
	if err != nil {
		return err
	}
	switch k.Kind {
	case "jwt", "certificate":
		return s.done(answer, "Registered %s; its id is %s.", k.Name, k.ID)
	case "basic":
		return c.print(s, answer, k, "It is the password of %s. Keep it: it is not shown again. Its id is %s.", k.User, k.ID)
	case "signature":
		return c.print(s, answer, k, "Sign with it as key id %s. Keep it: it is not shown again. Its id is %s.", k.newest().Prefix, k.ID)
	}
	return c.print(s, answer, k, "Keep it: it is not shown again. Its id is %s.", k.ID)
}

// newest is the secret that was made last.
func (k keyAnswer) newest() keySecretAnswer { return k.Secrets[len(k.Secrets)-1] }

// mostCertificate bounds a certificate's file.
const mostCertificate = 64 << 10

// putCertificate puts a certificate into a body: that of a file, or its SHA-256.
func putCertificate(body map[string]any, called string) error {
	if called == "" {
		return nil
	}
	if raw, err := hex.DecodeString(strings.ReplaceAll(called, ":", "")); err == nil && len(raw) == sha256.Size {
		body["certificate"] = called
		return nil
	}
	return putFile(body, "certificate", called)
}

// putFile puts what a file holds into a field of a body.
func putFile(body map[string]any, field, called string) error {
	if called == "" {
		return nil
	}
	file, err := os.Open(called)
	if err != nil {
		return usagef("--%s: %v", field, err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, mostCertificate))
	if err != nil {
		return fmt.Errorf("read %s: %w", called, err)
	}
	body[field] = string(raw)
	return nil
}

// ctlKey names one key.
type ctlKey struct {
	ctlFlags
	ctlWait
	Key string `arg:"" help:"Id (cred_…), or APPLICATION/NAME."`
}

// at returns the session and the path of the key.
func (c *ctlKey) at(ctx context.Context, io *ctlIO) (*session, string, error) {
	s, err := c.open(io)
	if err != nil {
		return nil, "", err
	}
	id, err := s.key(ctx, c.Key)
	if err != nil {
		return nil, "", err
	}
	path, err := s.in(ctx, "/credentials/%s", id)
	return s, path, err
}

type ctlKeyRotate struct {
	ctlKey
	ctlNewSecret
	Certificate string `placeholder:"FILE" help:"The next client certificate, in PEM, or the SHA-256 of it in hex."`
	Proof       string `placeholder:"FILE" help:"With --certificate: a file with the signature that proves it is yours."`
	Expires     moment `placeholder:"DAY" help:"Of an issuer's tokens, which have no secret: when their registration ends from now on."`
	Grace       span   `default:"24h" placeholder:"24h" help:"How long the old secret works on, like 30m, 24h or 7d; 0s ends it at once. Default: a day."`
}

// Run rotates a key and prints its new secret.
func (c *ctlKeyRotate) Run(ctx context.Context, io *ctlIO) error {
	grace, err := milliseconds("grace", c.Grace.Duration)
	if err != nil {
		return err
	}
	if err := c.check(c.ctlFlags); err != nil {
		return err
	}
	s, path, err := c.at(ctx, io)
	if err != nil {
		return err
	}
	body := map[string]any{"grace_ms": grace}
	if err := putCertificate(body, c.Certificate); err != nil {
		return err
	}
	if err := putFile(body, "proof", c.Proof); err != nil {
		return err
	}
	putTime(body, "expires_at", c.Expires)
	var k keyAnswer
	answer, err := s.call(ctx, http.MethodPost, path+"/rotate", c.query(), body, &k)
	if err != nil {
		return err
	}
	old := "The old one has ended."
	if len(k.Secrets) > 1 {
		old = "The old one works until " + when(k.Secrets[0].ExpiresAt) + "."
	}
	switch k.Kind {
	case "jwt":
		return s.done(answer, "%s is taken until %s.", k.Name, when(k.newest().ExpiresAt))
	case "certificate":
		return s.done(answer, "%s has its next certificate. %s", k.Name, old)
	case "signature":
		return c.print(s, answer, k, "Sign with it as key id %s. Keep it: it is not shown again. %s", k.newest().Prefix, old)
	}
	return c.print(s, answer, k, "Keep it: it is not shown again. %s", old)
}

type ctlKeyEndSecret struct {
	ctlKey
	Secret string `arg:"" optional:"" help:"Id (sec_…). Default: the older of two."`
}

// Run ends a secret of a key.
func (c *ctlKeyEndSecret) Run(ctx context.Context, io *ctlIO) error {
	s, path, err := c.at(ctx, io)
	if err != nil {
		return err
	}
	secret := c.Secret
	if secret == "" {
		if secret, err = c.older(ctx, s, path); err != nil {
			return err
		}
	}
	var k keyAnswer
	answer, err := s.call(ctx, http.MethodDelete, path+"/secrets/"+escape(secret), c.query(), nil, &k)
	if err != nil {
		return err
	}
	return s.done(answer, "%s has its new secret alone.", k.Name)
}

// older finds the older secret of the key at a path, among the keys of all
// applications: the management API shows keys with their application.
func (c *ctlKeyEndSecret) older(ctx context.Context, s *session, path string) (string, error) {
	apps, err := s.in(ctx, "/applications")
	if err != nil {
		return "", err
	}
	items, err := s.all(ctx, apps, nil)
	if err != nil {
		return "", err
	}
	for _, raw := range items {
		var app appAnswer
		if err := json.Unmarshal(raw, &app); err != nil {
			return "", fmt.Errorf("read application: %w", err)
		}
		for _, k := range app.Credentials {
			switch {
			case !strings.HasSuffix(path, "/"+k.ID):
			case len(k.Secrets) < 2:
				return "", fmt.Errorf("key %q has one secret alone; 'portico keys revoke' ends it", k.Name)
			default:
				return slices.MinFunc(k.Secrets, func(a, b keySecretAnswer) int { return a.CreatedAt.Compare(b.CreatedAt) }).ID, nil
			}
		}
	}
	return "", s.unknown("there is no such key as %q", c.Key)
}

type ctlKeySet struct {
	ctlKey
	ctlRestrictions
	Name         *string `help:"What it is for."`
	AnyAddress   bool    `help:"Let it be used from any address."`
	AnyReferrer  bool    `help:"Let it be used from any page."`
	Unrestricted bool    `help:"Both."`
}

// Run changes a key.
func (c *ctlKeySet) Run(ctx context.Context, io *ctlIO) error {
	body := map[string]any{}
	put(body, "name", c.Name)
	err := putList(body, "addresses", c.Address, "address", "any-address", c.AnyAddress || c.Unrestricted)
	if err == nil {
		err = putList(body, "referrers", c.Referrer, "referrer", "any-referrer", c.AnyReferrer || c.Unrestricted)
	}
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return usagef("nothing to change; give --name, --address, --referrer or --unrestricted")
	}
	s, path, err := c.at(ctx, io)
	if err != nil {
		return err
	}
	var k keyAnswer
	answer, err := s.call(ctx, http.MethodPatch, path, c.query(), body, &k)
	if err != nil {
		return err
	}
	from := "from anywhere"
	if only := slices.Concat(k.Addresses, k.Referrers); len(only) > 0 {
		from = "only from " + strings.Join(only, ", ")
	}
	return s.done(answer, "%s may be used %s.", k.Name, from)
}

type ctlKeyRevoke struct{ ctlKey }

// Run revokes a key.
func (c *ctlKeyRevoke) Run(ctx context.Context, io *ctlIO) error {
	s, path, err := c.at(ctx, io)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodPost, path+"/revoke", c.query(), nil, nil)
	if err != nil {
		return err
	}
	return s.done(answer, "Revoked %s.", c.Key)
}
