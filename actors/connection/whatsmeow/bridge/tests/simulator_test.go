// Package tests runs the program against the project's WhatsApp simulator, and the stock library beside it.
package tests

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/store"
)

// root is the project's directory, where the simulator and its Python are.
const root = "../../../../.."

// server is the simulator that all tests share; each test has accounts of its own.
type server struct {
	URL       string `json:"ws_url"`
	Control   string `json:"control_url"`
	RootKey   string `json:"root_key"`
	Authority string `json:"media_authority"`
}

var (
	simulator *server
	program   string
	lacking   string // why there is no simulator
)

func TestMain(m *testing.M) {
	code := func() int {
		directory, err := os.MkdirTemp("", "teimoso-whatsmeow")
		if err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(directory) }()
		build(directory)
		stop := startSimulator(directory)
		defer stop()
		return m.Run()
	}()
	os.Exit(code)
}

// build builds the program with the race detector, whose reports fail the test that had the program.
//
// The library as it comes runs in the tests' own process, which is built without: it has races of its own, as of a
// device that is deleted beside messages that are handled. SQLite, C turned into Go whose connections have one user
// at a time each, and cryptography, which shares nothing, are not observed (race.flags): that saves three quarters of
// the processor time.
func build(directory string) {
	program = filepath.Join(directory, "teimoso-whatsmeow")
	arguments, cgo := []string{"build", "-ldflags=-w", "-o", program}, "CGO_ENABLED=0"
	if _, err := exec.LookPath(compiler()); err == nil {
		flags, err := os.ReadFile("race.flags")
		if err != nil {
			panic(err)
		}
		arguments, cgo = append(arguments, strings.Fields(string(flags))...), "CGO_ENABLED=1" // the detector needs it
	} else {
		fmt.Fprintln(os.Stderr, "No C compiler here: the program runs without the race detector.")
	}
	command := exec.Command("go", append(arguments, "..")...)
	command.Env = append(os.Environ(), cgo)
	if output, err := command.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v: %s", err, output))
	}
}

func compiler() string {
	found, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		panic(err)
	}
	return strings.Fields(string(found))[0]
}

func startSimulator(directory string) func() {
	python := os.Getenv("PYTHON")
	if python == "" {
		python = filepath.Join(root, ".venv/bin/python")
	}
	python, err := filepath.Abs(python)
	if err == nil {
		_, err = os.Stat(python)
	}
	if err != nil {
		lacking = "no Python environment for the simulator: run `make setup`, or name one with PYTHON"
		fmt.Fprintln(os.Stderr, "skipped:", lacking)
		return func() {}
	}
	command := exec.Command(python, "-m", "simulator", "--port", "0", "--control-port", "0",
		"--media-port", "0", "--data", filepath.Join(directory, "simulator"))
	command.Dir = root
	output, err := command.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := command.Start(); err != nil {
		panic(err)
	}
	lines := bufio.NewReader(output)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		panic(fmt.Sprintf("the simulator did not start: %v", err))
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()
	simulator = &server{}
	if err := json.Unmarshal(line, simulator); err != nil {
		panic(err)
	}
	told := map[string]any{}
	if err := simulator.request(http.MethodGet, "/", nil, &told); err != nil {
		panic(err)
	}
	simulator.Authority, _ = told["media_authority"].(string)
	key, err := hex.DecodeString(simulator.RootKey)
	if err != nil {
		panic(err)
	}
	// For the library as it comes, which has both as variables of the process.
	copy(whatsmeow.WACertPubKey[:], key)
	store.SetWAVersion(store.WAVersionContainer{2, 3000, 1050000000})
	// For the engine that a test runs in this process, since a dead socket shows by its pings alone.
	whatsmeow.KeepAliveIntervalMin, whatsmeow.KeepAliveIntervalMax = 500*time.Millisecond, 700*time.Millisecond
	whatsmeow.KeepAliveResponseDeadline = 500 * time.Millisecond
	return func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
}

// need skips a test that has no simulator to run against.
func need(t *testing.T) {
	t.Helper()
	if lacking != "" {
		t.Skip(lacking)
	}
}

func (one *server) request(method, path string, body, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(encoded)
	}
	request, err := http.NewRequest(method, one.Control+path, content)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	found, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s", method, path, found)
	}
	if into == nil || len(found) == 0 {
		return nil
	}
	return json.Unmarshal(found, into)
}

type object = map[string]any

// post changes the simulator and returns its answer.
func post(t *testing.T, path string, body object) object {
	t.Helper()
	answer := object{}
	if err := simulator.request(http.MethodPost, path, body, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func get(t *testing.T, path string) object {
	t.Helper()
	answer := object{}
	if err := simulator.request(http.MethodGet, path, nil, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func items(found object, name string) []object {
	all := []object{}
	list, _ := found[name].([]any)
	for _, each := range list {
		if item, ok := each.(object); ok {
			all = append(all, item)
		}
	}
	return all
}

var lastNumber atomic.Int64

// number returns a number that no other test has.
func number() string { return strconv.FormatInt(15550100100+lastNumber.Add(1), 10) }

// fault begins a fault of an account.
func fault(t *testing.T, account, kind string, more object) {
	t.Helper()
	body := object{"account": account, "kind": kind}
	for name, value := range more {
		body[name] = value
	}
	post(t, "/faults", body)
}

// clearFaults ends the faults of an account.
func clearFaults(t *testing.T, account string) {
	t.Helper()
	if err := simulator.request(http.MethodDelete, "/faults?account="+account, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// strikes returns whether a fault happened to an account.
func strikes(t *testing.T, account, kind string) bool {
	t.Helper()
	for _, each := range items(get(t, "/faults?account="+account), "items") {
		if each["kind"] == kind && each["struck"].(float64) > 0 {
			return true
		}
	}
	return false
}

// struck asserts that a fault happened to an account.
func struck(t *testing.T, account, kind string) {
	t.Helper()
	if !strikes(t, account, kind) {
		t.Fatalf("the fault %s did not happen: %v", kind, get(t, "/faults?account="+account))
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, time.Minute, what, holds)
}

// patiently waits for much work.
func patiently(t *testing.T, what string, holds func() bool) {
	t.Helper()
	within(t, 5*time.Minute, what, holds)
}

func within(t *testing.T, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within %v: %s", patience, what)
}

// said returns how one message of a person fares.
func said(t *testing.T, person, id string) object {
	t.Helper()
	for _, each := range items(get(t, "/contacts/"+person+"/said"), "items") {
		if each["id"] == id {
			return each
		}
	}
	t.Fatalf("%s was never said", id)
	return nil
}

// settled asserts that the account's sockets owe the server no answer.
func settled(t *testing.T, account string) {
	t.Helper()
	found := get(t, "/unanswered?wait=10&account="+account)
	if open, late := items(found, "open"), items(found, "late"); len(open)+len(late) > 0 {
		t.Fatalf("unanswered: %v", found)
	}
}
