// Holds texts and helpers that the tests of this package share.

package tests

import (
	"testing"

	"go.mau.fi/whatsmeow/proto/waE2E"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/pipe"
)

// words returns a text as the bytes of a message.
func words(text string) []byte {
	encoded, err := proto.Marshal(&waE2E.Message{Conversation: proto.String(text)})
	if err != nil {
		panic(err)
	}
	return encoded
}

// text returns the words of a delivered message.
func (found record) text() string {
	var message waE2E.Message
	if proto.Unmarshal(found.Raw, &message) != nil {
		return ""
	}
	if copied := message.GetDeviceSentMessage().GetMessage(); copied != nil {
		return copied.GetConversation()
	}
	if found := message.GetConversation(); found != "" {
		return found
	}
	return message.GetExtendedTextMessage().GetText()
}

func says(text string) func(record) bool {
	return func(found record) bool { return found.text() == text }
}

// send sends a text under an id.
func (one *actor) send(chat, id, text string) pipe.Answer {
	one.t.Helper()
	return one.ask("send", pipe.Fields{"chat": chat, "message_id": id}, words(text))
}

func person(number string) string { return number + "@s.whatsapp.net" }

// inbox returns how a message arrived at a person; nil where it did not.
func inbox(t *testing.T, number, id string) object {
	t.Helper()
	for _, each := range items(get(t, "/contacts/"+number+"/inbox"), "items") {
		if each["id"] == id {
			return each
		}
	}
	return nil
}
