// Runs a caller's check before a decryption opens its transaction of the key database.

package vault

import "context"

type checking struct{}

// Check returns a context in which a decryption is checked first: before its transaction begins, and after a message that was
// decrypted before has been found among the plaintexts. An error of the check is returned in place of the decryption's.
//
// The check reads sessions and sender keys, and changes nothing.
func Check(ctx context.Context, check func(context.Context) error) context.Context {
	return context.WithValue(ctx, checking{}, check)
}

// Checked makes the check of a decryption, where it has one, and returns a context in which it is made.
//
// Sessions that the check reads are remembered for the decryption.
func Checked(ctx context.Context) (context.Context, error) {
	check, checks := ctx.Value(checking{}).(func(context.Context) error)
	if !checks {
		return ctx, nil
	}
	ctx = context.WithValue(ctx, checking{}, nil)
	reading := ctx
	if gathered(ctx) == nil {
		reading, _ = Gather(ctx)
	}
	return ctx, check(reading)
}
