package engine

import (
	"encoding/json"
	"errors"
	"time"

	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/headers"
	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// within is how long a request to WhatsApp may take.
const within = 60 * time.Second

func address(text string) (types.JID, error) {
	found, err := types.ParseJID(text)
	if err != nil || found.Server == "" {
		return found, &pipe.Refusal{Code: "bad_address", Permanent: true}
	}
	return found, nil
}

func (one *login) codeRequest(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Phone string `json:"phone"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	return one.code(wanted.Phone)
}

// passkeyAssertion takes WebAuthn's JSON as raw bytes.
func (one *login) passkeyAssertion(request *pipe.Request) (pipe.Fields, error) {
	var assertion types.WebAuthnResponse
	if json.Unmarshal(request.Raw, &assertion) != nil || len(assertion.RawID) == 0 {
		return nil, &pipe.Refusal{Code: "bad_assertion", Permanent: true}
	}
	return nil, outcome.Of(one.client.SendPasskeyResponse(one.engine.ctx, &assertion))
}

func (one *login) passkeyConfirm(*pipe.Request) (pipe.Fields, error) {
	err := one.client.SendPasskeyConfirmation(one.engine.ctx)
	if _, refused := outcome.IsRefused(err); err != nil && !refused && !errors.Is(err, whatsmeow.ErrNotConnected) {
		return nil, &pipe.Refusal{Code: "no_passkey_challenge"}
	}
	return nil, outcome.Of(err)
}

// confirmPasskey goes on where the phone knows that it is the client whose QR was scanned; else a person has
// to compare the codes.
func (one *login) confirmPasskey(event *events.PairPasskeyConfirmation) {
	if !event.SkipHandoffUX {
		one.engine.pipe.Tell("passkey", pipe.Fields{
			"code": event.Code, "expires_ms": passkeyLasts.Milliseconds(),
		}, nil)
		return
	}
	if one.client.SendPasskeyConfirmation(one.engine.ctx) != nil {
		one.engine.pipe.Tell("passkey", pipe.Fields{"failed": true}, nil)
		return
	}
	one.engine.pipe.Tell("passkey", pipe.Fields{"confirmed": true}, nil)
}

func (one *login) unlink(jid types.JID) error {
	_, err := one.client.Query(one.engine.ctx, whatsmeow.DangerousInfoQuery{
		Namespace: "md", Type: "set", To: types.ServerJID, Timeout: within, NoRetry: true,
		Content: []waBinary.Node{{
			Tag: "remove-companion-device", Attrs: waBinary.Attrs{"jid": jid, "reason": "user_initiated"},
		}},
	})
	return err
}

// lookup returns the address under which WhatsApp has a number; null where it is not there.
func (one *login) lookup(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Number string `json:"number"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	found, err := one.client.IsOnWhatsApp(one.engine.ctx, []string{"+" + wanted.Number})
	if err != nil {
		return nil, outcome.Of(err)
	}
	told := pipe.Fields{"address": nil, "phone": nil, "lid": nil}
	for _, each := range found {
		if !each.IsIn {
			continue
		}
		told["address"] = each.JID.String()
		phone, lid := each.PhoneNumber, each.JID
		if lid.Server == types.DefaultUserServer {
			phone = lid
			lid, _ = one.client.Store.LIDs.GetLIDForPN(one.engine.ctx, phone)
		}
		if !phone.IsEmpty() {
			told["phone"] = phone.String()
		}
		if !lid.IsEmpty() {
			told["lid"] = lid.String()
		}
	}
	return told, nil
}

func (one *login) groups(*pipe.Request) (pipe.Fields, error) {
	found, err := one.client.GetJoinedGroups(one.engine.ctx)
	if err != nil {
		return nil, outcome.Of(err)
	}
	groups := make([]pipe.Fields, len(found))
	for index, group := range found {
		groups[index] = headers.Group(group)
	}
	return pipe.Fields{"groups": groups}, nil
}

func (one *login) group(request *pipe.Request) (pipe.Fields, error) {
	chat, err := chatOf(request)
	if err != nil {
		return nil, err
	}
	found, err := one.client.GetGroupInfo(one.engine.ctx, chat)
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

func chatOf(request *pipe.Request) (types.JID, error) {
	var wanted struct {
		Chat string `json:"chat"`
	}
	if err := request.Read(&wanted); err != nil {
		return types.JID{}, err
	}
	return address(wanted.Chat)
}

// read sends a read receipt; `self` keeps it from the sender.
func (one *login) read(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat   string   `json:"chat"`
		Sender string   `json:"sender"`
		IDs    []string `json:"ids"`
		At     float64  `json:"at"`
		Self   bool     `json:"self"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	chat, err := address(wanted.Chat)
	if err != nil {
		return nil, err
	}
	sender := types.EmptyJID
	if wanted.Sender != "" {
		if sender, err = address(wanted.Sender); err != nil {
			return nil, err
		}
	}
	if err := one.engine.lease.Over(); err != nil {
		return nil, err
	}
	kind := types.ReceiptTypeRead
	if wanted.Self {
		kind = types.ReceiptTypeReadSelf
	}
	at := time.UnixMilli(int64(wanted.At * 1000))
	return nil, outcome.Of(one.client.MarkRead(one.engine.ctx, wanted.IDs, at, chat, sender, kind))
}

func (one *login) probe(*pipe.Request) (pipe.Fields, error) {
	return pipe.Fields{"answered": one.client.Ping(one.engine.ctx)}, nil
}

func (one *login) rejectCall(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Caller string `json:"caller"`
		Call   string `json:"call"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	caller, err := address(wanted.Caller)
	if err != nil {
		return nil, err
	}
	return nil, outcome.Of(one.client.RejectCall(one.engine.ctx, caller, wanted.Call))
}

// mex sends a GraphQL query of the actor's and returns the JSON of its answer as raw bytes.
func (one *login) mex(request *pipe.Request) (pipe.Fields, []byte, error) {
	var wanted struct {
		Query     string          `json:"query_id"`
		Variables json.RawMessage `json:"variables"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, nil, err
	}
	answer, err := one.client.Mex(one.engine.ctx, wanted.Query, wanted.Variables)
	return nil, answer, outcome.Of(err)
}
