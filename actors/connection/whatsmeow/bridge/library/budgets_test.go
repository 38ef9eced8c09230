// Tests which device loses its budget once there are too many.

package library

import (
	"fmt"
	"testing"
	"time"
)

func TestNewDevicesTakeThePlaceOfTheOldestBudgetAlone(t *testing.T) {
	now := time.Unix(0, 0)
	some := newBudgets(func() time.Time { return now })
	for number := range mostBudgets {
		some.charge(fmt.Sprintf("device %d", number), 2*burst)
		now = now.Add(time.Millisecond)
	}
	some.charge("device 0", ordinary+1) // is the newest by that
	some.charge("another", ordinary+1)
	if len(some.all) != mostBudgets {
		t.Error("there are", len(some.all))
	}
	for _, device := range []string{"device 0", "device 2", fmt.Sprintf("device %d", mostBudgets-1)} {
		if some.allowance(device) != ordinary {
			t.Error(device, "has a new budget")
		}
	}
	if some.allowance("device 1") != mostEffort {
		t.Error("the oldest is still there")
	}
}
