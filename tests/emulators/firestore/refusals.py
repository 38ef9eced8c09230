"""What Firestore answers instead of a result."""

from __future__ import annotations

import grpc

Code = grpc.StatusCode


class Refused(Exception):  # noqa: N818 - reads as what it is
    """A status and the sentence beside it."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def invalid(text: str) -> Refused:
    return Refused(Code.INVALID_ARGUMENT, text)
