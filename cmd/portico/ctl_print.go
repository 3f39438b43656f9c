package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
)

// raw prints the manager's answer, indented.
func (s *session) raw(answer []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(answer), "", "  "); err != nil {
		return fmt.Errorf("indent answer: %w", err)
	}
	b.WriteByte('\n')
	_, err := s.io.Out.Write(b.Bytes())
	return err
}

// say prints a line for people.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.io.Out, format+"\n", clean(args)...)
}

// clean keeps what other people wrote from steering the terminal.
func clean(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		if text, ok := a.(string); ok {
			a = printable(text)
		}
		out[i] = a
	}
	return out
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}

// table prints aligned columns; the first row is the heading.
func (s *session) table(rows [][]string) error {
	w := tabwriter.NewWriter(s.io.Out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, c := range row {
			if cells[i] = printable(c); cells[i] == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), " "))
	}
	return w.Flush()
}

// all walks a list to its end and returns its items, raw.
func (s *session) all(ctx context.Context, path string, query url.Values) ([]json.RawMessage, error) {
	q := url.Values{"limit": {"200"}}
	for name, values := range query {
		q[name] = values
	}
	items := []json.RawMessage{}
	for {
		var page struct {
			Items      []json.RawMessage
			NextCursor string `json:"next_cursor"`
		}
		if err := s.get(ctx, path, q, &page); err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.NextCursor == "" {
			return items, nil
		}
		q.Set("cursor", page.NextCursor)
	}
}

// list prints all items of a list: as JSON, or as a table with a row for each.
func list[T any](ctx context.Context, s *session, path string, query url.Values, heading []string, row func(T) []string) error {
	items, err := s.all(ctx, path, query)
	if err != nil {
		return err
	}
	return printItems(s, items, heading, row)
}

func printItems[T any](s *session, items []json.RawMessage, heading []string, row func(T) []string) error {
	if s.flags.JSON {
		return printJSON(s.io.Out, map[string]any{"items": items})
	}
	rows := [][]string{heading}
	for _, raw := range items {
		var item T
		if err := json.Unmarshal(raw, &item); err != nil {
			return fmt.Errorf("read item: %w", err)
		}
		rows = append(rows, row(item))
	}
	if len(rows) == 1 {
		s.say("None.")
		return nil
	}
	return s.table(rows)
}

func printJSON(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(value)
}

// confirmation is what an answer says of the nodes.
type confirmation struct {
	Change  *struct{ Sequence uint64 }
	Applied *struct {
		Nodes []struct {
			Name, State, Reason string
		}
		Done   bool
		TookMS *int64 `json:"took_ms"`
	}
}

// String says it in a sentence, "" when nothing reached the nodes.
func (c confirmation) String() string {
	if c.Applied == nil {
		if c.Change == nil {
			return ""
		}
		return fmt.Sprintf("Published as #%d.", c.Change.Sequence)
	}
	live, late := 0, []string{}
	for _, n := range c.Applied.Nodes {
		switch {
		case n.State == "applied":
			live++
		case n.Reason != "":
			late = append(late, n.Name+" "+n.State+" ("+n.Reason+")")
		default:
			late = append(late, n.Name+" "+n.State)
		}
	}
	text := fmt.Sprintf("In force on %d of %d nodes", live, len(c.Applied.Nodes))
	if c.Applied.Done && c.Applied.TookMS != nil {
		text += fmt.Sprintf(", %d ms", *c.Applied.TookMS)
	}
	if len(late) > 0 {
		text += "; " + strings.Join(late, ", ")
	}
	return text + "."
}

// done prints the answer to a change: as JSON, or a sentence and what the nodes
// confirm.
func (s *session) done(answer []byte, format string, args ...any) error {
	if s.flags.JSON {
		return s.raw(answer)
	}
	s.say(format, args...)
	var c confirmation
	if err := json.Unmarshal(answer, &c); err == nil && c.String() != "" {
		s.say("%s", c.String())
	}
	return nil
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// when prints a time in the reader's zone, "" for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04")
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
