package engine

import (
	"encoding/hex"

	"go.mau.fi/whatsmeow/proto/waHistorySync"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"google.golang.org/protobuf/proto"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// mediaHosts returns where files are uploaded to and fetched from, and the token for it.
func (one *login) mediaHosts(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Fresh bool `json:"fresh"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	found, err := one.client.MediaHosts(one.engine.ctx, wanted.Fresh)
	if err != nil {
		return nil, outcome.Of(err)
	}
	hosts := make([]string, len(found.Hosts))
	for index, host := range found.Hosts {
		hosts[index] = host.Hostname
	}
	return pipe.Fields{
		"hosts": hosts, "auth": found.Auth, "ttl": found.TTL, "auth_ttl": found.AuthTTL,
		"max_buckets": found.MaxBuckets,
	}, nil
}

// mediaRetry asks the phone to upload a file again; the raw bytes are the file's key.
func (one *login) mediaRetry(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Sender    string `json:"sender"`
		MessageID string `json:"message_id"`
		FromMe    bool   `json:"from_me"`
	}
	chat, err := chatOf(request)
	if err != nil {
		return nil, err
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	sender, err := address(wanted.Sender)
	if err != nil {
		return nil, err
	}
	info := &types.MessageInfo{ID: wanted.MessageID, MessageSource: types.MessageSource{
		Chat: chat, Sender: sender, IsFromMe: wanted.FromMe,
		IsGroup: chat.Server == types.GroupServer || chat.Server == types.BroadcastServer,
	}}
	return nil, outcome.Of(one.client.SendMediaRetryReceipt(one.engine.ctx, info, request.Raw))
}

// mediaRetried delivers the phone's answer about a file, still encrypted under the file's key.
func (one *login) mediaRetried(event *events.MediaRetry) {
	fields := pipe.Fields{
		"chat": event.ChatID.String(), "sender": event.SenderID.String(), "message_id": event.MessageID,
		"from_me": event.FromMe, "iv": hex.EncodeToString(event.IV), "at": event.Timestamp.Unix(),
	}
	if event.Error != nil {
		fields["error"] = event.Error.Code
	}
	one.collected = append(one.collected, one.deliver("media_retried", fields, event.Ciphertext))
}

// historyLearnt takes a history that the actor stored: the library keeps addresses, secrets and tokens of it.
func (engine *Engine) historyLearnt(request *pipe.Request) (pipe.Fields, error) {
	if err := engine.ready(); err != nil {
		return nil, err
	}
	var history waHistorySync.HistorySync
	if proto.Unmarshal(request.Raw, &history) != nil {
		return nil, &pipe.Refusal{Code: "bad_history", Permanent: true}
	}
	engine.lock.Lock()
	client := engine.client
	engine.lock.Unlock()
	if client.Store.ID == nil {
		return nil, outcome.NotConnected
	}
	if err := client.LearnHistory(engine.ctx, &history); err != nil {
		return nil, outcome.Store(err)
	}
	return nil, engine.sound()
}
