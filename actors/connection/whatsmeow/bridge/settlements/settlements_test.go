// Tests that a refused part withholds the answer to its stanza.

package settlements

import (
	"testing"

	"teimoso-whatsmeow/pipe"
)

// The library's handler keeps the result of the last part alone.
func TestOneRefusedPartWithholdsTheAnswerOfItsStanza(t *testing.T) {
	all := New(pipe.New(nil), func() error { return nil }, nil)
	for _, refused := range []int{-1, 0, 1, 2} {
		var deliveries []<-chan pipe.Answer
		for part := range 3 {
			answer := make(chan pipe.Answer, 1)
			if part == refused {
				answer <- pipe.Answer{Err: &pipe.Refusal{Code: "not_stored"}}
			} else {
				answer <- pipe.Answer{}
			}
			deliveries = append(deliveries, answer)
		}
		all.finish(Settlement{Deliveries: deliveries, Done: func(stored bool) {
			if stored != (refused < 0) {
				t.Errorf("part %d refused: stored is %v", refused, stored)
			}
		}})
	}
}
