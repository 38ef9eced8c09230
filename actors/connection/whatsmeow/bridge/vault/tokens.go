// Caches privacy tokens and their salt in memory, over the key database.

package vault

import (
	"context"
	"time"

	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types"
)

// privacyTokens remembers tokens: the library asks for the recipient's with each message.
type privacyTokens struct {
	store.PrivacyTokenStore
	known remembered[*store.PrivacyToken]
}

// GetPrivacyToken returns the token of a person, nil where there is none.
func (one *privacyTokens) GetPrivacyToken(ctx context.Context, person types.JID) (*store.PrivacyToken, error) {
	found, err := one.known.read(person.String(), func() (*store.PrivacyToken, error) {
		return one.PrivacyTokenStore.GetPrivacyToken(ctx, person)
	})
	if found != nil {
		copied := *found
		found = &copied
	}
	return found, err
}

// PutPrivacyTokens stores tokens.
func (one *privacyTokens) PutPrivacyTokens(ctx context.Context, tokens ...store.PrivacyToken) error {
	defer one.known.clear()
	return one.PrivacyTokenStore.PutPrivacyTokens(ctx, tokens...)
}

// DeleteExpiredPrivacyTokens deletes tokens that were issued before a time.
func (one *privacyTokens) DeleteExpiredPrivacyTokens(ctx context.Context, cutoff time.Time) (int64, error) {
	defer one.known.clear()
	return one.PrivacyTokenStore.DeleteExpiredPrivacyTokens(ctx, cutoff)
}

// salt remembers the salt of the tokens that take the place of privacy tokens.
type salt struct {
	store.NCTSaltStore
	known remembered[[]byte]
}

// GetNCTSalt returns the salt, nil where there is none.
func (one *salt) GetNCTSalt(ctx context.Context) ([]byte, error) {
	return one.known.read("", func() ([]byte, error) { return one.NCTSaltStore.GetNCTSalt(ctx) })
}

// PutNCTSalt stores the salt.
func (one *salt) PutNCTSalt(ctx context.Context, value []byte) error {
	defer one.known.clear()
	return one.NCTSaltStore.PutNCTSalt(ctx, value)
}

// DeleteNCTSalt deletes the salt.
func (one *salt) DeleteNCTSalt(ctx context.Context) error {
	defer one.known.clear()
	return one.NCTSaltStore.DeleteNCTSalt(ctx)
}
