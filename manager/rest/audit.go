package rest

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/web"
)

type auditRow struct {
	ID           apim.ID         `json:"id"`
	Tenant       apim.ID         `json:"tenant,omitempty"`
	Sequence     int64           `json:"sequence"`
	At           time.Time       `json:"at"`
	Actor        auditor         `json:"actor"`
	Action       string          `json:"action"`
	Object       apim.ID         `json:"object,omitempty"`
	Summary      string          `json:"summary"`
	Before       json.RawMessage `json:"before,omitempty"`
	After        json.RawMessage `json:"after,omitempty"`
	RequestID    string          `json:"request_id,omitempty"`
	PreviousHash string          `json:"previous_hash"`
	Hash         string          `json:"hash"`
}

// auditor is who did something.
type auditor struct {
	Name     string  `json:"name"`
	Person   apim.ID `json:"person,omitempty"`
	Token    apim.ID `json:"token,omitempty"`
	Operator bool    `json:"operator,omitempty"`
	System   bool    `json:"system,omitempty"`
	Address  string  `json:"address,omitempty"`
}

func auditRowOf(a apim.AuditLink) auditRow {
	out := auditRow{
		ID: a.ID, Tenant: a.Tenant, Sequence: a.Sequence, At: a.At.UTC(), Action: a.Action, Object: a.Object, Summary: a.Summary, RequestID: a.Actor.Request,
		PreviousHash: a.PreviousHash, Hash: a.Hash,
		Actor: auditor{
			Name: a.Actor.Name, Person: a.Actor.Person, Token: a.Actor.Token, Operator: a.Actor.Operator, System: a.Actor.System, Address: a.Actor.Address,
		},
	}
	if json.Valid([]byte(a.Before)) {
		out.Before = json.RawMessage(a.Before)
	}
	if json.Valid([]byte(a.After)) {
		out.After = json.RawMessage(a.After)
	}
	return out
}

// ReadAuditRow reads a line of an export back. A line that differs in anything
// from how the row is exported is refused: nothing in a file is beyond the
// reach of its hashes.
func ReadAuditRow(line []byte) (apim.AuditLink, error) {
	var r auditRow
	if err := json.Unmarshal(line, &r); err != nil {
		return apim.AuditLink{}, fmt.Errorf("read audit row: %w", err)
	}
	a := apim.AuditLink{
		Audit: apim.Audit{
			ID: r.ID, Tenant: r.Tenant, At: r.At, Action: r.Action, Object: r.Object, Summary: r.Summary, Before: string(r.Before), After: string(r.After),
			Actor: apim.Actor{
				Name: r.Actor.Name, Person: r.Actor.Person, Token: r.Actor.Token, Operator: r.Actor.Operator, System: r.Actor.System,
				Address: r.Actor.Address, Request: r.RequestID,
			},
		},
		Sequence: r.Sequence, PreviousHash: r.PreviousHash, Hash: r.Hash,
	}
	again, err := json.Marshal(auditRowOf(a))
	if err != nil {
		return apim.AuditLink{}, fmt.Errorf("write audit row again: %w", err)
	}
	if !bytes.Equal(line, again) {
		return apim.AuditLink{}, errors.New("not as the export wrote it")
	}
	return a, nil
}

// auditFilter reads which rows are asked for.
func auditFilter(r *request) (apim.AuditFilter, error) {
	f := apim.AuditFilter{Actor: r.c.Query("actor"), Action: r.c.Query("action"), Object: apim.ID(r.c.Query("object"))}
	var check apim.Check
	for name, to := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if text, given := r.c.GetQuery(name); given {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				check.Fail(name, "time", "is not a time like 2026-03-31T12:00:00Z")
			}
			*to = instant(at)
		}
	}
	return f, check.Err()
}

func listAudit(r *request) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	filter, err := auditFilter(r)
	if err != nil {
		return err
	}
	rows, err := r.Tenants.AuditLog(r.ctx, r.actor, r.tenant.ID, filter, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(rows, auditRowOf))
}

// exportAudit streams rows as lines of JSON or of CSV. An answer that cannot go
// on is cut, so that what arrived is not taken for all.
func exportAudit(r *request) error {
	format, err := choice(r.c, "format", "ndjson", "csv")
	if err != nil {
		return err
	}
	filter, err := auditFilter(r)
	if err != nil {
		return err
	}
	begun := false
	begin := func(media string) {
		if !begun {
			begun = true
			r.c.Header("Content-Type", media)
			r.c.Header("Content-Disposition", `attachment; filename="audit.`+format+`"`)
			r.c.Status(http.StatusOK)
		}
	}
	lines := json.NewEncoder(r.c.Writer)
	table := csv.NewWriter(r.c.Writer)
	write, media := func(a apim.AuditLink) error { return lines.Encode(auditRowOf(a)) }, "application/x-ndjson"
	if format == "csv" {
		write, media = func(a apim.AuditLink) error { return table.Write(auditCells(a)) }, "text/csv; charset=utf-8"
	}
	head := func() error {
		if begun || format != "csv" {
			begin(media)
			return nil
		}
		begin(media)
		return table.Write(auditColumns())
	}
	err = r.Tenants.ExportAudit(r.ctx, r.actor, r.tenant.ID, filter, func(a apim.AuditLink) error {
		if err := head(); err != nil {
			return err
		}
		return write(a)
	})
	if err != nil && !begun {
		return err
	}
	if err == nil {
		err = head() // of an export without rows
	}
	table.Flush()
	if err != nil || table.Error() != nil {
		r.Log.WarnContext(r.ctx, "audit export was cut", "error", err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

func auditColumns() []string {
	return []string{
		"sequence", "id", "at", "actor", "person", "token", "operator", "system", "address", "action", "object", "summary", "before", "after",
		"request_id", "tenant", "previous_hash", "hash",
	}
}

func auditCells(a apim.AuditLink) []string {
	return []string{
		strconv.FormatInt(a.Sequence, 10), string(a.ID), a.At.UTC().Format(time.RFC3339Nano), cell(a.Actor.Name), string(a.Actor.Person),
		string(a.Actor.Token), strconv.FormatBool(a.Actor.Operator), strconv.FormatBool(a.Actor.System), cell(a.Actor.Address), cell(a.Action),
		cell(string(a.Object)), cell(a.Summary), cell(a.Before), cell(a.After), cell(a.Actor.Request), string(a.Tenant), a.PreviousHash, a.Hash,
	}
}

// cell keeps a spreadsheet from taking what people wrote for a formula.
func cell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r\n", rune(text[0])) {
		return "'" + text
	}
	return text
}

type auditCheck struct {
	Rows   int64       `json:"rows"`
	Whole  bool        `json:"whole"`
	Head   string      `json:"head,omitempty"`
	Broken *brokenLink `json:"broken,omitempty"`
}

// brokenLink is the first row that does not fit.
type brokenLink struct {
	Sequence int64     `json:"sequence"`
	ID       apim.ID   `json:"id,omitempty"`
	At       time.Time `json:"at,omitzero"`
	Detail   string    `json:"detail"`
}

func verifyAudit(r *request) error {
	found, err := r.Tenants.VerifyAudit(r.ctx, r.actor, r.tenant.ID)
	if err != nil {
		return err
	}
	out := auditCheck{Rows: found.Rows, Whole: found.Broken == "", Head: found.Head}
	if !out.Whole {
		out.Broken = &brokenLink{Sequence: found.Sequence, ID: found.ID, At: found.At, Detail: found.Broken}
	}
	return r.answer(http.StatusOK, 0, out)
}
