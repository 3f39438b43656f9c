package bus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
)

// serverLog passes the server's log on to slog. Its notices are our debug: they
// tell of a start that went well. A fatal error does not end the process here;
// it is kept for StartServer to return.
type serverLog struct {
	log *slog.Logger

	mu    sync.Mutex // guards fatal
	fatal error
}

func (l *serverLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Warnf(format string, v ...any)   { l.say(slog.LevelWarn, format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.say(slog.LevelError, format, v) }
func (l *serverLog) Debugf(string, ...any)           {}
func (l *serverLog) Tracef(string, ...any)           {}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.say(slog.LevelError, format, v)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fatal == nil {
		l.fatal = fmt.Errorf(format, v...)
	}
}

func (l *serverLog) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *serverLog) say(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "nats server", "says", fmt.Sprintf(format, v...))
}
