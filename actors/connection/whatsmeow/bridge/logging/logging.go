// Package logging writes the library's log to stderr as JSON lines without arguments, which hold numbers and texts.
//
// The library formats addresses, message ids and server texts into its lines. Only level, module and the
// template are written, so that none of them leaves the program.
package logging

import (
	"encoding/json"
	"io"
	"sync"

	signalLog "go.mau.fi/libsignal/logger"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// Writer writes lines to one stream.
type Writer struct {
	lock sync.Mutex
	to   io.Writer
}

// New returns a writer of lines to the stream.
func New(to io.Writer) *Writer { return &Writer{to: to} }

// Module returns the logger of a module. Debug lines are dropped.
func (w *Writer) Module(name string) waLog.Logger { return &module{w, name} }

func (w *Writer) line(level, module, template string) {
	line, err := json.Marshal(map[string]string{"level": level, "module": module, "event": template})
	if err != nil {
		return
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	_, _ = w.to.Write(append(line, '\n'))
}

type module struct {
	writer *Writer
	name   string
}

func (m *module) Errorf(template string, _ ...any) { m.writer.line("error", m.name, template) }
func (m *module) Warnf(template string, _ ...any)  { m.writer.line("warning", m.name, template) }
func (m *module) Infof(template string, _ ...any)  { m.writer.line("info", m.name, template) }
func (m *module) Debugf(string, ...any)            {}

func (m *module) Sub(name string) waLog.Logger {
	return &module{m.writer, m.name + "/" + name}
}

// TakeSignal has the Signal library log here too: which line of its code failed, and nothing else.
func (w *Writer) TakeSignal() {
	var log signalLog.Loggable = &signal{w}
	signalLog.Setup(&log)
}

type signal struct{ writer *Writer }

func (s *signal) Debug(_, _ string)        {}
func (s *signal) Info(_, _ string)         {}
func (s *signal) Warning(caller, _ string) { s.writer.line("warning", "signal", caller) }
func (s *signal) Error(caller, _ string)   { s.writer.line("warning", "signal", caller) }
func (s *signal) Configure(string)         {}
