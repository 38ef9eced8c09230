"""Mounts what a root of debootstrap lacks: devices and a directory for temporary files, both its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
"""The certificate authorities of this host, which a root has as well."""

DEVICES: Final = """
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero random urandom full tty; do
    touch "$root/dev/$node"; mount --bind "/dev/$node" "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm"; mount -t tmpfs -o size=256m,mode=1777 tmpfs "$root/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
"""
"""Lines of a shell in a mount namespace, with the root in `$root`; all are gone with the namespace."""
