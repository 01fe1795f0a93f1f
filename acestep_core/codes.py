"""Audio codes: the 5 Hz tokens that stand for music, as text in the form the models write and as plain numbers."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from acestep_core.errors import UserError
from acestep_core.files import text_at

CODES = 64_000
CODE_FRAMES = 5  # latent frames per code: 5 codes a second
_CODE = re.compile(r"<\|audio_code_(\d+)\|>")
_BETWEEN = re.compile(r"[\s,;\[\]]+")


def read_codes(text: str) -> list[int]:
    """The numbers of audio codes, written as <|audio_code_12|> or as 12, 7. Raises `UserError` for anything else."""
    for problem in code_problems(text):
        raise problem
    return [int(n) for n in _CODE.findall(text) or _numbers(text)]


def write_codes(codes: Sequence[int]) -> str:
    return "".join(f"<|audio_code_{n}|>" for n in codes)


def codes_at(path: Path) -> list[int]:
    """`read_codes` of a file, such as `codes extract` writes it. Raises `UserError` for one without any."""
    try:
        codes = read_codes(text_at(path, "give a file with audio codes; codes extract writes one"))
    except UserError as e:
        raise e if str(path) in e.problem else UserError(f"{path}: {e.problem}", e.hint) from None
    if not codes:
        raise UserError(f"{path} holds no audio codes", "make them: acestep-core codes extract")
    return codes


def codes_given(text: str) -> str:
    """What a user typed for codes, in the form of the models: the codes themselves, or a file that holds them."""
    numbers = _numbers(text)
    if not numbers:
        raise UserError("--codes holds no audio code", "write <|audio_code_12|> or 12 for each, or give a file of them")
    typed = _CODE.search(text) or all(n.isdecimal() for n in numbers)
    return write_codes(read_codes(text) if typed else codes_at(Path(text)))


def code_problems(text: str) -> Iterator[UserError]:
    tokens = _CODE.findall(text)
    rest = [_CODE.sub("", text).strip()] if tokens else [n for n in _numbers(text) if not n.isdecimal()]
    if any(rest):
        yield UserError(f"'{rest[0][:40]}' is no audio code", "write <|audio_code_12|> or 12 for each")
        return
    wrong = [n for n in tokens or _numbers(text) if int(n) >= CODES]
    if wrong:
        yield UserError(f"There is no audio code {wrong[0]}", f"they go from 0 to {CODES - 1}")


def _numbers(text: str) -> list[str]:
    return [n for n in _BETWEEN.split(text) if n]
