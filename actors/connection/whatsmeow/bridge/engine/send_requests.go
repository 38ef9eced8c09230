// Answers the actor's requests to send messages and peer messages, and to fetch or change app state.

package engine

import (
	"encoding/json"
	"time"

	"go.mau.fi/whatsmeow/appstate"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/proto/waSyncAction"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/account"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/sending"
)

// sendRequest sends the message in the raw bytes.
func (l *login) sendRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat      string `json:"chat"`
		MessageID string `json:"message_id"`
		Timeout   int64  `json:"timeout_ms"`
		Members   string `json:"members"`
		ByNumber  bool   `json:"by_number"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	chat, err := account.Address(wanted.Chat)
	if err != nil {
		return nil, err
	}
	at, to, err := l.sender.Send(sending.Message{
		Chat: chat, ID: wanted.MessageID, Plain: request.Raw,
		Within: time.Duration(wanted.Timeout) * time.Millisecond, Noted: wanted.Members,
		ByNumber: wanted.ByNumber,
	})
	if err != nil {
		return nil, err
	}
	return pipe.Fields{"at": at, "chat": to.String()}, nil
}

// noteRecipients has the actor keep whom a message of a group is for; nothing leaves where it does not.
func (l *login) noteRecipients(group types.JID, id string, persons []types.JID) error {
	_, err := l.committed("recipients", pipe.Fields{
		"chat": group.String(), "message_id": id, "persons": persons,
	}, nil)
	if err != nil {
		return outcome.NotConnected
	}
	return nil
}

// peerRequest sends a message of the actor's to the account's own phone, under the actor's id: it asks for what came
// without its content, which then comes as `resent`.
func (l *login) peerRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		MessageID string `json:"message_id"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	var message waE2E.Message
	if proto.Unmarshal(request.Raw, &message) != nil || wanted.MessageID == "" {
		return nil, &pipe.Refusal{Code: "bad_message", Permanent: true}
	}
	return nil, l.sender.TellPhone(l.engine.ctx, wanted.MessageID, &message)
}

// syncStates fetches all collections, or the named one, anew.
func (l *login) syncStates(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Collection string `json:"collection"`
		Whole      bool   `json:"whole"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	for _, name := range appstate.AllPatchNames {
		if wanted.Collection != "" && wanted.Collection != string(name) {
			continue
		}
		if err := l.states.Fetch(l.engine.ctx, name, wanted.Whole); err != nil {
			return nil, outcome.Of(err)
		}
	}
	return nil, nil
}

// patchState changes the account's state for all its devices: each change is a path (`index`), a version of the
// format, and the action as protobuf's JSON. They count as made `at_ms`, or now.
func (l *login) patchState(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Collection string `json:"collection"`
		At         int64  `json:"at_ms"`
		Changes    []struct {
			Index   []string        `json:"index"`
			Version int32           `json:"version"`
			Action  json.RawMessage `json:"action"`
		} `json:"changes"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	patch := appstate.PatchInfo{Type: appstate.WAPatchName(wanted.Collection)}
	if wanted.At != 0 {
		patch.Timestamp = time.UnixMilli(wanted.At)
	}
	for _, change := range wanted.Changes {
		action := &waSyncAction.SyncActionValue{}
		if protojson.Unmarshal(change.Action, action) != nil {
			return nil, &pipe.Refusal{Code: "bad_request", Permanent: true}
		}
		patch.Mutations = append(patch.Mutations, appstate.MutationInfo{
			Index: change.Index, Version: change.Version, Value: action,
		})
	}
	if err := l.mayLeave(); err != nil {
		return nil, err
	}
	return nil, outcome.Of(l.states.Send(l.engine.ctx, patch))
}
