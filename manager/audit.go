package manager

import (
	"context"
	"time"

	"portico/internal/apim"
)

// AuditLog lists a tenant's audit rows, newest first; the installation's own
// for "".
func (t *Tenants) AuditLog(ctx context.Context, actor apim.Actor, tenant apim.ID, f apim.AuditFilter, page apim.Page) (apim.List[apim.AuditLink], error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectAudit); err != nil {
		return apim.List[apim.AuditLink]{}, err
	}
	if err := checkFilter(f); err != nil {
		return apim.List[apim.AuditLink]{}, err
	}
	if tenant == "" {
		return t.Store.System().AuditLog(ctx, f, page)
	}
	return t.Store.Tenant(tenant).AuditLog(ctx, f, page)
}

func checkFilter(f apim.AuditFilter) error {
	var check apim.Check
	check.Length("actor", f.Actor, 200)
	check.Length("action", f.Action, 200)
	check.Length("object", string(f.Object), 200)
	if !f.To.IsZero() && !f.To.After(f.From) {
		check.Fail("to", "before_from", "is not after from")
	}
	return check.Err()
}

// ExportAudit yields a tenant's audit rows, oldest first, with what chains them
// together. That it was done is itself a row, which is not among them.
func (t *Tenants) ExportAudit(ctx context.Context, actor apim.Actor, tenant apim.ID, f apim.AuditFilter, yield func(apim.AuditLink) error) error {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectAudit); err != nil {
		return err
	}
	if err := checkFilter(f); err != nil {
		return err
	}
	newest := int64(0)
	err := t.write(ctx, actor, func(u *unit) (err error) {
		if newest, err = u.System().AuditHead(ctx, tenant); err != nil {
			return err
		}
		return u.recordChange(ctx, tenant, "audit.export", "", nil, exportFacts(f), "audit log exported")
	})
	if err != nil {
		return err
	}
	if tenant == "" {
		return t.Store.System().AuditRows(ctx, f, newest, yield)
	}
	return t.Store.Tenant(tenant).AuditRows(ctx, f, newest, yield)
}

// exportFacts are the conditions of an export; nil is all of the log.
func exportFacts(f apim.AuditFilter) any {
	out := map[string]any{}
	for name, text := range map[string]string{"actor": f.Actor, "action": f.Action, "object": string(f.Object)} {
		if text != "" {
			out[name] = text
		}
	}
	for name, at := range map[string]time.Time{"from": f.From, "to": f.To} {
		if !at.IsZero() {
			out[name] = at.UTC()
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// VerifyAudit walks a tenant's audit log from its first row, and says which is
// the first that does not fit the rows before it.
func (t *Tenants) VerifyAudit(ctx context.Context, actor apim.Actor, tenant apim.ID) (apim.AuditCheck, error) {
	if err := t.Authz.Allow(ctx, actor, tenant, apim.Read, apim.ObjectAudit); err != nil {
		return apim.AuditCheck{}, err
	}
	return t.Store.System().VerifyAudit(ctx, tenant)
}
