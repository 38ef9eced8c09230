// Answers the actor's requests about pictures, blocked people and the account's own text.

package account

import (
	"context"
	"errors"
	"net/http"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// Picture returns the address of the picture of a person or group.
func (a *Account) Picture(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	chat, err := ChatOf(request)
	if err != nil {
		return nil, err
	}
	found, err := a.Client.GetProfilePictureInfo(ctx, chat, nil)
	if errors.Is(err, whatsmeow.ErrProfilePictureNotSet) || err == nil && found == nil {
		return nil, outcome.Refused(http.StatusNotFound)
	}
	if err != nil {
		return nil, outcome.Of(err)
	}
	return pipe.Fields{"picture": found.ID, "url": found.URL}, nil
}

// SetPicture sets the picture of a group, or without one that of the account, to the raw bytes; or removes it.
func (a *Account) SetPicture(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat   types.JID `json:"chat"`
		Remove bool      `json:"remove"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	picture := request.Raw
	if wanted.Remove {
		picture = nil
	}
	_, err := a.Client.SetGroupPhoto(ctx, wanted.Chat, picture)
	return nil, outcome.Of(err)
}

// Blocked returns the people whom the account blocks, by number where the library knows it.
func (a *Account) Blocked(ctx context.Context, _ *pipe.Request) (pipe.Fields, error) {
	found, err := a.Client.GetBlocklist(ctx)
	if err != nil {
		return nil, outcome.Of(err)
	}
	people := make([]string, len(found.JIDs))
	for index, each := range found.JIDs {
		people[index] = each.String()
		if each.Server != types.HiddenUserServer {
			continue
		}
		if number, err := a.Client.Store.LIDs.GetPNForLID(ctx, each); err == nil && !number.IsEmpty() {
			people[index] = number.String()
		}
	}
	return pipe.Fields{"people": people}, nil
}

// Block blocks a person, or ends that. A number that WhatsApp does not know is refused with 404: the library has a text for it.
func (a *Account) Block(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Person  types.JID `json:"person"`
		Blocked bool      `json:"blocked"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	if wanted.Person.Server == types.DefaultUserServer {
		lid, err := a.Client.Store.LIDs.GetLIDForPN(ctx, wanted.Person)
		if err == nil && lid.IsEmpty() {
			found, err := a.Client.GetUserInfo(ctx, []types.JID{wanted.Person})
			if err != nil {
				return nil, outcome.Of(err)
			}
			if found[wanted.Person].LID.IsEmpty() {
				return nil, outcome.Refused(http.StatusNotFound)
			}
		}
	}
	action := events.BlocklistChangeActionUnblock
	if wanted.Blocked {
		action = events.BlocklistChangeActionBlock
	}
	_, err := a.Client.UpdateBlocklist(ctx, wanted.Person, action)
	return nil, outcome.Of(err)
}

// About returns the text of a person's profile.
func (a *Account) About(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Person types.JID `json:"person"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	found, err := a.Client.GetUserInfo(ctx, []types.JID{wanted.Person})
	if err != nil {
		return nil, outcome.Of(err)
	}
	return pipe.Fields{"about": found[wanted.Person].Status}, nil
}

// SetAbout changes the text of the account's profile.
func (a *Account) SetAbout(ctx context.Context, request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		About string `json:"about"`
	}
	if err := a.read(request, &wanted); err != nil {
		return nil, err
	}
	return nil, outcome.Of(a.Client.SetStatusMessage(ctx, types.SetStatusInput{Text: &wanted.About}))
}
