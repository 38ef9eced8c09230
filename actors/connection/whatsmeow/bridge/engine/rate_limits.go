// Reports to the actor that WhatsApp refuses the account's requests for being too many.

package engine

import (
	waBinary "go.mau.fi/whatsmeow/binary"

	"teimoso-whatsmeow/outcome"
)

// rateLimited is the number of WhatsApp's refusal of a request by an account that makes too many.
const rateLimited = 429

// tellLimit reports a refused request, one of the library's own too, whose error it drops.
func (l *login) tellLimit(node *waBinary.Node) {
	if refusal := node.GetChildByTag("error"); outcome.Number(refusal.Attrs["code"]) == rateLimited {
		l.engine.pipe.Tell("rate_limited", nil, nil)
	}
}
