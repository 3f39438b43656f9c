package telemetry_test

import (
	"bytes"
	"log/slog"
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
