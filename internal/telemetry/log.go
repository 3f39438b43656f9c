// Package telemetry makes the process's log. Metrics are made where they are
// counted; traces come with the gateway's lanes.
//
// It deliberately knows no noun of Portico: what is logged, and never a
// secret, is the callers' to decide.
package telemetry

import (
	"io"
	"log"
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

// Adopt makes what libraries write with the standard package log, such as
// net/http of a frame that it does not know, lines of this one at the level debug:
// an upstream must not fill an operator's log. It concerns the whole process.
func Adopt(by *slog.Logger) {
	log.SetFlags(0) // the time is in each line already
	log.SetOutput(slog.NewLogLogger(by.Handler(), slog.LevelDebug).Writer())
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
