// Command teimoso-whatsmeow, a child of the connection's actor, serves one account on its socket; keys in whatsmeow.db.
//
// Requests and events pass a socket that the parent hands over; the log goes to standard error as JSON lines.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"teimoso-whatsmeow/engine"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/logging"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/vault"
)

// Exit codes: no pipe, or it broke the format; the database failed or belongs to a newer owner.
const (
	exitMalformed = 2
	exitStore     = 3
)

// closing is how long the socket and the database may take to close once the actor is gone, whose stop waits for 5 s.
const closing = 3 * time.Second

func main() {
	descriptor := flag.Int("fd", 3, "the file descriptor of the socket to the parent")
	version := flag.Bool("version", false, "print the version of whatsmeow in the program, and end")
	schema := flag.Bool("schema", false, "print the schema that the program brings a key database to, and end")
	flag.Parse()
	if *schema {
		fmt.Println(vault.Schema())
		return
	}
	if *version {
		fmt.Println("whatsmeow", library.Version())
		return
	}
	// One account is served, beside many others on the host: waking more threads for it costs more than they do.
	runtime.GOMAXPROCS(1)
	// The program dies with the thread of the parent that started it, and with the end of the socket.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0, 0, 0); err != nil {
		os.Exit(exitMalformed)
	}
	file := os.NewFile(uintptr(*descriptor), "parent")
	if file == nil {
		os.Exit(exitMalformed)
	}
	stream, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		os.Exit(exitMalformed)
	}
	os.Exit(serve(stream))
}

func serve(stream net.Conn) int {
	log := logging.New(os.Stderr)
	log.TakeSignal()
	one := pipe.New(stream)
	account := engine.New(one, log)
	ended := make(chan error, 1)
	go func() { ended <- one.Serve(account.Handle) }()
	select {
	case err := <-ended:
		// An actor that dies with frames of ours unread resets the socket.
		if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
			return exitMalformed
		}
		// The actor is gone: nothing is finished for it. All commits go into the database's file.
		within(closing, func() { _ = account.Close() })
		return 0
	case <-account.Closed():
		within(closing, one.Flush)
		return 0
	case <-account.Fatal():
		within(closing, one.Flush)
		return exitStore
	}
}

// within returns once `work` did, or after so long.
func within(limit time.Duration, work func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
