// Tests re-uploads of files by the phone, and app state in files.

package tests

import (
	"encoding/hex"
	"errors"
	"testing"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waMmsRetry"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/pipe"
)

// picture returns a delivered message that brings a file, and the key of the file.
func (one *actor) picture(from string) (record, []byte) {
	one.t.Helper()
	say(one.t, from, one.number, object{"type": "image", "size": 1000, "text": "look"})
	var key []byte
	found := one.await(0, "message", func(found record) bool {
		var message waE2E.Message
		if proto.Unmarshal(found.Raw, &message) == nil {
			key = message.GetImageMessage().GetMediaKey()
		}
		return len(key) > 0
	})
	return found, key
}

// retry asks the phone for the file of a message.
func (one *actor) retry(about record, id string, key []byte) {
	one.t.Helper()
	one.do("media_retry", pipe.Fields{
		"chat": about.Fields["chat"], "sender": about.Fields["sender"], "message_id": id, "from_me": false,
	}, key)
}

func TestFileThatIsGoneIsAskedOfThePhone(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	about, key := one.picture(friend)
	id := about.Fields["message_id"].(string)
	post(t, "/media/"+id, object{"status": 410})
	one.answer(func(found record) (pipe.Fields, []byte, error) {
		if found.Name == "media_retried" {
			return nil, nil, errors.New("the disk is full")
		}
		return stores(found)
	})
	one.retry(about, id, key)
	one.await(0, "media_retried", nil)
	stays(t, "the answer is owed a receipt", func() bool { return owes(t, one.number, "notification/mediaretry") })
	one.kill()
	next := one.again(2)
	next.login()
	came := next.await(0, "media_retried", nil)
	iv, err := hex.DecodeString(came.Fields["iv"].(string))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := whatsmeow.DecryptMediaRetryNotification(
		&events.MediaRetry{Ciphertext: came.Raw, IV: iv, MessageID: id}, key)
	if err != nil {
		t.Fatal(err)
	}
	if answer.GetResult() != waMmsRetry.MediaRetryNotification_SUCCESS || answer.GetDirectPath() == "" {
		t.Errorf("answered by %v", answer)
	}
	if came.Fields["message_id"] != id || came.Fields["from_me"] != false {
		t.Errorf("delivered as %v", came.Fields)
	}
	settled(t, one.number)
	next.retry(about, "3EB0000000000000000070", key) // the phone knows no such message
	refused := next.await(0, "media_retried", func(found record) bool {
		return found.Fields["message_id"] == "3EB0000000000000000070"
	})
	if refused.Fields["error"] != 2.0 || len(refused.Raw) > 0 {
		t.Errorf("refused by %v", refused.Fields)
	}
	settled(t, one.number)
}

// A collection of ten versions has a snapshot, which is a file: the answer to a query only names it.
func TestWholeStateComesAsAFile(t *testing.T) {
	t.Parallel()
	one := paired(t)
	one.await(0, "app_state", nil)
	settled(t, one.number)
	muted := map[string]bool{}
	for range 12 {
		chat := number()
		muted[person(chat)] = true
		post(t, "/phones/"+one.number+"/app-state", object{"type": "mute", "chat": chat})
	}
	settled(t, one.number)
	one.kill()
	fetch := func(epoch int64, authority string) (*actor, error) {
		next := start(t, one.path)
		next.number = one.number
		if err := next.hello(epoch, pipe.Fields{"media_authority": authority}).Err; err != nil {
			t.Fatal(err)
		}
		next.login()
		return next, next.ask("app_state_sync", pipe.Fields{"collection": "regular_high", "whole": true}, nil).Err
	}
	// Without the file nothing is known anew, and nothing is delivered.
	without, err := fetch(2, "")
	if err == nil || len(without.changes("mute")) > 0 {
		t.Errorf("fetched without the file: %v", err)
	}
	without.kill()
	with, err := fetch(3, simulator.Authority)
	if err != nil {
		t.Fatal(err)
	}
	if found := with.changes("mute"); len(found) != len(muted) {
		t.Errorf("%d of %d changes came", len(found), len(muted))
	}
	for chat := range with.changes("mute") {
		if !muted[chat] {
			t.Errorf("%s was never muted", chat)
		}
	}
	settled(t, one.number)
}

// changes returns the chats that delivered changes of a kind are about.
func (one *actor) changes(kind string) map[string]bool {
	found := map[string]bool{}
	for _, each := range one.all("app_state") {
		for _, change := range items(each.Fields, "changes") {
			if index := change["index"].([]any); index[0] == kind {
				found[index[1].(string)] = true
			}
		}
	}
	return found
}
