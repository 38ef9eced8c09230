// Tests that an owner without a lease, or of an older epoch, sends and stores nothing.

package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"teimoso-whatsmeow/frame"
	"teimoso-whatsmeow/pipe"
)

func TestNothingLeavesWhoseQueriesOutlastTheLease(t *testing.T) {
	t.Parallel()
	one, friend := paired(t), number()
	known(t, one, friend)
	const id = "3EB0000000000000000032"
	fault(t, one.number, "delay_queries", object{"seconds": 2, "count": 1})
	waiting := one.begin("send", pipe.Fields{"chat": person(friend), "message_id": id}, words("x"))
	eventually(t, "the send waits for an answer", func() bool { return times(t, one.number, "delay_queries") == 1 })
	one.do("deadline", pipe.Fields{"ms": 0}, nil)
	if found := refusal(t, <-waiting); found.Code != "lease_over" || found.Uncertain {
		t.Errorf("%+v", found)
	}
	if inbox(t, friend, id) != nil {
		t.Error("it left all the same")
	}
}

func TestNothingLeavesAfterTheLease(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	one.do("deadline", pipe.Fields{"ms": 0}, nil)
	time.Sleep(10 * time.Millisecond)
	if found := refusal(t, one.send(person(friend), "3EB0000000000000000030", "x")); found.Code != "lease_over" || found.Uncertain {
		t.Errorf("%+v", found)
	}
	if found := refusal(t, one.ask("read", pipe.Fields{"chat": person(friend), "ids": []string{"x"}}, nil)); found.Code != "lease_over" {
		t.Errorf("%+v", found)
	}
	one.do("deadline", pipe.Fields{"ms": 60000}, nil)
	if sent := one.send(person(friend), "3EB0000000000000000031", "y"); sent.Err != nil {
		t.Error(sent.Err)
	}
	if inbox(t, friend, "3EB0000000000000000030") != nil || inbox(t, friend, "3EB0000000000000000031") == nil {
		t.Error("the wrong one arrived")
	}
}

func TestNewerOwnerEndsTheOlderOne(t *testing.T) {
	t.Parallel()
	older, friend := begun(t)
	newer := older.again(2) // the older one still has its socket
	// The older one may be gone already: its own writes in the background are fenced as well.
	if found := refusal(t, older.send(person(friend), "3EB0000000000000000032", "x")); found.Uncertain && found.Code != programEnded {
		t.Errorf("%+v", found)
	}
	if why := older.await(0, "ended", func(found record) bool { return found.Fields["by"] == "program" }).Fields; why["cause"] != "fenced" {
		t.Errorf("ended by %v", why)
	}
	if code := exitCode(older); code != 3 {
		t.Errorf("exit code %d", code)
	}
	if inbox(t, friend, "3EB0000000000000000032") != nil {
		t.Error("the older owner's message arrived")
	}
	newer.login()
	if sent := newer.send(person(friend), "3EB0000000000000000033", "y"); sent.Err != nil {
		t.Error(sent.Err)
	}
	third := start(t, older.path)
	if found := refusal(t, third.hello(1, nil)); found.Code != "fenced" {
		t.Errorf("%+v", found)
	}
}

func TestOlderOwnerAcknowledgesNothing(t *testing.T) {
	t.Parallel()
	older, friend := begun(t)
	newer := older.again(2)
	id := say(t, friend, older.number, nil)
	older.await(0, "ended", func(found record) bool { return found.Fields["by"] == "program" })
	if len(older.all("message")) > 0 || said(t, friend, id)["received"] == true {
		t.Error("the older owner took a message")
	}
	newer.login()
	newer.await(0, "message", says("kept"))
	settled(t, older.number)
}

func exitCode(one *actor) int {
	_ = one.command.Wait()
	return one.command.ProcessState.ExitCode()
}

func TestProgramEndsWithItsParent(t *testing.T) {
	t.Parallel()
	one := paired(t)
	_ = one.stream.Close()
	if code := exitCode(one); code != 0 {
		t.Errorf("exit code %d", code)
	}
	other := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	if _, err := other.stream.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0}); err != nil {
		t.Fatal(err)
	}
	if code := exitCode(other); code != 2 {
		t.Errorf("exit code %d after a frame without a header", code)
	}
	third := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	third.do("close", nil, nil)
	if code := exitCode(third); code != 0 {
		t.Errorf("exit code %d after close", code)
	}
}

func TestWhatIsCommittedIsInTheFileOnceTheActorIsGone(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*actor){
		"renewed":   func(one *actor) { one.do("disconnect", nil, nil); one.do("renew", nil, nil) },
		"logged in": func(*actor) {},
	} {
		one := paired(t)
		prepare(one)
		// The log has it; the file alone, as a copy of it would be taken, need not.
		if held, err := os.Stat(one.path + "-wal"); err != nil || held.Size() == 0 {
			t.Fatalf("%s: nothing waits in the log: %v", name, err)
		}
		_ = one.stream.Close()
		if code := exitCode(one); code != 0 {
			t.Errorf("%s: exit code %d", name, code)
		}
		if held, err := os.Stat(one.path + "-wal"); err == nil && held.Size() > 0 {
			t.Errorf("%s: %d bytes are left in the log", name, held.Size())
		}
		if devices(t, one.path) != 1 {
			t.Errorf("%s: the device is not in the file", name)
		}
	}
}

func TestProgramHasADeathSignal(t *testing.T) {
	t.Parallel()
	one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
	one.hello(1, nil)
	// The parent is killed without a word, and its end of the socket lives on in another process: only the
	// death signal is left. A shell plays the parent.
	if err := deathSignal(t, one.path+"2"); err != nil {
		t.Error(err)
	}
}

// deathSignal starts the program under a shell that is killed, while this process holds the socket.
func deathSignal(t *testing.T, path string) error {
	t.Helper()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	own, theirs := os.NewFile(uintptr(pair[0]), "own"), os.NewFile(uintptr(pair[1]), "theirs")
	defer func() { _, _ = own.Close(), theirs.Close() }()
	notes := path + ".pid"
	shell, err := os.StartProcess("/bin/sh", []string{"sh", "-c", `"$0" -fd 3 & echo $! > "$1"; wait`, program, notes},
		&os.ProcAttr{Files: []*os.File{nil, nil, nil, theirs}})
	if err != nil {
		return err
	}
	// A program that answers has asked for its signal.
	asked, err := frame.Append(nil, []byte(`{"id": 1, "do": "nonsense"}`), nil)
	if err != nil {
		return err
	}
	if _, err := own.Write(asked); err != nil {
		return err
	}
	if _, _, err := frame.Read(own); err != nil {
		return err
	}
	child := 0
	eventually(t, "the program's id is known", func() bool {
		written, err := os.ReadFile(notes)
		if err != nil {
			return false
		}
		_, err = fmt.Sscan(string(written), &child)
		return err == nil
	})
	if err := shell.Kill(); err != nil {
		return err
	}
	_, _ = shell.Wait()
	eventually(t, "the program is gone", func() bool {
		return errors.Is(syscall.Kill(child, 0), syscall.ESRCH) || isZombie(child)
	})
	return nil
}

func isZombie(process int) bool {
	found, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", process))
	return err != nil || strings.Contains(string(found), ") Z ")
}
