//go:build !linux || !(amd64 || arm64)

package socket

import "errors"

func newPipe() *Pipe { return nil }

func (p *Pipe) close() {}

// Fill does nothing: there are no pipes here.
func (p *Pipe) Fill(uintptr, int) (int, error) { return 0, errors.ErrUnsupported }

// Drain does nothing: there are no pipes here.
func (p *Pipe) Drain(uintptr) error { return errors.ErrUnsupported }
