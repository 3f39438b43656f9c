package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// ctlCommands are the commands that talk to a running manager through its
// management API. They exit with 0 when all is done, 1 when it was refused,
// 2 when the command line is wrong, 3 when the manager cannot be reached.
type ctlCommands struct {
	Import       ctlImport       `cmd:"" help:"Make a version of an OpenAPI document, from a file, an address or - for standard input." group:"Provide APIs:"`
	Publish      ctlPublish      `cmd:"" help:"Publish a version's draft." group:"Provide APIs:"`
	APIs         ctlAPIs         `cmd:"" name:"apis" help:"APIs and their versions." group:"Provide APIs:"`
	Versions     ctlVersions     `cmd:"" help:"Versions of APIs: drafts, revisions, and where they are live." group:"Provide APIs:"`
	Cache        ctlCache        `cmd:"" help:"Forget what gateway nodes have stored of a version's answers." group:"Provide APIs:"`
	Split        ctlSplit        `cmd:"" help:"Share a version's calls with a candidate: canary, blue and green, mirror." group:"Provide APIs:"`
	Policies     ctlPolicies     `cmd:"" help:"Policies of environments, versions and operations: what calls pass on their way." group:"Provide APIs:"`
	Products     ctlProducts     `cmd:"" help:"What is offered in the catalog." group:"Provide APIs:"`
	Plans        ctlPlans        `cmd:"" help:"Terms of products." group:"Provide APIs:"`
	Values       ctlValues       `cmd:"" help:"Values of environments, which upstreams refer to." group:"Provide APIs:"`
	Explain      ctlExplain      `cmd:"" help:"Call a gateway and show the call's way through it: routes, policies, upstream." group:"Provide APIs:"`
	Explanations ctlExplanations `cmd:"" help:"Calls that were explained lately." group:"Provide APIs:"`

	Usage ctlUsage `cmd:"" help:"What was called, by whom, and how it ended." group:"Provide APIs:"`

	Requests      ctlRequests      `cmd:"" help:"Requests to the tenant's products." group:"Decide on access:"`
	Approve       ctlApprove       `cmd:"" help:"Approve requests." group:"Decide on access:"`
	Reject        ctlReject        `cmd:"" help:"Reject requests." group:"Decide on access:"`
	Subscriptions ctlSubscriptions `cmd:"" help:"Subscriptions: states, terms and plans." group:"Decide on access:"`

	Offers       ctlOffers    `cmd:"" help:"Products of the catalog." group:"Use APIs:"`
	Applications ctlApps      `cmd:"" aliases:"apps" help:"Applications, which use what is offered." group:"Use APIs:"`
	Subscribe    ctlSubscribe `cmd:"" help:"Request access to a product for an application." group:"Use APIs:"`
	Keys         ctlKeys      `cmd:"" help:"API keys of applications." group:"Use APIs:"`

	Members     ctlMembers     `cmd:"" help:"Members of the tenant and what they may." group:"People:"`
	Teams       ctlTeams       `cmd:"" help:"Teams, which own APIs, products and applications." group:"People:"`
	Invite      ctlInvite      `cmd:"" help:"Invite somebody, by a one-time link." group:"People:"`
	Invitations ctlInvitations `cmd:"" help:"Invitations." group:"People:"`
	Tokens      ctlTokens      `cmd:"" help:"API tokens." group:"People:"`
	Sessions    ctlSessions    `cmd:"" help:"Browsers in which you have signed in." group:"People:"`
	Audit       ctlAudit       `cmd:"" help:"Who changed what, and whether that record is whole." group:"People:"`

	Status       ctlStatus       `cmd:"" help:"Who you are, the environments and their nodes." group:"Installation:"`
	Tenants      ctlTenants      `cmd:"" help:"Tenants." group:"Installation:"`
	Environments ctlEnvironments `cmd:"" help:"Environments: their gateways' address and settings." group:"Installation:"`
	Certificates ctlCertificates `cmd:"" aliases:"certs" help:"Certificates with which gateways show themselves over TLS." group:"Installation:"`
	Nodes        ctlNodes        `cmd:"" help:"Gateway nodes and what they have applied." group:"Installation:"`
}

// Help is what --help says below the commands.
func (ctlCommands) Help() string {
	return "Commands that work on a running Portico find it at PORTICO_URL and act with the API token in PORTICO_TOKEN. " +
		"With --json they print what the management API answered, refusals to standard error.\n\n" +
		"Exit codes: 0 done, 1 refused, 2 wrong command line, 3 nobody there to ask."
}

// ctlIO is what a command reads and writes. The API token comes from
// PORTICO_TOKEN alone: command lines are seen by other users of a machine.
type ctlIO struct {
	In       io.Reader
	Out, Err io.Writer
	Getenv   func(string) string
}

// processIO returns the process's own.
func processIO() *ctlIO {
	return &ctlIO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv}
}

// ctlFlags are what all commands of ctlCommands take.
type ctlFlags struct {
	URL    string `env:"PORTICO_URL" default:"http://127.0.0.1:8082" help:"Address of the console and management API."`
	Tenant string `env:"PORTICO_TENANT" help:"Tenant, by slug or id. Default: the only one you belong to."`
	JSON   bool   `name:"json" help:"Print what the management API answered."`
}

// ctlWait is what commands take that reach gateway nodes.
type ctlWait struct {
	Wait    bool `help:"Wait until every node has confirmed."`
	Timeout int  `name:"timeout-ms" default:"10000" help:"How long to wait, in milliseconds."`
}

// session is a command at work: the client, the output, and the tenant once
// it is known.
type session struct {
	*client
	io     *ctlIO
	flags  ctlFlags
	tenant string
}

func (f ctlFlags) open(io *ctlIO) (*session, error) {
	c, err := newClient(f.URL, io.Getenv("PORTICO_TOKEN"))
	if err != nil {
		return nil, err
	}
	c.asJSON = f.JSON
	return &session{client: c, io: io, flags: f, tenant: f.Tenant}, nil
}

// in returns a path below the tenant, which it finds out when none was named.
func (s *session) in(ctx context.Context, format string, parts ...any) (string, error) {
	if s.tenant == "" {
		var mine struct{ Items []struct{ Slug string } }
		if err := s.get(ctx, "/tenants", nil, &mine); err != nil {
			return "", err
		}
		if len(mine.Items) != 1 {
			names := make([]string, len(mine.Items))
			for i, t := range mine.Items {
				names[i] = t.Slug
			}
			return "", usagef("name a tenant with --tenant or PORTICO_TENANT; yours are: %s", orNone(names))
		}
		s.tenant = mine.Items[0].Slug
	}
	return "/tenants/" + escape(s.tenant) + escaped(format, parts...), nil
}

// usageError is a command line that cannot be right, whatever the manager says.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// The exit codes of commands.
const (
	exitRefused     = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// ctlExit writes why a command failed and returns its exit code. nil is 0.
func ctlExit(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var refused *refusal
	var usage *usageError
	var away *unreachable
	switch {
	case errors.As(err, &refused):
		refused.print(w)
		return exitRefused
	case errors.As(err, &usage):
		fmt.Fprintf(w, "portico: %s\n", usage)
		return exitUsage
	case errors.As(err, &away):
		fmt.Fprintf(w, "portico: %s\n", away)
		return exitUnreachable
	}
	fmt.Fprintf(w, "portico: %s\n", err)
	return exitRefused
}
