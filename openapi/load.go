package openapi

import "context"

// LoadOptions say what a load needs beside the document.
type LoadOptions struct {
	SourceURL string // as in ScanOptions
	Limits    Limits // zero fields mean the defaults

	// Progress, if set, is called as the load goes on, from one goroutine at
	// a time: done of total in what stage names. It may be called until
	// Finished is.
	Progress func(stage string, done, total int)

	// Finished, if set, is called once when the work has truly ended, which
	// may be after Load returned because its context ended: kin-openapi does
	// not look at contexts. Release there what lets one load run at a time.
	Finished func()
}

// The stages of a load.
const (
	StageRead     = "read"
	StageLoad     = "load"
	StageValidate = "validate"
)

// Load reads a document whole. What kin-openapi refuses becomes findings; it
// refuses itself what Scan refuses, with the same *Error. It returns as soon
// as the context ends, with the context's error.
func Load(ctx context.Context, raw []byte, opts LoadOptions) (*Document, error) {
	finished := opts.Finished
	if finished == nil {
		finished = func() {}
	}
	progress := opts.Progress
	if progress == nil {
		progress = func(string, int, int) {}
	}
	progress(StageRead, 0, 3)
	doc, err := open3(ctx, raw, opts)
	if err != nil {
		finished()
		return nil, err
	}
	done := make(chan []Finding, 1)
	go func() {
		defer finished()
		done <- secondReading(ctx, doc.src, raw, progress)
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case list := <-done:
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		doc.Findings = list
		progress(StageValidate, 3, 3)
		return doc, nil
	}
}

// open3 is the document as this package reads it, before kin-openapi does.
func open3(ctx context.Context, raw []byte, opts LoadOptions) (*Document, error) {
	src, err := read(raw, opts.Limits.withDefaults())
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	doc := &Document{src: src}
	doc.Outline, doc.places, err = scan(ctx, src, len(raw), ScanOptions{SourceURL: opts.SourceURL, Limits: opts.Limits})
	if err != nil {
		return nil, err
	}
	return doc, nil
}
