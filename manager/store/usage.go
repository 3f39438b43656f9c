package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

type usageMinuteRow struct {
	ID                  string `gorm:"primaryKey"`
	TenantID            apim.ID
	ApplicationTenantID apim.ID
	Environment         string
	Minute              int64
	VersionID           apim.ID
	Operation           string
	ApplicationID       apim.ID
	SubscriptionID      apim.ID
	PlanID              apim.ID
	Status              int64
	Code                string

	Calls      int64
	BytesIn    int64
	BytesOut   int64
	TookUS     int64 `gorm:"column:took_us"`
	UpstreamUS int64 `gorm:"column:upstream_us"`
	Took0      int64 `gorm:"column:took_0"`
	Took1      int64 `gorm:"column:took_1"`
	Took2      int64 `gorm:"column:took_2"`
	Took3      int64 `gorm:"column:took_3"`
	Took4      int64 `gorm:"column:took_4"`
	Took5      int64 `gorm:"column:took_5"`
	Took6      int64 `gorm:"column:took_6"`
	Took7      int64 `gorm:"column:took_7"`
	Took8      int64 `gorm:"column:took_8"`
	Took9      int64 `gorm:"column:took_9"`
	Took10     int64 `gorm:"column:took_10"`
	Took11     int64 `gorm:"column:took_11"`
	Took12     int64 `gorm:"column:took_12"`
}

func (usageMinuteRow) TableName() string { return "usage_minute" }

// took points at the counts of durations in their order.
func (r *usageMinuteRow) took() [apim.UsageBuckets]*int64 {
	return [apim.UsageBuckets]*int64{&r.Took0, &r.Took1, &r.Took2, &r.Took3, &r.Took4, &r.Took5, &r.Took6, &r.Took7, &r.Took8, &r.Took9, &r.Took10, &r.Took11, &r.Took12}
}

func (r usageMinuteRow) domain() apim.Usage {
	u := apim.Usage{
		ID: r.ID, Tenant: r.TenantID, ApplicationTenant: r.ApplicationTenantID, Environment: r.Environment, Minute: when(r.Minute),
		Version: r.VersionID, Operation: r.Operation, Application: r.ApplicationID, Subscription: r.SubscriptionID, Plan: r.PlanID,
		Status: int(r.Status), Code: r.Code, Calls: r.Calls, BytesIn: r.BytesIn, BytesOut: r.BytesOut, TookUS: r.TookUS, UpstreamUS: r.UpstreamUS,
	}
	for _, n := range r.took() {
		u.Took = append(u.Took, *n)
	}
	return u
}

func usageRow(u apim.Usage) usageMinuteRow {
	r := usageMinuteRow{
		ID: usageID(u), TenantID: u.Tenant, ApplicationTenantID: u.ApplicationTenant, Environment: u.Environment, Minute: micros(u.Minute),
		VersionID: u.Version, Operation: u.Operation, ApplicationID: u.Application, SubscriptionID: u.Subscription, PlanID: u.Plan,
		Status: int64(u.Status), Code: u.Code, Calls: u.Calls, BytesIn: u.BytesIn, BytesOut: u.BytesOut, TookUS: u.TookUS, UpstreamUS: u.UpstreamUS,
	}
	for i, to := range r.took() {
		if i < len(u.Took) {
			*to = u.Took[i]
		}
	}
	return r
}

// usageID is the same for all that is counted together.
func usageID(u apim.Usage) string {
	raw, _ := json.Marshal([]any{ // strings and integers only
		u.Tenant, u.ApplicationTenant, u.Environment, micros(u.Minute), u.Version, u.Operation, u.Application, u.Subscription, u.Plan, u.Status, u.Code,
	})
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// counted are the columns that are added up.
func counted() []string {
	out := []string{"calls", "bytes_in", "bytes_out", "took_us", "upstream_us"}
	for i := range apim.UsageBuckets {
		out = append(out, fmt.Sprint("took_", i))
	}
	return out
}

type usageSegmentRow struct {
	Spool       string `gorm:"primaryKey"`
	Segment     int64  `gorm:"primaryKey;autoIncrement:false"`
	Next        int64
	Environment string
	Node        string
	Counted     int64 `gorm:"column:counted_at"`
}

func (usageSegmentRow) TableName() string { return "usage_segment" }

// usageRows is how many lines one statement adds.
const usageRows = 200

// CountUsage adds a piece of usage to what was counted, unless it was before:
// the two are one transaction. It reports whether it did. Other writers are not
// waited for; lines are added in one order, so that two pieces do not wait for
// each other.
func (s *Store) CountUsage(ctx context.Context, p apim.UsagePiece, now time.Time) (fresh bool, err error) {
	err = s.writeAside(ctx, func(tx *Tx) error {
		db := tx.System().in(ctx)
		res := db.Clauses(clause.OnConflict{
			Columns:   []clause.Column{{Name: "spool"}, {Name: "segment"}},
			DoUpdates: clause.AssignmentColumns([]string{"next", "counted_at"}),
			Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr("usage_segment.next <= ?", p.From)}},
		}).Create(&usageSegmentRow{Spool: p.Spool, Segment: p.Segment, Next: p.To, Environment: p.Environment, Node: p.Node, Counted: micros(now)})
		if res.Error != nil {
			return fmt.Errorf("count usage: %w", away(res.Error))
		}
		if fresh = res.RowsAffected > 0; !fresh {
			return tx.System().countedBefore(ctx, p)
		}
		return tx.System().addUsage(ctx, p)
	})
	return fresh && err == nil, err
}

// countedBefore returns nil when all of a piece was counted. A spool never cuts
// the same calls in two ways; one that does is not ours.
func (s System) countedBefore(ctx context.Context, p apim.UsagePiece) error {
	row, err := one[usageSegmentRow](s.in(ctx).Where("spool = ? AND segment = ?", p.Spool, p.Segment), "segment of usage")
	if err == nil && row.Next < p.To {
		return apim.Errorf(apim.Invalid, "usage %s/%d from %d to %d overlaps what was counted up to %d", p.Spool, p.Segment, p.From, p.To, row.Next)
	}
	return err
}

// addUsage adds a piece's lines to those of their minutes.
func (s System) addUsage(ctx context.Context, p apim.UsagePiece) error {
	var versions, applications []apim.ID
	for _, l := range p.Lines {
		versions, applications = append(versions, l.Version), append(applications, l.Application)
	}
	offering, err := s.tenantsOf(ctx, "version", versions)
	if err != nil {
		return err
	}
	using, err := s.tenantsOf(ctx, "application", applications)
	if err != nil {
		return err
	}
	sums := map[string]*usageMinuteRow{}
	for _, l := range p.Lines {
		l.Environment, l.Tenant, l.ApplicationTenant = p.Environment, offering[l.Version], using[l.Application]
		r := usageRow(l)
		at := sums[r.ID]
		if at == nil {
			sums[r.ID] = &r
			continue
		}
		at.Calls, at.BytesIn, at.BytesOut, at.TookUS, at.UpstreamUS = at.Calls+r.Calls, at.BytesIn+r.BytesIn, at.BytesOut+r.BytesOut, at.TookUS+r.TookUS, at.UpstreamUS+r.UpstreamUS
		more := r.took()
		for i, to := range at.took() {
			*to += *more[i]
		}
	}
	rows := make([]usageMinuteRow, 0, len(sums))
	for _, r := range sums {
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b usageMinuteRow) int { return cmp.Compare(a.ID, b.ID) })
	var add clause.Set
	for _, column := range counted() {
		add = append(add, clause.Assignment{Column: clause.Column{Name: column}, Value: gorm.Expr("usage_minute." + column + " + excluded." + column)})
	}
	for chunk := range slices.Chunk(rows, usageRows) {
		err := s.in(ctx).Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: add}).Create(&chunk).Error
		if err != nil {
			return fmt.Errorf("count usage: %w", away(err))
		}
	}
	return nil
}

// tenantsOf returns whose rows of a table are; ids that are none are left out.
func (s System) tenantsOf(ctx context.Context, table string, ids []apim.ID) (map[apim.ID]apim.ID, error) {
	out := map[apim.ID]apim.ID{}
	slices.Sort(ids)
	for chunk := range slices.Chunk(slices.Compact(ids), usageRows) {
		var rows []struct{ ID, TenantID apim.ID }
		if err := s.in(ctx).Table(table).Select("id", "tenant_id").Where("id IN ?", chunk).Find(&rows).Error; err != nil {
			return nil, fmt.Errorf("look whose the usage is: %w", away(err))
		}
		for _, r := range rows {
			out[r.ID] = r.TenantID
		}
	}
	return out, nil
}

// narrowed applies a filter.
func narrowed(db *gorm.DB, f apim.UsageFilter) *gorm.DB {
	for column, value := range map[string]string{"environment": f.Environment, "version_id": string(f.Version), "application_id": string(f.Application)} {
		if value != "" {
			db = db.Where(column+" = ?", value)
		}
	}
	if f.Status != 0 {
		db = db.Where("status = ?", f.Status)
	}
	if !f.From.IsZero() {
		db = db.Where("minute >= ?", micros(f.From))
	}
	if !f.To.IsZero() {
		db = db.Where("minute < ?", micros(f.To))
	}
	return db
}

func usageList(db *gorm.DB, f apim.UsageFilter, page apim.Page) (apim.List[apim.Usage], error) {
	rows, next, err := paged(narrowed(db, f), "usage", page, order{"usage_minute", "minute", "id", true}, func(r usageMinuteRow) (any, any) { return r.Minute, r.ID })
	return apim.List[apim.Usage]{Items: sliceOf(rows, usageMinuteRow.domain), NextCursor: next}, err
}

// OfferedUsage returns a page of what was called of the tenant's APIs, as far as
// a reach goes, newest minute first.
func (t Tenant) OfferedUsage(ctx context.Context, reach apim.Reach, f apim.UsageFilter, page apim.Page) (apim.List[apim.Usage], error) {
	db := t.own(ctx)
	if f.API != "" {
		db = db.Where("version_id IN (SELECT v.id FROM version v WHERE v.tenant_id = ? AND v.api_id = ?)", t.id, f.API)
	}
	if !reach.All {
		db = db.Where("version_id IN (SELECT v.id FROM version v JOIN api a ON a.tenant_id = v.tenant_id AND a.id = v.api_id WHERE v.tenant_id = ? AND (a.id IN ? OR a.team_id IN ?))",
			t.id, reach.Places(apim.PrefixAPI), reach.Places(apim.PrefixTeam))
	}
	return usageList(db, f, page)
}

// OperationUsage adds up what was called of a version by its operations, in order
// of their names. Of a filter it takes all but the API. What tells calls of an
// operation apart is left empty.
func (t Tenant) OperationUsage(ctx context.Context, f apim.UsageFilter) ([]apim.Usage, error) {
	sums := []string{"operation"}
	for _, column := range counted() {
		sums = append(sums, "CAST(SUM("+column+") AS BIGINT) AS "+column) // PostgreSQL adds up to a numeric
	}
	var rows []usageMinuteRow
	if err := narrowed(t.own(ctx), f).Model(&usageMinuteRow{}).Select(sums).Group("operation").Order("operation").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("add up usage: %w", away(err))
	}
	return sliceOf(rows, func(r usageMinuteRow) apim.Usage {
		u := r.domain()
		u.Minute = time.Time{}
		return u
	}), nil
}

// UsedUsage returns a page of what the tenant's applications have called, as far
// as a reach goes, newest minute first.
func (t Tenant) UsedUsage(ctx context.Context, reach apim.Reach, f apim.UsageFilter, page apim.Page) (apim.List[apim.Usage], error) {
	db := t.using(ctx)
	if !reach.All {
		db = db.Where("application_id IN (SELECT a.id FROM application a WHERE a.tenant_id = ? AND (a.id IN ? OR a.team_id IN ?))",
			t.id, reach.Places(apim.PrefixApplication), reach.Places(apim.PrefixTeam))
	}
	return usageList(db, f, page)
}

// Usage returns a page of all that was called, also of no API.
func (s System) Usage(ctx context.Context, f apim.UsageFilter, page apim.Page) (apim.List[apim.Usage], error) {
	return usageList(s.in(ctx), f, page)
}

// SweepUsage forgets up to limit minutes of usage from before a time, the oldest
// first, and as many segments that were counted then. It returns how many rows
// are gone: as many as limit, or more, say that there may be others.
func (s *Store) SweepUsage(ctx context.Context, before time.Time, limit int) (n int64, err error) {
	err = s.writeAside(ctx, func(tx *Tx) error {
		minutes, err := remove[usageMinuteRow](tx.System().in(ctx).
			Where("id IN (SELECT id FROM usage_minute WHERE minute < ? ORDER BY minute LIMIT ?)", micros(before), limit), "usage")
		if err != nil {
			return err
		}
		segments, err := remove[usageSegmentRow](tx.System().in(ctx).
			Where("(spool, segment) IN (SELECT spool, segment FROM usage_segment WHERE counted_at < ? ORDER BY counted_at LIMIT ?)", micros(before), limit), "segments of usage")
		n = minutes + segments
		return err
	})
	return n, err
}
