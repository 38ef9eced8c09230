// Answers the actor's requests about pictures, blocked people and the account's own text.

package account

import (
	"errors"
	"net/http"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"

	"teimoso-whatsmeow/outcome"
	"teimoso-whatsmeow/pipe"
)

// Picture returns the address of the picture of a person or group.
func (one *Account) Picture(request *pipe.Request) (pipe.Fields, error) {
	chat, err := ChatOf(request)
	if err != nil {
		return nil, err
	}
	ctx, cancel := one.untilEnd()
	defer cancel()
	found, err := one.Client.GetProfilePictureInfo(ctx, chat, nil)
	if errors.Is(err, whatsmeow.ErrProfilePictureNotSet) || err == nil && found == nil {
		return nil, outcome.Refused(http.StatusNotFound)
	}
	if err != nil {
		return nil, outcome.Of(err)
	}
	return pipe.Fields{"picture": found.ID, "url": found.URL}, nil
}

// SetPicture sets the picture of a group, or without one that of the account, to the raw bytes; or removes it.
func (one *Account) SetPicture(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Chat   types.JID `json:"chat"`
		Remove bool      `json:"remove"`
	}
	if err := one.read(request, &wanted); err != nil {
		return nil, err
	}
	picture := request.Raw
	if wanted.Remove {
		picture = nil
	}
	ctx, cancel := one.untilEnd()
	defer cancel()
	_, err := one.Client.SetGroupPhoto(ctx, wanted.Chat, picture)
	return nil, outcome.Of(err)
}

// Blocked returns the people whom the account blocks, by number where the library knows it.
func (one *Account) Blocked(*pipe.Request) (pipe.Fields, error) {
	ctx, cancel := one.untilEnd()
	defer cancel()
	found, err := one.Client.GetBlocklist(ctx)
	if err != nil {
		return nil, outcome.Of(err)
	}
	people := make([]string, len(found.JIDs))
	for index, each := range found.JIDs {
		people[index] = each.String()
		if each.Server != types.HiddenUserServer {
			continue
		}
		if number, err := one.Client.Store.LIDs.GetPNForLID(ctx, each); err == nil && !number.IsEmpty() {
			people[index] = number.String()
		}
	}
	return pipe.Fields{"people": people}, nil
}

// Block blocks a person, or ends that. A number that WhatsApp does not know is refused with 404: the library has a text for it.
func (one *Account) Block(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Person  types.JID `json:"person"`
		Blocked bool      `json:"blocked"`
	}
	if err := one.read(request, &wanted); err != nil {
		return nil, err
	}
	ctx, cancel := one.untilEnd()
	defer cancel()
	if wanted.Person.Server == types.DefaultUserServer {
		lid, err := one.Client.Store.LIDs.GetLIDForPN(ctx, wanted.Person)
		if err == nil && lid.IsEmpty() {
			found, err := one.Client.GetUserInfo(ctx, []types.JID{wanted.Person})
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
	_, err := one.Client.UpdateBlocklist(ctx, wanted.Person, action)
	return nil, outcome.Of(err)
}

// About returns the text of a person's profile.
func (one *Account) About(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		Person types.JID `json:"person"`
	}
	if err := request.Read(&wanted); err != nil {
		return nil, err
	}
	ctx, cancel := one.untilEnd()
	defer cancel()
	found, err := one.Client.GetUserInfo(ctx, []types.JID{wanted.Person})
	if err != nil {
		return nil, outcome.Of(err)
	}
	return pipe.Fields{"about": found[wanted.Person].Status}, nil
}

// SetAbout changes the text of the account's profile.
func (one *Account) SetAbout(request *pipe.Request) (pipe.Fields, error) {
	var wanted struct {
		About string `json:"about"`
	}
	if err := one.read(request, &wanted); err != nil {
		return nil, err
	}
	ctx, cancel := one.untilEnd()
	defer cancel()
	return nil, outcome.Of(one.Client.SetStatusMessage(ctx, types.SetStatusInput{Text: &wanted.About}))
}
