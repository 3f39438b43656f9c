package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
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

// usageRow makes a row of a line, but for its id and tenants.
func usageRow(u apim.Usage) usageMinuteRow {
	r := usageMinuteRow{
		Environment: u.Environment, Minute: micros(u.Minute), VersionID: u.Version, Operation: u.Operation, ApplicationID: u.Application,
		SubscriptionID: u.Subscription, PlanID: u.Plan, Status: int64(u.Status), Code: u.Code,
	}
	r.add(u)
	return r
}

// add adds what a line counts.
func (r *usageMinuteRow) add(u apim.Usage) {
	r.Calls, r.BytesIn, r.BytesOut, r.TookUS, r.UpstreamUS = r.Calls+u.Calls, r.BytesIn+u.BytesIn, r.BytesOut+u.BytesOut, r.TookUS+u.TookUS, r.UpstreamUS+u.UpstreamUS
	for i, to := range r.took() {
		if i < len(u.Took) {
			*to += u.Took[i]
		}
	}
}

// id is the same for all that is counted together.
func (r *usageMinuteRow) id() string {
	raw, _ := json.Marshal([]any{ // strings and integers only
		r.TenantID, r.ApplicationTenantID, r.Environment, r.Minute, r.VersionID, r.Operation, r.ApplicationID, r.SubscriptionID, r.PlanID, r.Status, r.Code,
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

// usageTexts names the columns of texts.
func usageTexts() []string {
	return []string{
		"id", "tenant_id", "application_tenant_id", "environment", "version_id", "operation", "application_id", "subscription_id", "plan_id", "code",
	}
}

// texts returns what is in those.
func (r *usageMinuteRow) texts() [10]string {
	return [...]string{
		r.ID, string(r.TenantID), string(r.ApplicationTenantID), r.Environment, string(r.VersionID), r.Operation,
		string(r.ApplicationID), string(r.SubscriptionID), string(r.PlanID), r.Code,
	}
}

// numbers returns what is in minute, status and the counted columns.
func (r *usageMinuteRow) numbers() [7 + apim.UsageBuckets]int64 {
	out := [7 + apim.UsageBuckets]int64{r.Minute, r.Status, r.Calls, r.BytesIn, r.BytesOut, r.TookUS, r.UpstreamUS}
	for i, n := range r.took() {
		out[7+i] = *n
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

// CountUsage adds pieces of usage to what was counted, but for those that were
// before: all of it is one transaction. fresh says of each piece whether it was
// added. Other writers are not waited for; segments and lines are taken in one
// order, so that two of these do not wait for each other. It fails with Invalid
// when a piece is none that its spool can have sent, and then counts none.
func (s *Store) CountUsage(ctx context.Context, pieces []apim.UsagePiece, now time.Time) (fresh []bool, err error) {
	order := make([]int, len(pieces))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		p, q := &pieces[a], &pieces[b]
		return cmp.Or(cmp.Compare(p.Spool, q.Spool), cmp.Compare(p.Segment, q.Segment), cmp.Compare(p.From, q.From))
	})
	err = s.writeAside(ctx, func(tx *Tx) error {
		fresh = make([]bool, len(pieces))
		var add []apim.UsagePiece
		for _, i := range order {
			if fresh[i], err = tx.System().countSegment(ctx, pieces[i], now); err != nil {
				return err
			}
			if fresh[i] {
				add = append(add, pieces[i])
			}
		}
		return tx.System().addUsage(ctx, add)
	})
	if err != nil {
		return nil, err
	}
	return fresh, nil
}

// countSegment moves a segment past a piece, and reports whether it did: it does
// not when the piece was counted before.
func (s System) countSegment(ctx context.Context, p apim.UsagePiece, now time.Time) (bool, error) {
	res := s.in(ctx).Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "spool"}, {Name: "segment"}},
		DoUpdates: clause.AssignmentColumns([]string{"next", "counted_at"}),
		Where:     clause.Where{Exprs: []clause.Expression{gorm.Expr("usage_segment.next <= ?", p.From)}},
	}).Create(&usageSegmentRow{Spool: p.Spool, Segment: p.Segment, Next: p.To, Environment: p.Environment, Node: p.Node, Counted: micros(now)})
	if res.Error != nil {
		return false, fmt.Errorf("count usage: %w", away(res.Error))
	}
	if res.RowsAffected > 0 {
		return true, nil
	}
	// A spool never cuts the same calls in two ways; one that does is not ours.
	row, err := one[usageSegmentRow](s.in(ctx).Where("spool = ? AND segment = ?", p.Spool, p.Segment), "segment of usage")
	if err == nil && row.Next < p.To {
		err = apim.Errorf(apim.Invalid, "usage %s/%d from %d to %d overlaps what was counted up to %d", p.Spool, p.Segment, p.From, p.To, row.Next)
	}
	return false, err
}

// usageKey is what calls are counted together by. Whose they are follows from it.
type usageKey struct {
	environment                              string
	minute                                   int64
	version, application, subscription, plan apim.ID
	operation, code                          string
	status                                   int
}

// addUsage adds the lines of pieces to those of their minutes.
func (s System) addUsage(ctx context.Context, pieces []apim.UsagePiece) error {
	lines := map[usageKey]*usageMinuteRow{}
	var versions, applications []apim.ID
	for _, p := range pieces {
		for _, l := range p.Lines {
			l.Environment = p.Environment
			key := usageKey{l.Environment, micros(l.Minute), l.Version, l.Application, l.Subscription, l.Plan, l.Operation, l.Code, l.Status}
			if r := lines[key]; r != nil {
				r.add(l)
				continue
			}
			r := usageRow(l)
			lines[key] = &r
			versions, applications = append(versions, l.Version), append(applications, l.Application)
		}
	}
	offering, err := s.tenantsOf(ctx, "version", versions)
	if err != nil {
		return err
	}
	using, err := s.tenantsOf(ctx, "application", applications)
	if err != nil {
		return err
	}
	rows := make([]usageMinuteRow, 0, len(lines))
	for _, r := range lines {
		r.TenantID, r.ApplicationTenantID = offering[r.VersionID], using[r.ApplicationID]
		r.ID = r.id()
		rows = append(rows, *r)
	}
	slices.SortFunc(rows, func(a, b usageMinuteRow) int { return cmp.Compare(a.ID, b.ID) })
	if s.in(ctx).Name() == "postgres" {
		return s.addRowsAtOnce(ctx, rows)
	}
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

// addRowsAtOnce adds rows in one statement of PostgreSQL whose parameters are
// the columns: one of 30 parameters for each row takes it longer to read than
// the rows to add.
func (s System) addRowsAtOnce(ctx context.Context, rows []usageMinuteRow) error {
	texts, numbers := usageTexts(), append([]string{"minute", "status"}, counted()...)
	values := make([]any, 0, len(texts)+len(numbers))
	var from, add []string
	for range texts {
		values, from = append(values, &[]string{}), append(from, "?::text[]")
	}
	for range numbers {
		values, from = append(values, &[]int64{}), append(from, "?::bigint[]")
	}
	for i := range rows {
		for at, text := range rows[i].texts() {
			if err := storable(text); err != nil {
				return err
			}
			column := values[at].(*[]string)
			*column = append(*column, text)
		}
		for at, n := range rows[i].numbers() {
			column := values[len(texts)+at].(*[]int64)
			*column = append(*column, n)
		}
	}
	for _, name := range counted() {
		add = append(add, fmt.Sprintf("%s = usage_minute.%[1]s + excluded.%[1]s", name))
	}
	names := strings.Join(append(texts, numbers...), ", ")
	err := s.in(ctx).Exec("INSERT INTO usage_minute ("+names+") SELECT * FROM unnest("+strings.Join(from, ", ")+
		") ON CONFLICT (id) DO UPDATE SET "+strings.Join(add, ", "), values...).Error
	if err != nil {
		return fmt.Errorf("count usage: %w", away(err))
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
