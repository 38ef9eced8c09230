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
func (writer *Writer) Module(name string) waLog.Logger { return &module{writer, name} }

func (writer *Writer) line(level, module, template string) {
	line, err := json.Marshal(map[string]string{"level": level, "module": module, "event": template})
	if err != nil {
		return
	}
	writer.lock.Lock()
	defer writer.lock.Unlock()
	_, _ = writer.to.Write(append(line, '\n'))
}

type module struct {
	writer *Writer
	name   string
}

func (log *module) Errorf(template string, _ ...any) { log.writer.line("error", log.name, template) }
func (log *module) Warnf(template string, _ ...any)  { log.writer.line("warning", log.name, template) }
func (log *module) Infof(template string, _ ...any)  { log.writer.line("info", log.name, template) }
func (log *module) Debugf(string, ...any)            {}

func (log *module) Sub(name string) waLog.Logger {
	return &module{log.writer, log.name + "/" + name}
}

// TakeSignal has the Signal library log here too: which line of its code failed, and nothing else.
func (writer *Writer) TakeSignal() {
	var log signalLog.Loggable = &signal{writer}
	signalLog.Setup(&log)
}

type signal struct{ writer *Writer }

func (log *signal) Debug(_, _ string)        {}
func (log *signal) Info(_, _ string)         {}
func (log *signal) Warning(caller, _ string) { log.writer.line("warning", "signal", caller) }
func (log *signal) Error(caller, _ string)   { log.writer.line("warning", "signal", caller) }
func (log *signal) Configure(string)         {}
