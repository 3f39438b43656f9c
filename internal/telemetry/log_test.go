package telemetry_test

import (
	"bytes"
	"log"
	"log/slog"
	"os"
	"strings"
	"testing"

	"portico/internal/telemetry"
)

func TestLogWritesTheFormatThatWasAskedFor(t *testing.T) {
	for _, c := range []struct{ format, want string }{
		{"text", `level=WARN msg="entry refused" key=api.1`},
		{"json", `"level":"WARN","msg":"entry refused","key":"api.1"}`},
		{"auto", `"msg":"entry refused"`}, // a buffer is no terminal
	} {
		var out bytes.Buffer
		log := telemetry.NewLog(&out, c.format, slog.LevelWarn)
		log.Info("not this")
		log.Warn("entry refused", "key", "api.1")
		if !strings.Contains(out.String(), c.want) || strings.Contains(out.String(), "not this") {
			t.Errorf("%s: got %q, want %q alone", c.format, out.String(), c.want)
		}
	}
}

func TestLibrariesWriteAtDebug(t *testing.T) {
	t.Cleanup(func() {
		log.SetOutput(os.Stderr)
		log.SetFlags(log.LstdFlags)
	})
	for level, want := range map[slog.Level]string{slog.LevelInfo: "", slog.LevelDebug: `"level":"DEBUG","msg":"unknown frame"}`} {
		var out bytes.Buffer
		telemetry.Adopt(telemetry.NewLog(&out, "json", level))
		log.Print("unknown frame")
		if got := strings.TrimSpace(out.String()); !strings.HasSuffix(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", level, got, want)
		}
	}
}
