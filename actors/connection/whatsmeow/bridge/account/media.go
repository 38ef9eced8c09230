// Answers the actor's requests for WhatsApp's media servers and for a re-upload of a file by the phone.

package account

import (
	"context"

	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// MediaHosts returns where files are uploaded to and fetched from, and the token for it.
func (a *Account) MediaHosts(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Fresh bool `json:"fresh"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	found, err := a.Client.MediaHosts(ctx, wanted.Fresh)
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

// RetryMedia asks the phone to upload a file again; the raw bytes are the file's key.
func (a *Account) RetryMedia(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Sender    string `json:"sender"`
		MessageID string `json:"message_id"`
		FromMe    bool   `json:"from_me"`
	}
	chat, err := ChatOf(request)
	if err != nil {
		return nil, err
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	sender, err := Address(wanted.Sender)
	if err != nil {
		return nil, err
	}
	info := &types.MessageInfo{ID: wanted.MessageID, MessageSource: types.MessageSource{
		Chat: chat, Sender: sender, IsFromMe: wanted.FromMe,
		IsGroup: chat.Server == types.GroupServer || chat.Server == types.BroadcastServer,
	}}
	return nil, outcome.Of(a.Client.SendMediaRetryReceipt(ctx, info, request.Raw))
}
