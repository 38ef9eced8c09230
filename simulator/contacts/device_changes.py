"""Changes a simulated person's devices (drop sessions, reinstall, link, unlink), and notifies other accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.contacts.signal_endpoints import PHONE

if TYPE_CHECKING:
    from simulator.contacts.devices import Devices
    from simulator.contacts.people import People
    from simulator.contacts.signal_endpoints import SignalEndpoints
    from simulator.server.notifications import Notifications


class DeviceChanges:
    """Changes devices and notifies others. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        people: People,
        endpoints: SignalEndpoints,
        devices: Devices,
        notifications: Notifications,
    ) -> None:
        self._people = people
        self._endpoints = endpoints
        self._devices = devices
        self._notifications = notifications

    def forget(self, number: str, account: str) -> int:
        """Drops the sessions of the person's devices with the account's; returns their number."""
        return self._endpoints.forget(number, account)

    def reinstall(self, number: str, *, same_identity: bool, notify: bool) -> None:
        """Resets the phone's sessions and prekeys, and its identity unless `same_identity`.

        A new identity comes with a new registration id and without the linked devices, which the
        old one had signed. With `notify` accounts that know the person are notified.
        """
        if same_identity:
            self._endpoints.reset(number)
            return
        for device in list(self._endpoints.of(number)):
            if device != PHONE:
                self.unlink(number, device, notify=notify)
        if notify:
            # before the deletion of the sessions, by which the server knows the person's peers
            self._notifications.identity(number)
        self._endpoints.remove(number, PHONE)
        self._people.relisted(number, renumbered=True)

    def link(self, number: str, *, notify: bool, hosted: bool = False) -> int:
        """Links one more device of the person; returns its id. Raises HostedDeviceError."""
        device = self._devices.add(number, hosted=hosted)
        if notify:
            self._notifications.device(number, "add", device)
        return device

    def unlink(self, number: str, device: int, *, notify: bool) -> None:
        """Unlinks a device of the person. Raises NoDeviceError without a simulated one."""
        self._devices.remove(number, device)
        if notify:
            self._notifications.device(number, "remove", device)
