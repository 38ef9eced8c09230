"""Length and waveform of samples."""

from __future__ import annotations

import tempfile

from actors.media.conversion.recipes import BARS, LOUDEST, WAVEFORM_RATE, seconds_of, waveform_of


def sound_of(samples: bytes) -> tuple[int, bytes]:
    with tempfile.TemporaryFile() as file:
        file.write(samples)
        file.flush()
        return seconds_of(file), waveform_of(file)


def test_a_waveform_is_as_loud_as_the_sound() -> None:
    quiet, loud = bytes([10, 246] * WAVEFORM_RATE), bytes([100, 156] * WAVEFORM_RATE)
    _, shape = sound_of(quiet + loud)
    assert len(shape) == BARS
    assert set(shape[: BARS // 2]) == {LOUDEST // 10}
    assert set(shape[BARS // 2 :]) == {LOUDEST}
    assert sound_of(b"")[1] == sound_of(bytes(WAVEFORM_RATE))[1] == bytes(BARS)


def test_the_length_of_a_sound() -> None:
    assert [
        sound_of(bytes(each))[0] for each in (0, WAVEFORM_RATE // 3, 7 * WAVEFORM_RATE + 1)
    ] == [1, 1, 7]
