// Package logs writes the library's log as JSON lines without its arguments.
//
// The library formats addresses, message ids and server texts into its lines. Only level, module and the
// template are written, so that none of them leaves the program.
package logs

import (
	"encoding/json"
	"io"
	"sync"

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
func (writer *Writer) Module(name string) waLog.Logger { return &logger{writer, name} }

func (writer *Writer) line(level, module, template string) {
	line, err := json.Marshal(map[string]string{"level": level, "module": module, "event": template})
	if err != nil {
		return
	}
	writer.lock.Lock()
	defer writer.lock.Unlock()
	_, _ = writer.to.Write(append(line, '\n'))
}

type logger struct {
	writer *Writer
	module string
}

func (log *logger) Errorf(template string, _ ...any) { log.writer.line("error", log.module, template) }
func (log *logger) Warnf(template string, _ ...any)  { log.writer.line("warning", log.module, template) }
func (log *logger) Infof(template string, _ ...any)  { log.writer.line("info", log.module, template) }
func (log *logger) Debugf(string, ...any)            {}

func (log *logger) Sub(module string) waLog.Logger {
	return &logger{log.writer, log.module + "/" + module}
}
