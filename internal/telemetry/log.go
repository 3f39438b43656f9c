// Package telemetry makes the process's log. Metrics are made where they are
// counted; traces come with the gateway's lanes.
//
// It deliberately knows no noun of Portico: what is logged, and never a
// secret, is the callers' to decide.
package telemetry

import (
	"io"
	"log/slog"
	"os"
)

// NewLog returns a log that writes to w: lines of text ("text"), JSON
// ("json"), or text on a terminal and JSON elsewhere ("auto"). It is safe for
// concurrent use.
func NewLog(w io.Writer, format string, level slog.Level) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "text" || format == "auto" && terminal(w) {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
