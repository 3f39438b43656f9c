package browser_test

import (
	"bytes"
	"context"
	"image/png"
	"os"
	"path/filepath"

	"github.com/chromedp/chromedp"
)

// shotsFolder is where pictures of every page go, "" for nowhere.
func shotsFolder() string { return os.Getenv("PORTICO_SHOTS") }

// shot writes what the window shows to folder/name.png, as small as PNG makes
// it, and returns its size in bytes.
func (b *tab) shot(folder, name string) int {
	b.t.Helper()
	var raw []byte
	b.call(func(ctx context.Context) (err error) {
		raw, err = chromedp.Run(ctx, chromedp.CaptureScreenshot())
		return err
	})
	image, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		b.t.Fatal(err)
	}
	var small bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, image); err != nil {
		b.t.Fatal(err)
	}
	if small.Len() < len(raw) {
		raw = small.Bytes()
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), raw, 0o644); err != nil {
		b.t.Fatal(err)
	}
	return len(raw)
}

// pictures takes a page in both themes and two widths, where pictures are asked for.
func (b *tab) pictures(name string, height int64) {
	b.t.Helper()
	folder := shotsFolder()
	if folder == "" {
		return
	}
	for size, width := range map[string]int64{"wide": 1440, "narrow": 390} {
		for _, theme := range []string{"light", "dark"} {
			b.theme(theme)
			b.sized(width, height)
			b.shot(folder, name+"-"+size+"-"+theme)
		}
	}
	b.theme("light")
	b.sized(1440, 900)
}
