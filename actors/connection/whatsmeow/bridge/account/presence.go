// Sends the account's presence and typing to WhatsApp, and reports others' presence to the connection's actor.

package account

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// Show shows the account as online or not; the sender of a message sees the second tick accordingly.
func (one *Account) Show(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Available bool `json:"available"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	state := types.PresenceUnavailable
	if wanted.Available {
		state = types.PresenceAvailable
	}
	one.shown.Store(&state)
	return nil, outcome.Of(one.States.Named(func(name string) error {
		if name != "" {
			return one.Client.SendPresence(one.Context, state)
		}
		// The library refuses until the phone sent the account's name; to others it is nameless until then.
		one.Client.SetForceActiveDeliveryReceipts(wanted.Available)
		return one.Client.SendStanza(one.Context, waBinary.Node{
			Tag: "presence", Attrs: waBinary.Attrs{"type": string(state)},
		})
	}))
}

// Renamed tells WhatsApp the account's name, which it learns from a presence alone; where that fails the next login does.
func (one *Account) Renamed() {
	if state := one.shown.Load(); state != nil && one.MayLeave() == nil {
		_ = one.States.Named(func(string) error { return one.Client.SendPresence(one.Context, *state) })
	}
}

// Typing shows the account as typing or recording in a chat.
func (one *Account) Typing(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		State string `json:"state"`
	}
	chat, err := ChatOf(request)
	if err != nil {
		return nil, err
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	state, media := types.ChatPresenceComposing, types.ChatPresenceMediaText
	switch wanted.State {
	case "composing":
	case "recording":
		media = types.ChatPresenceMediaAudio
	case "paused":
		state = types.ChatPresencePaused
	default:
		return nil, &pipe.Refusal{Code: "bad_request", Permanent: true}
	}
	return nil, outcome.Of(one.Client.SendChatPresence(one.Context, chat, state, media))
}

// Subscribe asks WhatsApp for the presence of a chat's person.
func (one *Account) Subscribe(request *pipe.Request) (pipe.Fields, error) {
	chat, err := ChatOf(request)
	if err != nil {
		return nil, err
	}
	return nil, outcome.Of(one.Client.SubscribePresence(one.Context, chat))
}

// Presence delivers whether a person is online.
func (one *Account) Presence(event *events.Presence) {
	state := "available"
	if event.Unavailable {
		state = "unavailable"
	}
	fields := pipe.Fields{"chat": event.From.String(), "who": event.From.String(), "state": state}
	if !event.LastSeen.IsZero() {
		fields["last_seen"] = event.LastSeen.Unix()
	}
	one.Tell("presence", fields, nil)
}

// ChatPresence delivers whether a person types or records in a chat.
func (one *Account) ChatPresence(event *events.ChatPresence) {
	state := string(event.State)
	if event.State == types.ChatPresenceComposing && event.Media == types.ChatPresenceMediaAudio {
		state = "recording"
	}
	fields := pipe.Fields{"chat": event.Chat.String(), "who": event.Sender.String(), "state": state}
	if !event.SenderAlt.IsEmpty() {
		fields["who_alt"] = event.SenderAlt.String()
	}
	one.Tell("presence", fields, nil)
}
