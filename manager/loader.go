package manager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"

	"portico/internal/apim"
	"portico/manager/store"
	"portico/openapi"
	"portico/openapi/lint"
)

const (
	loadTimeout  = 3 * time.Minute  // of one document
	loadTries    = 2                // before a document is given up
	loaderIdle   = 5 * time.Second  // between looks at an empty queue
	sweepEvery   = 15 * time.Minute // staged imports and unused documents
	pagesAtOnce  = 100              // reference pages in a transaction
	progressStep = 500 * time.Millisecond
)

// wakeLoader tells the loader that there is something to do.
func (c *Catalog) wakeLoader() {
	select {
	case c.loaderWoken() <- struct{}{}:
	default: // it is awake
	}
}

func (c *Catalog) loaderWoken() chan struct{} {
	c.wakeOnce.Do(func() { c.wake = make(chan struct{}, 1) })
	return c.wake
}

// RunLoader does the second phase of imports, one document at a time, until
// ctx ends. What a killed process left half done is done again, twice at most:
// a document that takes the process with it is then given up with a finding.
func (c *Catalog) RunLoader(ctx context.Context) error {
	var swept time.Time
	for {
		if now := c.now(); now.Sub(swept) >= sweepEvery {
			swept = now
			c.sweep(ctx, now)
		}
		more, err := c.loadNext(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			c.Log.ErrorContext(ctx, "document not loaded", "err", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.loaderWoken():
		case <-time.After(loaderIdle):
		}
	}
}

func (c *Catalog) sweep(ctx context.Context, now time.Time) {
	err := c.Store.Write(ctx, func(tx *store.Tx) error {
		n, err := tx.System().SweepDocuments(ctx, now.Add(-stagedFor))
		if n > 0 {
			c.Log.InfoContext(ctx, "unused documents removed", "documents", n)
		}
		return err
	})
	if err == nil {
		err = c.Store.SweepSessions(ctx, now)
	}
	if err == nil {
		err = c.Store.SweepOnce(ctx, now)
	}
	if err == nil {
		err = c.Store.Tend(ctx)
	}
	if err != nil && ctx.Err() == nil {
		c.Log.WarnContext(ctx, "sweep incomplete", "err", err)
	}
}

// loadNext loads the next document; more is false when there was none.
func (c *Catalog) loadNext(ctx context.Context) (more bool, err error) {
	var d apim.Document
	var tries int
	err = c.Store.Write(ctx, func(tx *store.Tx) (err error) {
		d, tries, err = tx.System().NextDocument(ctx)
		return err
	})
	if apim.KindOf(err) == apim.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if tries >= loadTries {
		return true, c.giveUp(ctx, d, "load_gave_up", "Loading the document ended twice without a result. Its operations work; their reference pages show what the scan found.")
	}
	started := time.Now()
	err = c.load(ctx, &d)
	switch {
	case err != nil && ctx.Err() != nil: // what was read whole stays so
		return false, c.untried(context.WithoutCancel(ctx), d, tries)
	case errors.Is(err, context.DeadlineExceeded):
		return true, c.giveUp(ctx, d, "load_too_slow", "Loading the document took longer than 3 minutes and was stopped. Its operations work; their reference pages show what the scan found.")
	case err != nil:
		return true, fmt.Errorf("load document %s: %w", d.ID, err)
	}
	c.Log.InfoContext(ctx, "document loaded", "document", d.ID, "operations", d.Operations, "score", d.Score, "took", time.Since(started))
	return true, nil
}

// untried puts a document back that the end of the program interrupted.
func (c *Catalog) untried(ctx context.Context, d apim.Document, tries int) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.Store.Write(ctx, func(tx *store.Tx) error { return tx.System().RequeueDocument(ctx, d.ID, tries) })
}

func (c *Catalog) giveUp(ctx context.Context, d apim.Document, code, message string) error {
	return c.Store.Write(ctx, func(tx *store.Tx) error {
		t := tx.Tenant(d.Tenant)
		have, err := t.Findings(ctx, d.ID, apim.Page{Limit: 200})
		if err != nil {
			return err
		}
		list := append([]apim.Finding{{Code: code, Severity: "error", Message: message}}, have.Items...)
		d.State, d.Stage, d.Findings = apim.LoadFailed, "", d.Findings+1
		if err := t.SetFindings(ctx, d.ID, list); err != nil {
			return err
		}
		return t.DocumentProgress(ctx, d)
	})
}

// load reads a document whole and stores its findings, its score and its
// reference. The next document waits until kin-openapi has let go of this one,
// which may be after the time is over: it does not look at contexts.
func (c *Catalog) load(ctx context.Context, d *apim.Document) error {
	raw, err := c.Store.Tenant(d.Tenant).DocumentBody(ctx, d.Digest)
	if err != nil {
		return err
	}
	loading, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	finished := make(chan struct{})
	source := ""
	if absoluteURL(d.Source) == nil {
		source = d.Source
	}
	last := time.Time{}
	doc, err := openapi.Load(loading, raw, openapi.LoadOptions{
		SourceURL: source,
		Progress: func(stage string, done, total int) {
			if time.Since(last) >= progressStep {
				last = time.Now()
				c.progress(loading, *d, stage, done, total)
			}
		},
		Finished: func() { close(finished) },
	})
	select {
	case <-finished:
	case <-ctx.Done():
		return ctx.Err()
	}
	var refused *openapi.Error
	switch {
	case errors.As(err, &refused): // the scan let it through, the load does not
		return c.giveUp(ctx, *d, refused.Code, refused.Message)
	case err != nil:
		return err
	}
	report := lint.Run(loading, doc)
	if err := loading.Err(); err != nil {
		return err
	}
	if err := c.storeReference(ctx, *d, doc); err != nil {
		return err
	}
	list := findings(append(append(doc.Outline.Findings, doc.Findings...), report.Findings...))
	d.State, d.Stage, d.Score, d.Passed = apim.Loaded, "", report.Score, report.Passed
	d.Findings = len(list) + doc.Outline.FindingsOmitted + report.Omitted
	d.Done, d.Total = len(doc.Outline.Operations), len(doc.Outline.Operations)
	return c.Store.Write(ctx, func(tx *store.Tx) error {
		t := tx.Tenant(d.Tenant)
		if err := t.SetFindings(ctx, d.ID, list); err != nil {
			return err
		}
		return t.DocumentProgress(ctx, *d)
	})
}

// progress writes how far a load has come. It is for people who watch: a
// failure is left to the next step that matters.
func (c *Catalog) progress(ctx context.Context, d apim.Document, stage string, done, total int) {
	d.State, d.Stage, d.Done, d.Total = apim.Loading, stage, done, total
	_ = c.Store.Write(ctx, func(tx *store.Tx) error { return tx.Tenant(d.Tenant).DocumentProgress(ctx, d) })
}

// storeReference stores the reference pages in small transactions, so that
// nobody else waits long for the database, and so that pages show as they come.
func (c *Catalog) storeReference(ctx context.Context, d apim.Document, doc *openapi.Document) error {
	err := c.Store.Write(ctx, func(tx *store.Tx) error { return tx.Tenant(d.Tenant).ClearReferences(ctx, d.ID) })
	if err != nil {
		return err
	}
	operations := pages("operation", doc.References(), func(r openapi.Reference) string { return r.ID })
	if err := c.storePages(ctx, d, "reference", len(doc.Outline.Operations), operations); err != nil {
		return err
	}
	return c.storePages(ctx, d, "schemas", 0, pages("schema", doc.Schemas(), func(s openapi.Schema) string { return s.Name }))
}

// pages makes stored pages of what a document yields.
func pages[T any](kind string, all iter.Seq[T], name func(T) string) iter.Seq2[store.ReferencePage, error] {
	return func(yield func(store.ReferencePage, error) bool) {
		for one := range all {
			raw, err := json.Marshal(one)
			if err == nil {
				raw, err = store.Compress(raw)
			}
			if !yield(store.ReferencePage{Kind: kind, Name: name(one), Body: raw}, err) {
				return
			}
		}
	}
}

func (c *Catalog) storePages(ctx context.Context, d apim.Document, stage string, total int, all iter.Seq2[store.ReferencePage, error]) error {
	done := 0
	batch := make([]store.ReferencePage, 0, pagesAtOnce)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		done += len(batch)
		d.State, d.Stage, d.Done, d.Total = apim.Loading, stage, done, max(done, total)
		err := c.Store.Write(ctx, func(tx *store.Tx) error {
			if err := tx.Tenant(d.Tenant).PutReferences(ctx, d.ID, batch); err != nil {
				return err
			}
			return tx.Tenant(d.Tenant).DocumentProgress(ctx, d)
		})
		batch = batch[:0]
		return err
	}
	for page, err := range all {
		if err != nil {
			return err
		}
		if batch = append(batch, page); len(batch) == pagesAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}
