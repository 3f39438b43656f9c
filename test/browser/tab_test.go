package browser_test

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// actionTime bounds one thing that a person does or waits for. It is long
// because the machines that run this are small and shared.
const actionTime = 15 * time.Second

// tab is one page of a browser with cookies of its own, and what its console said.
type tab struct {
	t   testing.TB
	ctx context.Context
	url string // what visit prefixes

	mu        sync.Mutex // guards complaint
	complaint []string
}

// openAt opens a tab of somebody new, 1440 wide, in the light theme.
func openAt(t *testing.T, url string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, url: url}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // the tab lives as long as ctx
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatal(err)
	}
	b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, log.Enable, cdp.Empty{})
		return err
	})
	b.sized(1440, 900)
	b.theme("light")
	return b
}

func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == "error" || e.Entry.Level == "warning" {
			b.complaint = append(b.complaint, e.Entry.Text+" "+e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.complaint = append(b.complaint, e.ExceptionDetails.Text)
	}
}

// quiet fails the test if the console said anything that is not expected: a
// refused inline style, a missing file, an exception.
func (b *tab) quiet(expected ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaint {
		known := false
		for _, e := range expected {
			known = known || strings.Contains(c, e)
		}
		if !known {
			b.t.Errorf("console: %s", c)
		}
	}
	b.complaint = nil
}

func (b *tab) call(f func(context.Context) error) {
	b.t.Helper()
	ctx, stop := context.WithTimeout(b.ctx, actionTime)
	defer stop()
	if err := f(ctx); err != nil {
		b.t.Fatal(err)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	b.call(func(ctx context.Context) error { return chromedp.Do(ctx, steps...) })
}

// visit goes to a path of the tab's server, or to a whole address.
func (b *tab) visit(path string) {
	b.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.url + path
	}
	b.do(chromedp.Navigate(path))
}

// sized sets the window's size, and returns when the page was drawn in it:
// before that a thing may be measured where it is about to leave.
func (b *tab) sized(width, height int64) {
	b.t.Helper()
	b.do(chromedp.EmulateViewport(width, height))
	b.run(`new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))`)
}

// theme makes the reader's system light or dark, and still.
func (b *tab) theme(name string) {
	b.t.Helper()
	b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		return err
	})
}

// withoutScript switches JavaScript off, for the pages. The test's own
// expressions still run.
func (b *tab) withoutScript() {
	b.t.Helper()
	b.call(func(ctx context.Context) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	})
}

// run evaluates an expression, or a promise of one, to a string.
func (b *tab) run(expression string) (got string) {
	b.t.Helper()
	b.call(func(ctx context.Context) (err error) {
		got, err = chromedp.Run(ctx, chromedp.Evaluate[string](`Promise.resolve(`+expression+`).then(String)`, chromedp.EvalAwaitPromise))
		return err
	})
	return got
}

// script runs statements for their effect.
func (b *tab) script(statements string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](statements))
}

// until waits for an expression to be true. The page may change under it.
func (b *tab) until(what, expression string) {
	b.t.Helper()
	if err := b.soon(expression); err != "" {
		b.t.Fatalf("%s: not within %v (%.300s)\n%s", what, actionTime, err, b.text())
	}
}

// soon returns "" when an expression becomes true in time, else why not.
func (b *tab) soon(expression string) string {
	ctx, stop := context.WithTimeout(b.ctx, actionTime)
	defer stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`Boolean(`+expression+`)`))
		if err == nil && ok {
			return ""
		}
		select {
		case <-ctx.Done():
			if err != nil {
				return err.Error()
			}
			return expression
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// text is what the page shows, for messages.
func (b *tab) text() string {
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + '\n' + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return got
}

// js is a text as a JavaScript string.
func js(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string is always JSON
	}
	return string(raw)
}
