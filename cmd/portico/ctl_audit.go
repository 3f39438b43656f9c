package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager/store"
)

type ctlAudit struct {
	List   ctlAuditList   `cmd:"" default:"withargs" help:"List who changed what, newest first."`
	Export ctlAuditExport `cmd:"" help:"Write the audit log to a file or standard output, oldest first."`
	Verify ctlAuditVerify `cmd:"" help:"Check that no row of the audit log was changed, added or taken away."`
}

// ctlAuditFilter says which rows and whose.
type ctlAuditFilter struct {
	Actor        string    `help:"By whom: id of a person or token, or a name."`
	Action       string    `help:"What: subscription.approve, or subscription for all that was done to these."`
	Object       string    `help:"To what: an id."`
	From         time.Time `placeholder:"TIME" help:"Not before, such as 2026-03-31T12:00:00Z."`
	To           time.Time `placeholder:"TIME" help:"Before."`
	Installation bool      `help:"The installation's own log and not a tenant's; for operators."`
}

func (f ctlAuditFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"actor": f.Actor, "action": f.Action, "object": f.Object} {
		if value != "" {
			q.Set(name, value)
		}
	}
	for name, at := range map[string]time.Time{"from": f.From, "to": f.To} {
		if !at.IsZero() {
			q.Set(name, at.UTC().Format(time.RFC3339))
		}
	}
	return q
}

func (f ctlAuditFilter) path(ctx context.Context, s *session, below string) (string, error) {
	if f.Installation {
		return "/audit" + below, nil
	}
	return s.in(ctx, "/audit"+below)
}

type auditAnswer struct {
	ID       string
	Sequence int64
	At       time.Time
	Actor    struct{ Name, Address string }
	Action   string
	Object   string
	Summary  string
}

type ctlAuditList struct {
	ctlFlags
	ctlAuditFilter
	Limit int `default:"50" help:"How many rows at most, up to 200."`
}

// Run prints the newest rows.
func (c *ctlAuditList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := c.path(ctx, s, "")
	if err != nil {
		return err
	}
	q := c.query()
	q.Set("limit", fmt.Sprint(c.Limit))
	var page struct{ Items []auditAnswer }
	answer, err := s.call(ctx, http.MethodGet, path, q, nil, &page)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	rows := [][]string{{"ROW", "AT", "BY", "ACTION", "WHAT", "FROM"}}
	for _, a := range page.Items {
		rows = append(rows, []string{fmt.Sprint(a.Sequence), when(a.At), a.Actor.Name, a.Action, a.Summary, a.Actor.Address})
	}
	if len(rows) == 1 {
		s.say("None.")
		return nil
	}
	return s.table(rows)
}

type ctlAuditExport struct {
	ctlFlags
	ctlAuditFilter
	Format string `enum:"ndjson,csv" default:"ndjson" help:"ndjson or csv."`
	Out    string `placeholder:"FILE" help:"Write to this file (0600). Default: standard output."`
}

// Run writes the rows as they come.
func (c *ctlAuditExport) Run(ctx context.Context, stdio *ctlIO) (err error) {
	s, err := c.open(stdio)
	if err != nil {
		return err
	}
	path, err := c.path(ctx, s, "/export")
	if err != nil {
		return err
	}
	q := c.query()
	q.Set("format", c.Format)
	out := stdio.Out
	if c.Out != "" {
		file, err := os.OpenFile(c.Out, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		out = file
	}
	return s.stream(ctx, path, q, out)
}

// stream copies an answer without holding it. One that was cut is an error.
func (c *client) stream(ctx context.Context, path string, query url.Values, out io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	slow := *c.http
	slow.Timeout = 0 // ctx ends it
	res, err := slow.Do(req)
	if err != nil {
		return &unreachable{address: c.base, cause: err}
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		answer, err := io.ReadAll(io.LimitReader(res.Body, longestAnswer))
		if err != nil {
			return &unreachable{address: c.base, cause: err}
		}
		return c.refusalOf(res, answer)
	}
	if _, err := io.Copy(out, res.Body); err != nil {
		return fmt.Errorf("the export was cut short; what was written is not all: %w", err)
	}
	return nil
}

type ctlAuditVerify struct {
	ctlFlags
	Installation bool        `help:"The installation's own log, by the management API; for operators."`
	Database     secret.Text `env:"PORTICO_DATABASE_URL" placeholder:"URL" help:"Look into this PostgreSQL database, without a manager: at all tenants, or the one named."`
	Data         string      `placeholder:"FOLDER" help:"Look into the database of 'portico serve' in this folder, without a manager."`
	File         string      `placeholder:"FILE" help:"Look into an export (ndjson, as it was written; - for standard input), without a manager or database. One that was narrowed to who, what or which has gaps; from and to are fine."`
	Head         string      `placeholder:"HASH" help:"With --file: the hash of a row, noted before, that must be in it. Without that a cut end cannot be found out."`
}

// verified is what was found of one log.
type verified struct {
	Tenant string      `json:"tenant"` // slug, in a file id; "" for the installation
	Rows   int64       `json:"rows"`
	Whole  bool        `json:"whole"`
	Head   string      `json:"head,omitempty"` // hash of the last row that fits
	Broken *brokenLink `json:"broken,omitempty"`
	File   *inFile     `json:"file,omitempty"`
}

type brokenLink struct {
	Sequence int64     `json:"sequence,omitempty"`
	ID       string    `json:"id,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Line     int       `json:"line,omitempty"` // of a file
	Detail   string    `json:"detail"`
}

// Run checks the logs. A broken one is a failure.
func (c *ctlAuditVerify) Run(ctx context.Context, io *ctlIO) error {
	find := c.byAPI
	switch {
	case c.File != "" && (c.Data != "" || c.Installation):
		return usagef("--file goes with neither --data nor --installation")
	case c.Head != "" && c.File == "":
		return usagef("--head goes with --file")
	case c.File != "":
		find = c.inFile
	case c.Database != "" || c.Data != "":
		find = c.inDatabase
	}
	found, err := find(ctx, io)
	if err != nil {
		return err
	}
	if c.JSON {
		if err := printJSON(io.Out, map[string]any{"items": found}); err != nil {
			return err
		}
	}
	broken := 0
	for _, v := range found {
		if !v.Whole {
			broken++
		}
		if !c.JSON {
			v.print(io.Out)
		}
	}
	switch {
	case broken > 0 && c.File != "":
		return errors.New("the file is not what Portico exported")
	case broken > 0:
		return fmt.Errorf("%d of %d audit logs are broken: somebody changed them past Portico", broken, len(found))
	}
	return nil
}

func (v verified) print(w io.Writer) {
	name := printable(v.Tenant)
	switch {
	case v.File != nil && v.Rows == 0: // whose log it is was not found out
		name = "the file"
	case name == "":
		name = "the installation"
	}
	switch b := v.Broken; {
	case v.Whole && v.File == nil:
		fmt.Fprintf(w, "%s: all %d rows fit.\n", name, v.Rows)
	case v.Whole:
		v.File.print(w, name, v)
	case b.Sequence == 0:
		fmt.Fprintf(w, "%s: line %d does not fit: %s. %d rows before it do.\n", name, b.Line, printable(b.Detail), v.Rows)
	case b.At.IsZero():
		fmt.Fprintf(w, "%s: row %d does not fit: %s. %d rows before it do.\n", name, b.Sequence, printable(b.Detail), v.Rows)
	default:
		fmt.Fprintf(w, "%s: row %d (%s, %s) does not fit: %s. %d rows before it do.\n", name, b.Sequence,
			printable(b.ID), b.At.Format(time.RFC3339), printable(b.Detail), v.Rows)
	}
}

func (c *ctlAuditVerify) byAPI(ctx context.Context, io *ctlIO) ([]verified, error) {
	s, err := c.open(io)
	if err != nil {
		return nil, err
	}
	path, err := ctlAuditFilter{Installation: c.Installation}.path(ctx, s, "/verify")
	if err != nil {
		return nil, err
	}
	v := verified{Tenant: s.tenant}
	if c.Installation {
		v.Tenant = ""
	}
	err = s.get(ctx, path, nil, &v)
	return []verified{v}, err
}

func (c *ctlAuditVerify) inDatabase(ctx context.Context, _ *ctlIO) (_ []verified, err error) {
	if c.Database != "" && c.Data != "" {
		return nil, usagef("--database (or PORTICO_DATABASE_URL) and --data do not go together")
	}
	address := c.Database.Reveal()
	if address == "" {
		address = filepath.Join(c.Data, "portico.db")
	}
	db, err := store.Inspect(ctx, address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tenants, err := db.System().Tenants(ctx)
	if err != nil {
		return nil, err
	}
	tenants = append([]apim.Tenant{{}}, tenants...) // the installation's own
	var out []verified
	for _, t := range tenants {
		if c.Tenant != "" && c.Tenant != t.Slug && c.Tenant != string(t.ID) || c.Installation && t.ID != "" {
			continue
		}
		check, err := db.System().VerifyAudit(ctx, t.ID)
		if err != nil {
			return nil, err
		}
		v := verified{Tenant: t.Slug, Rows: check.Rows, Whole: check.Broken == "", Head: check.Head}
		if !v.Whole {
			v.Broken = &brokenLink{Sequence: check.Sequence, ID: string(check.ID), At: check.At, Detail: check.Broken}
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, usagef("there is no tenant %q in the database", c.Tenant)
	}
	return out, nil
}
