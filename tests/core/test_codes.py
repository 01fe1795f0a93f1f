"""Audio codes as text: every form that is written is read, and what is none is told."""

import pytest

from acestep_core import UserError
from acestep_core.codes import codes_at, codes_given, read_codes, write_codes


def test_codes_are_written_as_the_models_write_them():
    assert write_codes([12, 0, 63_999]) == "<|audio_code_12|><|audio_code_0|><|audio_code_63999|>"


@pytest.mark.parametrize("text", [
    "<|audio_code_12|><|audio_code_7|>", " <|audio_code_12|>\n<|audio_code_7|>\n",
    "12 7", "12,7", "[12, 7]\n", "12\n7\n",
])  # fmt: skip
def test_every_form_is_read(text, tmp_path):
    assert read_codes(text) == [12, 7]
    (tmp_path / "a.txt").write_text(text)
    assert codes_at(tmp_path / "a.txt") == [12, 7]
    assert codes_given(str(tmp_path / "a.txt")) == codes_given(text) == "<|audio_code_12|><|audio_code_7|>"


@pytest.mark.parametrize(("text", "problem"), [
    ("<|audio_code_64000|>", "There is no audio code 64000"), ("1 64000", "There is no audio code 64000"),
    ("<|audio_code_1|> 7", "'7' is no audio code"), ("1 -7", "'-7' is no audio code"), ("1.5", "'1.5' is no"),
    ("<|audio_code_x|>", "'<|audio_code_x|>' is no"),
])  # fmt: skip
def test_what_is_no_code_is_told(text, problem, tmp_path):
    with pytest.raises(UserError) as error:
        read_codes(text)
    assert problem in error.value.problem
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(UserError) as error:
        codes_at(tmp_path / "a.txt")
    assert problem in error.value.problem and "a.txt" in error.value.problem


def test_no_codes_at_all_are_told(tmp_path):
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(UserError, match="holds no audio codes"):
        codes_at(tmp_path / "a.txt")
    with pytest.raises(UserError, match="--codes holds no audio code"):
        codes_given(" , ")
    with pytest.raises(UserError, match="There is no file"):
        codes_given("none.txt")
