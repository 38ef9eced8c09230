package vault

import "context"

type checking struct{}

// Check returns a context in which each session and each sender key that is read, nil where there is none, is checked first; an
// error of that is returned in its place.
func Check(ctx context.Context, check func(record []byte) error) context.Context {
	return context.WithValue(ctx, checking{}, check)
}

// checked returns a record that was read, or the error of its check.
func checked(ctx context.Context, record []byte, err error) ([]byte, error) {
	check, checks := ctx.Value(checking{}).(func([]byte) error)
	if err != nil || !checks {
		return record, err
	}
	if err := check(record); err != nil {
		return nil, err
	}
	return record, nil
}
