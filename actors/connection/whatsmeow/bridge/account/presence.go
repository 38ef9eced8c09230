// Sends the account's presence and typing to WhatsApp, and reports others' presence to the connection's actor.

package account

import (
	"context"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// Show shows the account as online or not; the sender of a message sees the second tick accordingly.
func (a *Account) Show(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
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
	a.shown.Store(&state)
	return nil, outcome.Of(a.States.Named(func(name string) error {
		if name != "" {
			return a.Client.SendPresence(ctx, state)
		}
		// The library refuses until the phone sent the account's name; to others it is nameless until then.
		a.Client.SetForceActiveDeliveryReceipts(wanted.Available)
		return a.Client.SendStanza(ctx, waBinary.Node{
			Tag: "presence", Attrs: waBinary.Attrs{"type": string(state)},
		})
	}))
}

// Renamed tells WhatsApp the account's name, which it learns from a presence alone; where that fails the next login does.
func (a *Account) Renamed(ctx context.Context) {
	if state := a.shown.Load(); state != nil && a.MayLeave() == nil {
		_ = a.States.Named(func(string) error { return a.Client.SendPresence(ctx, *state) })
	}
}

// Typing shows the account as typing or recording in a chat.
func (a *Account) Typing(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
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
	return nil, outcome.Of(a.Client.SendChatPresence(ctx, chat, state, media))
}

// Subscribe asks WhatsApp for the presence of a chat's person.
func (a *Account) Subscribe(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	chat, err := ChatOf(request)
	if err != nil {
		return nil, err
	}
	return nil, outcome.Of(a.Client.SubscribePresence(ctx, chat))
}

// Presence delivers whether a person is online.
func (a *Account) Presence(event *events.Presence) {
	state := "available"
	if event.Unavailable {
		state = "unavailable"
	}
	fields := pipe.Fields{"chat": event.From.String(), "who": event.From.String(), "state": state}
	if !event.LastSeen.IsZero() {
		fields["last_seen"] = event.LastSeen.Unix()
	}
	a.Tell("presence", fields, nil)
}

// ChatPresence delivers whether a person types or records in a chat.
func (a *Account) ChatPresence(event *events.ChatPresence) {
	state := string(event.State)
	if event.State == types.ChatPresenceComposing && event.Media == types.ChatPresenceMediaAudio {
		state = "recording"
	}
	fields := pipe.Fields{"chat": event.Chat.String(), "who": event.Sender.String(), "state": state}
	if !event.SenderAlt.IsEmpty() {
		fields["who_alt"] = event.SenderAlt.String()
	}
	a.Tell("presence", fields, nil)
}
