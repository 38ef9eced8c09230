// Tests retry receipts: messages are sent again to the device that asks, also after a restart and a refusal.

package tests

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"teimoso-whatsmeow/pipe"
)

// errNotReady is any error with which the actor answers a request.
var errNotReady = errors.New("not ready")

// resends answers for messages that were sent: the contents by their id, and of the tests' own pattern.
func resends(sent map[string]string) func(record) (pipe.Fields, []byte, error) {
	return func(found record) (pipe.Fields, []byte, error) {
		if found.Name != "sent" {
			return stores(found)
		}
		id, _ := found.Fields["message_id"].(string)
		if text, known := sent[id]; known {
			return pipe.Fields{}, words(text), nil
		}
		if digits, ok := strings.CutPrefix(id, "3EB00000000000000002"); ok {
			count, err := strconv.Atoi(digits)
			return pipe.Fields{}, words(fmt.Sprintf("out %d", count)), err
		}
		return stores(found)
	}
}

func TestStockDoesNotResendAfterARestart(t *testing.T) {
	t.Parallel()
	one, friend := linked(t, careful), number()
	if err := one.write(friend, "3EB0000000000000000024", "first"); err != nil {
		t.Fatal(err)
	}
	retryAfterRestart(t, one.number, friend, func() {
		go func() { _ = one.write(friend, "3EB0000000000000000025", "second") }()
	}, func() {
		one.Disconnect()
		device := one.Store
		one.fresh(device, careful)
		one.connect()
	})
	settled(t, one.number)
	if inbox(t, friend, "3EB0000000000000000025") != nil {
		t.Error("it was resent")
	}
}

func TestMessageIsResentAfterARestart(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	one.await(0, "receipt", nil) // of the first message, so that the frame that is lost is the retry receipt
	settled(t, one.number)
	retryAfterRestart(t, one.number, friend, func() {
		one.begin("send", pipe.Fields{"chat": person(friend), "message_id": "3EB0000000000000000026"}, words("second"))
	}, func() {
		one.kill()
		one = one.again(2)
		one.answer(resends(map[string]string{"3EB0000000000000000026": "second"}))
		one.login()
	})
	eventually(t, "the person reads it", func() bool {
		item := inbox(t, friend, "3EB0000000000000000026")
		return item != nil && item["text"] == "second"
	})
	one.await(0, "sent", nil)
	settled(t, one.number)
}

// retryAfterRestart has a person's device fail to read a message, and the sender restart before the retry receipt
// comes.
func retryAfterRestart(t *testing.T, account, friend string, send, restart func()) {
	t.Helper()
	post(t, "/contacts/"+friend+"/forget", object{"account": account})
	fault(t, account, "withhold_acks", object{"count": 1})
	fault(t, account, "lose", object{"count": 1})
	send()
	eventually(t, "the ack is withheld and the retry receipt lost", func() bool {
		return strikes(t, account, "withhold_acks") && strikes(t, account, "lose")
	})
	restart()
}

func TestRetryReceiptWhoseAnswerFailedComesAgain(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	group := post(t, "/groups", object{"subject": "Us", "creator": friend, "participants": []string{one.number}})["id"].(string)
	one.await(0, "group", nil)
	const id = "3EB0000000000000000027"
	if sent := one.send(group, id, "for the group"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	settled(t, one.number)
	// Without a session the answer takes keys, which the server does not hand out at first.
	one.kill()
	db := database(t, one.path)
	if _, err := db.Exec("DELETE FROM whatsmeow_sessions"); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	one = one.again(2)
	one.answer(resends(map[string]string{id: "for the group"}))
	one.login()
	fault(t, one.number, "refuse_prekeys", object{"count": 1})
	post(t, "/groups/"+group+"/retry", object{"by": friend, "account": one.number, "message_id": id, "keys": false})
	eventually(t, "the keys are refused", func() bool { return strikes(t, one.number, "refuse_prekeys") })
	stays(t, "the receipt is owed", func() bool { return owes(t, one.number, "receipt/retry") })
	one.endsBy(func() { fault(t, one.number, "drop", nil) })
	one.login()
	eventually(t, "it is sent again", func() bool { return inbox(t, friend, id)["deliveries"].(float64) == 2 })
	settled(t, one.number)
}

func TestRetryReceiptWhoseContentTheActorDidNotReturnComesAgain(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	settled(t, one.number)
	const id = "3EB0000000000000000028"
	one.answer(func(found record) (pipe.Fields, []byte, error) {
		if found.Name == "sent" {
			return nil, nil, errNotReady
		}
		return stores(found)
	})
	post(t, "/contacts/"+friend+"/forget", object{"account": one.number})
	if sent := one.send(person(friend), id, "unread"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	one.await(0, "sent", nil)
	stays(t, "the receipt is owed", func() bool { return owes(t, one.number, "receipt/retry") })
	one.endsBy(func() { fault(t, one.number, "drop", nil) })
	one.answer(resends(map[string]string{id: "unread"}))
	one.login()
	eventually(t, "the person reads it", func() bool {
		item := inbox(t, friend, id)
		return item != nil && item["text"] == "unread"
	})
	settled(t, one.number)
}

func TestReceivingDoesNotWaitForTheKeysOfAResend(t *testing.T) {
	t.Parallel()
	one, friend := begun(t)
	other := number()
	say(t, other, one.number, object{"text": "hello"})
	one.await(0, "message", says("hello"))
	group := groupOf(t, one, friend)
	const id = "3EB0000000000000000027"
	if sent := one.send(group, id, "to all"); sent.Err != nil {
		t.Fatal(sent.Err)
	}
	settled(t, one.number)
	one.kill()
	forgotten := get(t, "/contacts/"+friend)["lid"].(string)
	if _, err := database(t, one.path).Exec("DELETE FROM whatsmeow_sessions WHERE their_id LIKE ?", forgotten+"%"); err != nil {
		t.Fatal(err)
	}
	next := one.again(2)
	next.answer(resends(map[string]string{id: "to all"}))
	next.login()
	fault(t, one.number, "delay_queries", object{"seconds": 6, "count": 1})
	// The first request brings no keys, and there is no session.
	post(t, "/groups/"+group+"/retry", object{"by": friend, "account": one.number, "message_id": id, "keys": false})
	eventually(t, "keys are asked for", func() bool { return times(t, one.number, "delay_queries") == 1 })
	say(t, other, one.number, object{"text": "meanwhile"})
	next.await(0, "message", says("meanwhile"))
	if !owes(t, one.number, "receipt/retry") {
		t.Error("it was read once the keys had come")
	}
	eventually(t, "the message comes again", func() bool {
		item := inbox(t, friend, id)
		return item != nil && item["deliveries"].(float64) == 2
	})
	settled(t, one.number)
}
