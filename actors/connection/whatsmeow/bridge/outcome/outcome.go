// Package outcome converts errors of WhatsApp and of the database to refusals with stable codes, for the actor.
package outcome

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.mau.fi/whatsmeow"

	"teimoso-whatsmeow/pipe"
	"teimoso-whatsmeow/vault"
)

// NotConnected refuses what needs a socket: nothing left.
var NotConnected = &pipe.Refusal{Code: "not_connected"}

// Disconnected refuses what may have left before the socket ended.
var Disconnected = &pipe.Refusal{Code: "disconnected", Uncertain: true}

// Timeout refuses what left and was not answered.
var Timeout = &pipe.Refusal{Code: "timeout", Uncertain: true}

// failed is the code for any other error, the library's own among them.
const failed = "failed"

// Refused is WhatsApp's refusal by a number.
func Refused(number int) error { return &pipe.Refusal{Code: "refused", Number: number} }

// IsRefused returns the number of WhatsApp's error in the answer to a query.
func IsRefused(err error) (int, bool) {
	var refused *whatsmeow.IQError
	if errors.As(err, &refused) {
		return refused.Code, true
	}
	return 0, false
}

// Of is the refusal for a request that WhatsApp refused or did not answer; nil for none.
func Of(err error) error {
	if err == nil {
		return nil
	}
	var known *pipe.Refusal
	var disconnected *whatsmeow.DisconnectedError
	var code int
	switch number, refused := IsRefused(err); {
	case errors.As(err, &known):
		return known
	case refused:
		return Refused(number)
	case errors.Is(err, whatsmeow.ErrServerReturnedError): // its number is in its text alone
		_, _ = fmt.Sscanf(err.Error(), whatsmeow.ErrServerReturnedError.Error()+" %d", &code)
		return Refused(code)
	case errors.Is(err, whatsmeow.ErrIQTimedOut), errors.Is(err, whatsmeow.ErrMessageTimedOut),
		errors.Is(err, context.DeadlineExceeded):
		return Timeout
	case errors.Is(err, whatsmeow.ErrNotConnected):
		return NotConnected
	case errors.As(err, &disconnected), errors.Is(err, context.Canceled):
		return Disconnected
	default:
		return &pipe.Refusal{Code: failed}
	}
}

// Unserved returns whether WhatsApp refused a request or did not answer it: the same request may succeed later.
func Unserved(err error) bool {
	var refusal *pipe.Refusal
	return errors.As(Of(err), &refusal) && refusal.Code != failed
}

// Before is Of for what failed before the message itself left: nothing is uncertain.
func Before(err error) error {
	var refusal *pipe.Refusal
	if found := Of(err); errors.As(found, &refusal) {
		return &pipe.Refusal{Code: refusal.Code, Number: refusal.Number, Permanent: refusal.Permanent}
	}
	return nil
}

// Word is the code for a failure of the database.
func Word(err error) string {
	switch {
	case errors.Is(err, vault.ErrFenced):
		return "fenced"
	case errors.Is(err, vault.ErrFull):
		return "disk_full"
	default:
		return "store_failed"
	}
}

// Store is the refusal for a failure of the database; nil for none.
func Store(err error) error {
	if err == nil {
		return nil
	}
	return &pipe.Refusal{Code: Word(err)}
}

// Text returns an attribute's value as a text, empty where there is none.
func Text(value any) string {
	switch found := value.(type) {
	case nil:
		return ""
	case string:
		return found
	default:
		return fmt.Sprint(found)
	}
}

// Number returns an attribute's value as a number, 0 where it is none.
func Number(value any) int {
	found, _ := strconv.Atoi(Text(value))
	return found
}
