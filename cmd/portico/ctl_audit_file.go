package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"portico/internal/apim"
	"portico/manager/rest"
)

// inFile says which part of a log an exported file holds.
type inFile struct {
	First int64 `json:"first"` // sequence of its first row
	Last  int64 `json:"last"`
	// Noted is the row whose hash was given by --head; 0 when none was.
	Noted int64 `json:"noted,omitempty"`
}

func (f inFile) print(w io.Writer, name string, v verified) {
	if f.First == 1 {
		fmt.Fprintf(w, "%s: all %d rows fit, from the first of the log on.\n", name, v.Rows)
	} else {
		fmt.Fprintf(w, "%s: all %d rows fit, which are a stretch of the log: rows %d to %d. What was before them is not in the file.\n", name, v.Rows, f.First, f.Last)
	}
	switch {
	case f.Noted == 0:
		fmt.Fprintf(w, "Whether rows are missing after row %d a file cannot tell. Its hash is %s; note it, or give one noted elsewhere by --head.\n", f.Last, v.Head)
	case f.Noted == f.Last:
		fmt.Fprintf(w, "It ends with the row that was noted.\n")
	default:
		fmt.Fprintf(w, "The row that was noted, %d, is in it, and %d later ones.\n", f.Noted, f.Last-f.Noted)
	}
}

// longestAuditRow bounds a line of an export, in bytes.
const longestAuditRow = 64 << 20

// inFile checks an export from its first line to its last, a line in memory at
// a time. It asks nobody.
func (c *ctlAuditVerify) inFile(_ context.Context, stdio *ctlIO) (_ []verified, err error) {
	in := stdio.In
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return nil, fmt.Errorf("read the export: %w", err)
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		in = file
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestAuditRow)
	walk, noted := apim.AuditWalk{Anywhere: true}, int64(0)
	var broken *brokenLink
	for n := 1; broken == nil && lines.Scan(); n++ {
		row, err := rest.ReadAuditRow(lines.Bytes())
		if err != nil {
			broken = &brokenLink{Line: n, Detail: "it is not a row as Portico exports them"}
			break
		}
		if why := walk.Step(row); why != "" {
			broken = &brokenLink{Sequence: row.Sequence, ID: string(row.ID), At: row.At, Line: n, Detail: why}
		} else if row.Hash == c.Head {
			noted = row.Sequence
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	last := walk.Last
	switch {
	case broken != nil:
	case walk.Rows == 0:
		return nil, errors.New("the file holds no rows")
	case c.Head != "" && noted == 0:
		broken = &brokenLink{Sequence: last.Sequence + 1, Detail: "the row that was noted is not in the file, so its end was cut, or the hash is another log's"}
	}
	return []verified{{
		Tenant: string(last.Tenant), Rows: walk.Rows, Whole: broken == nil, Head: last.Hash, Broken: broken,
		File: &inFile{First: walk.First.Sequence, Last: last.Sequence, Noted: noted},
	}}, nil
}
