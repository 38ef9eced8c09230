// Begins a Signal session with a device from its prekey bundle, and stores the session in the key database.

package library

import (
	"context"

	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/session"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// BeginSession begins a Signal session with a device from its prekeys.
func (client *Client) BeginSession(ctx context.Context, device types.JID, bundle *prekey.Bundle) error {
	builder := session.NewBuilderFromSignal(client.Store, device.SignalAddress(), store.SignalProtobufSerializer)
	return builder.ProcessBundle(ctx, bundle)
}
