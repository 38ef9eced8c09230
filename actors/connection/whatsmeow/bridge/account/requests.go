// Package account answers the actor's requests that query WhatsApp: lookups, groups, receipts, calls, presence.
package account

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/accountstate"
	"teimoso-whatsmeow/headers"
	"teimoso-whatsmeow/library"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// Within is how long a request to WhatsApp may take.
const Within = 60 * time.Second

// Account is the account over one socket.
//
// The context of a request ends with the login: the library would send the request once more over the next socket where this one ends
// before the answer, and a group would be created twice.
type Account struct {
	Client   *library.Client
	States   *accountstate.States
	MayLeave func() error
	Tell     func(event string, fields pipe.Fields, raw []byte)

	// shown is the account's presence as the actor asked for it; nil before that.
	shown atomic.Pointer[types.Presence]
}

// Unlink removes the device from the account at WhatsApp.
func (a *Account) Unlink(ctx context.Context, jid types.JID) error {
	_, err := a.Client.Query(ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "md", Type: "set", To: types.ServerJID, Timeout: Within, NoRetry: true,
		Content: []waBinary.Node{{
			Tag: "remove-companion-device", Attrs: waBinary.Attrs{"jid": jid, "reason": "user_initiated"},
		}},
	})
	return err
}

// Lookup returns the address under which WhatsApp has a number; null where it is not there.
func (a *Account) Lookup(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Number string `json:"number"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	told := pipe.Fields{"address": nil, "phone": nil, "lid": nil}
	found, err := a.Client.FindContact(ctx, wanted.Number)
	if err != nil || found == nil {
		return told, outcome.Of(err)
	}
	told["address"] = found.Address.String()
	if !found.Number.IsEmpty() {
		told["phone"] = found.Number.String()
	}
	if !found.LID.IsEmpty() {
		told["lid"] = found.LID.String()
	}
	return told, nil
}

// Groups returns the groups that the account is in.
func (a *Account) Groups(ctx context.Context, _ *pipe.Request) (pipe.Fields, error) {
	found, err := a.Client.GetJoinedGroups(ctx)
	if err != nil {
		return nil, outcome.Of(err)
	}
	groups := make([]pipe.Fields, len(found))
	for index, group := range found {
		groups[index] = headers.Group(group)
	}
	return pipe.Fields{"groups": groups}, nil
}

// Group returns one group: its members and settings.
func (a *Account) Group(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	chat, err := ChatOf(request)
	if err != nil {
		return nil, err
	}
	found, err := a.Client.GetGroupInfo(ctx, chat)
	switch {
	case errors.Is(err, whatsmeow.ErrNotInGroup):
		return nil, &pipe.Refusal{Code: "not_in_group", Permanent: true}
	case errors.Is(err, whatsmeow.ErrGroupNotFound):
		return nil, &pipe.Refusal{Code: "unknown_group", Permanent: true}
	case err != nil:
		return nil, outcome.Of(err)
	}
	return headers.Group(found), nil
}

// Read sends a read receipt, which the library keeps from the sender where the account hides its reading.
func (a *Account) Read(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat   string   `json:"chat"`
		Sender string   `json:"sender"`
		IDs    []string `json:"ids"`
		At     float64  `json:"at"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	chat, err := Address(wanted.Chat)
	if err != nil {
		return nil, err
	}
	sender := types.EmptyJID
	if wanted.Sender != "" {
		if sender, err = Address(wanted.Sender); err != nil {
			return nil, err
		}
	}
	if err := a.MayLeave(); err != nil {
		return nil, err
	}
	at := time.UnixMilli(int64(wanted.At * 1000))
	return nil, outcome.Of(a.Client.MarkRead(ctx, wanted.IDs, at, chat, sender))
}

// Probe reports whether WhatsApp answers a ping.
func (a *Account) Probe(ctx context.Context, _ *pipe.Request) (pipe.Fields, error) {
	return pipe.Fields{"answered": a.Client.Ping(ctx)}, nil
}

// RejectCall refuses a call that rings.
func (a *Account) RejectCall(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Caller string `json:"caller"`
		Call   string `json:"call"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	caller, err := Address(wanted.Caller)
	if err != nil {
		return nil, err
	}
	return nil, outcome.Of(a.Client.RejectCall(ctx, caller, wanted.Call))
}

// Mex sends a GraphQL query of the actor's and returns the JSON of its answer as raw bytes.
func (a *Account) Mex(ctx context.Context, request *pipe.Request) (pipe.Fields, []byte, error) {
	var wanted struct {
		Query     string          `json:"query_id"`
		Variables json.RawMessage `json:"variables"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, nil, err
	}
	answer, err := a.Client.Mex(ctx, wanted.Query, wanted.Variables)
	return nil, answer, outcome.Of(err)
}
