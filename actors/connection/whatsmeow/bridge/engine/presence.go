package engine

import (
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// presenceRequest shows the account as online or not; the sender of a message sees the second tick accordingly.
func (one *login) presenceRequest(request *pipe.Request) (pipe.Fields, error) {
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
	return nil, outcome.Of(one.states.Named(func(name string) error {
		if name != "" {
			return one.client.SendPresence(one.engine.ctx, state)
		}
		// The library refuses until the phone told the account's name; to others it is nameless until then.
		one.client.SetForceActiveDeliveryReceipts(wanted.Available)
		return one.client.SendStanza(one.engine.ctx, waBinary.Node{
			Tag: "presence", Attrs: waBinary.Attrs{"type": string(state)},
		})
	}))
}

// renamed tells WhatsApp the account's name, which it learns from a presence alone; where that fails the next login does.
func (one *login) renamed() {
	if state := one.shown.Load(); state != nil && one.mayLeave() == nil {
		_ = one.states.Named(func(string) error { return one.client.SendPresence(one.engine.ctx, *state) })
	}
}

func (one *login) typing(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		State string `json:"state"`
	}
	chat, err := chatOf(request)
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
	return nil, outcome.Of(one.client.SendChatPresence(one.engine.ctx, chat, state, media))
}

func (one *login) subscribe(request *pipe.Request) (pipe.Fields, error) {
	chat, err := chatOf(request)
	if err != nil {
		return nil, err
	}
	return nil, outcome.Of(one.client.SubscribePresence(one.engine.ctx, chat))
}

func (one *login) presence(event *events.Presence) {
	state := "available"
	if event.Unavailable {
		state = "unavailable"
	}
	fields := pipe.Fields{"chat": event.From.String(), "who": event.From.String(), "state": state}
	if !event.LastSeen.IsZero() {
		fields["last_seen"] = event.LastSeen.Unix()
	}
	one.engine.pipe.Tell("presence", fields, nil)
}

func (one *login) chatPresence(event *events.ChatPresence) {
	state := string(event.State)
	if event.State == types.ChatPresenceComposing && event.Media == types.ChatPresenceMediaAudio {
		state = "recording"
	}
	fields := pipe.Fields{"chat": event.Chat.String(), "who": event.Sender.String(), "state": state}
	if !event.SenderAlt.IsEmpty() {
		fields["who_alt"] = event.SenderAlt.String()
	}
	one.engine.pipe.Tell("presence", fields, nil)
}
