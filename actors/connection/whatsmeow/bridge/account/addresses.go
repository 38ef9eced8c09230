// Parses the addresses that requests of the connection's actor name, and refuses malformed ones.

package account

import (
	"go.mau.fi/whatsmeow/types"

	"teimoso-whatsmeow/pipe"
)

// Address returns the address of a request; it refuses one that is none for good.
func Address(text string) (types.JID, error) {
	found, err := types.ParseJID(text)
	if err != nil || found.Server == "" {
		return found, &pipe.Refusal{Code: "bad_address", Permanent: true}
	}
	return found, nil
}

// ChatOf returns the address of the request's chat.
func ChatOf(request *pipe.Request) (types.JID, error) {
	var wanted struct {
		Chat string `json:"chat"`
	}
	if err := request.Read(&wanted); err != nil {
		return types.JID{}, err
	}
	return Address(wanted.Chat)
}
