from __future__ import annotations

from actors.connection.native.identities.devices import Installed
from actors.connection.native.identities.recipient_devices import everyone
from actors.connection.protocol.identities.addresses import Address, participant_hash

PERSON = Address.parse("90000000000002@lid")
OWN = Address.parse("90000000000001:4@lid")


def test_everyone_is_the_persons_devices_and_the_accounts_once_each() -> None:
    found = everyone(PERSON, Installed((0, 7)), OWN, Installed((0, 4, 5), (99,)))
    assert [str(one) for one in found.devices] == [
        "90000000000002@lid",
        "90000000000002:7@lid",
        "90000000000001@lid",
        "90000000000001:4@lid",
        "90000000000001:5@lid",
    ]
    assert found.hosted == (OWN.with_device(99),)
    own = everyone(OWN.canonical, Installed((0,)), OWN, Installed((0,)))
    assert own.devices == (OWN.canonical, OWN)


def test_whatsapps_hash_may_count_this_device_and_hosted_ones() -> None:
    """Names of hosted devices have a server of their own (whatsmeow, user.go and send.go)."""
    found = everyone(PERSON, Installed((0,), (99,)), OWN, Installed((0, 4)))
    phones = [PERSON, OWN.canonical]
    hosted = Address("90000000000002", "hosted.lid", 99)
    assert found.hashes == {
        participant_hash(phones),
        participant_hash([*phones, OWN]),
        participant_hash([*phones, hosted]),
        participant_hash([*phones, OWN, hosted]),
    }
    assert len(found.hashes) == 4
    missed = found.without(everyone(PERSON, Installed(()), OWN, Installed((0, 4))))
    assert missed.devices == (PERSON,)
