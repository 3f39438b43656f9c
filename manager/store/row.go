package store

import (
	"database/sql/driver"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"portico/internal/apim"
)

// micros returns a time as it is stored: microseconds since 1970, 0 for none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func when(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// optional returns a reference as it is stored: NULL for none.
func optional(id apim.ID) *apim.ID {
	if id == "" {
		return nil
	}
	return &id
}

func required(id *apim.ID) apim.ID {
	if id == nil {
		return ""
	}
	return *id
}

// jsonOf keeps a list or a small tree as JSON text.
type jsonOf[T any] struct{ V T }

// Value returns the text. PostgreSQL's jsonb takes no NUL, escaped or not.
func (j jsonOf[T]) Value() (driver.Value, error) {
	raw, err := json.Marshal(j.V)
	text := string(raw)
	if strings.Contains(strings.ReplaceAll(text, `\\`, ""), `\u0000`) {
		return nil, errUnstorable()
	}
	return text, err
}

// isText reports whether a value is bound as text, whatever its type's name.
func isText(v any) bool { return reflect.ValueOf(v).Kind() == reflect.String }

// storable refuses, for both dialects, what only one of them would keep as
// text. The dialectors call it with every value that they bind.
func storable(v any) error {
	if !isText(v) {
		return nil
	}
	if text := reflect.ValueOf(v).String(); strings.IndexByte(text, 0) >= 0 || !utf8.ValidString(text) {
		return errUnstorable()
	}
	return nil
}

func errUnstorable() error {
	return apim.Errorf(apim.Invalid, "text with a NUL character, or that is not UTF-8, cannot be kept or looked for")
}

// Scan reads the text back.
func (j *jsonOf[T]) Scan(src any) error {
	switch v := src.(type) {
	case string:
		return json.Unmarshal([]byte(v), &j.V)
	case []byte:
		return json.Unmarshal(v, &j.V)
	}
	return fmt.Errorf("a %T is no JSON text", src)
}

// GormDataType tells gorm that the struct is one column.
func (jsonOf[T]) GormDataType() string { return "text" }

// insert adds one row or a slice of rows.
func insert(db *gorm.DB, noun string, rows any) error {
	if err := db.Create(rows).Error; err != nil {
		return fmt.Errorf("insert %s: %w", noun, refuse(err, noun))
	}
	return nil
}

// update is the one form of changing a row: db carries the conditions that
// name it, columns what is written, and the row's old lock is part of the
// condition. No row changed means that somebody was faster, or that it is gone.
func update[R any](db *gorm.DB, noun string, row *R, lock int64, columns ...string) error {
	res := db.Model(new(R)).Where(clause.Eq{Column: clause.Column{Table: clause.CurrentTable, Name: "lock"}, Value: lock}).
		Select(append(columns, "lock")).Updates(row)
	switch {
	case res.Error != nil:
		return fmt.Errorf("update %s: %w", noun, refuse(res.Error, noun))
	case res.RowsAffected == 0:
		return apim.Errorf(apim.Conflict, "the %s was changed meanwhile; load it again and repeat the change", noun).WithCode("changed_meanwhile")
	case res.RowsAffected > 1:
		return fmt.Errorf("update %s: %d rows changed", noun, res.RowsAffected)
	}
	return nil
}

// change writes columns of rows that have no lock.
func change[R any](db *gorm.DB, noun string, row *R, columns ...string) (int64, error) {
	res := db.Model(new(R)).Select(columns).Updates(row)
	if res.Error != nil {
		return 0, fmt.Errorf("update %s: %w", noun, refuse(res.Error, noun))
	}
	return res.RowsAffected, nil
}

// remove deletes rows. db carries the conditions.
func remove[R any](db *gorm.DB, noun string) (int64, error) {
	res := db.Delete(new(R))
	if res.Error != nil {
		return 0, fmt.Errorf("delete %s: %w", noun, refuse(res.Error, noun))
	}
	return res.RowsAffected, nil
}

// one loads a single row; none is NotFound.
func one[R any](db *gorm.DB, noun string) (R, error) {
	var row R
	err := db.Take(&row).Error
	switch {
	case errors.Is(err, gorm.ErrRecordNotFound):
		return row, apim.Errorf(apim.NotFound, "no such %s", noun)
	case err != nil:
		return row, fmt.Errorf("load %s: %w", noun, err)
	}
	return row, nil
}

// many loads all rows that db selects.
func many[R any](db *gorm.DB, noun string) ([]R, error) {
	var rows []R
	if err := db.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list %s: %w", noun, err)
	}
	return rows, nil
}

// count counts the rows of R's table that db selects.
func count[R any](db *gorm.DB, noun string) (int, error) {
	var n int64
	if err := db.Model(new(R)).Count(&n).Error; err != nil {
		return 0, fmt.Errorf("count %s: %w", noun, err)
	}
	return int(n), nil
}

// order names the columns of a list's order: a sort column and the id, both up
// or both down.
type order struct {
	table, by, id string
	down          bool
}

// paged loads one page in an order. at returns a row's place in it.
func paged[R any](db *gorm.DB, noun string, page apim.Page, o order, at func(R) (any, any)) ([]R, string, error) {
	by, id, dir, cmp := o.table+"."+o.by, o.table+"."+o.id, "", ">"
	if o.down {
		dir, cmp = " DESC", "<"
	}
	if page.Cursor != "" {
		var first R
		a, b, err := readCursor(page.Cursor)
		if err != nil {
			return nil, "", err
		}
		if x, y := at(first); isText(a) != isText(x) || isText(b) != isText(y) {
			return nil, "", badCursor()
		}
		db = db.Where("("+by+", "+id+") "+cmp+" (?, ?)", a, b)
	}
	rows, err := many[R](db.Order(by+dir+", "+id+dir).Limit(page.Size()+1), noun)
	if err != nil || len(rows) <= page.Size() {
		return rows, "", err
	}
	rows = rows[:page.Size()]
	return rows, writeCursor(at(rows[len(rows)-1])), nil
}

func writeCursor(a, b any) string {
	raw, _ := json.Marshal([]any{a, b}) // strings and integers only
	return base64.RawURLEncoding.EncodeToString(raw)
}

func badCursor() error {
	return &apim.Error{Kind: apim.Invalid, Message: "the cursor is not one of this list's", Fields: []apim.FieldError{
		{Field: "cursor", Code: "malformed", Detail: "take it from next_cursor of the page before, as it is"},
	}}
}

func readCursor(s string) (a, b any, err error) {
	bad := badCursor()
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, nil, bad
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	var parts []any
	if err := dec.Decode(&parts); err != nil || len(parts) != 2 {
		return nil, nil, bad
	}
	for i, p := range parts {
		switch p := p.(type) {
		case string:
		case json.Number:
			if parts[i], err = p.Int64(); err != nil {
				return nil, nil, bad
			}
		default:
			return nil, nil, bad
		}
	}
	return parts[0], parts[1], nil
}

// like returns a LIKE pattern that finds text anywhere, lower-cased; use it
// with ESCAPE '\'.
func like(text string) string {
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(text))
	return "%" + escaped + "%"
}

// sliceOf maps rows to what callers see.
func sliceOf[R, D any](rows []R, domain func(R) D) []D {
	out := make([]D, len(rows))
	for i, r := range rows {
		out[i] = domain(r)
	}
	return out
}
