package store

import (
	"context"
	"time"

	"portico/internal/apim"
)

type eventRow struct {
	ID        apim.ID `gorm:"primaryKey"`
	TenantID  apim.ID
	Kind      string
	Object    apim.ID
	Body      string
	Created   int64 `gorm:"column:created_at"`
	Due       int64 `gorm:"column:due_at"`
	Delivered int64 `gorm:"column:delivered_at"`
}

func (eventRow) TableName() string { return "event" }

func (r eventRow) domain() apim.Event {
	return apim.Event{ID: r.ID, Tenant: r.TenantID, Kind: r.Kind, Object: r.Object, Body: r.Body, CreatedAt: when(r.Created), DueAt: when(r.Due)}
}

// InsertEvent adds what is to be told.
func (s System) InsertEvent(ctx context.Context, e apim.Event) error {
	return insert(s.in(ctx), "event", &eventRow{
		ID: e.ID, TenantID: e.Tenant, Kind: e.Kind, Object: e.Object, Body: e.Body, Created: micros(e.CreatedAt), Due: micros(e.DueAt),
	})
}

// DropEvents takes back what is not due yet, since it was undone.
func (s System) DropEvents(ctx context.Context, object apim.ID, kind string, now time.Time) error {
	_, err := remove[eventRow](s.in(ctx).Where("object = ? AND kind = ? AND delivered_at = 0 AND due_at > ?", object, kind, micros(now)), "event")
	return err
}

// DueEvents returns what is to be told now and was not, oldest first, of at
// most limit.
func (s System) DueEvents(ctx context.Context, now time.Time, limit int) ([]apim.Event, error) {
	rows, err := many[eventRow](s.in(ctx).Where("delivered_at = 0 AND due_at <= ?", micros(now)).Order("due_at, id").Limit(limit), "events")
	return sliceOf(rows, eventRow.domain), err
}
