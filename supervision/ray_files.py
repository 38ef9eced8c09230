"""Names the files in the data directory by which processes find and join the instance's Ray cluster."""

from pathlib import Path

TOKEN = Path("ray") / "token"
"""The secret that Ray demands of each process; the keeper writes it (`keeper/parts/ray_head`)."""

ADDRESS_FILE = Path("ray") / "address"
"""The file with the head's address, for processes of this host that join the cluster."""
