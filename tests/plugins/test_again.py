"""`--from`: every single field of a record matters. One that is changed changes the samples, is refused or is told."""

import copy
import json
from functools import cache

import pytest

from acestep_core import UserError, generate, load_backend
from acestep_core.adapters import UsedAdapter
from acestep_core.record import check_same, load_record
from acestep_core.registry import registry
from acestep_core.sameness import backend_options, differences
from acestep_core.tasks import Complete, Cover, Lego, Repaint, Text2Music

SONG, OTHER = "SONG", "OTHER"
# Other valid values of what has none of its own kind.
OTHERWISE = {
    "bpm": 97, "keyscale": "F# minor", "timesignature": "3", "language": "fr", "timbre": OTHER, "schedule": "uniform",
    "timesteps": [1.0, 0.4, 0.0], "solver": "sde", "guidance_kind": "cfg", "repaint_mode": "conservative",
    "repaint_strength": 0.1, "track": "drums", "tracks": ["drums"], "source": OTHER, "codes": "<|audio_code_9|>" * 30,
    "name": "cover", "dtype": "bfloat16", "device": "cuda", "attention": "flex", "guidance_end": 0.6,
    "guidance_start": 0.6, "end": 5.0, "cover_strength": 0.2, "cover_noise": 0.6,
}  # fmt: skip


@pytest.fixture(scope="module")
def songs(tmp_path_factory, make_song):
    folder = tmp_path_factory.mktemp("songs")
    return {SONG: make_song(folder / "song.wav", 5.2), OTHER: make_song(folder / "other.wav", 5.2, 330.0)}


@pytest.fixture
def make(turbo, base, adapter, songs):
    """make(name) -> (model, clip): all kinds of requests between them use every field."""

    def made(name):
        song = songs[SONG]
        words = {"caption": "a waltz", "seed": 7, "steps": 2}
        return {
            "everything": lambda: (turbo, generate(
                turbo, **words, duration_s=5.2, lyrics="[Verse]\nla", bpm=120, keyscale="C major", timesignature="4",
                language="en", timbre=song, solver="heun", velocity_clamp=0.5, velocity_ema=0.2,
                options={"solver": {"correct_last": True}}, adapters=[UsedAdapter(adapter, 0.7)])),
            "guided": lambda: (base, generate(
                base, **(words | {"steps": 4}), duration_s=5.2, guidance=4.0, guidance_start=0.1, guidance_end=0.9)),
            "schedule": lambda: (turbo, generate(
                turbo, **words, duration_s=5.2, schedule="turbo_steps", options={"schedule": {"shift": 2.0}})),
            "timesteps": lambda: (turbo, generate(
                turbo, caption="x", seed=1, duration_s=5.2, timesteps=(0.98, 0.4, 0.0))),
            "codes": lambda: (turbo, generate(
                turbo, **words, task=Text2Music(codes="<|audio_code_3|>" * 30, codes_strength=0.5))),
            "cover": lambda: (turbo, generate(
                turbo, **(words | {"steps": 4}), task=Cover(source=song, cover_strength=0.7, cover_noise=0.3))),
            "repaint": lambda: (turbo, generate(turbo, **words, task=Repaint(source=song, start=1.0, end=3.0))),
            "lego": lambda: (base, generate(base, **words, task=Lego(source=song, start=1.0, end=3.0, track="bass"))),
            "complete": lambda: (base, generate(base, **words, task=Complete(source=song, tracks=("bass",)))),
        }[name]()  # fmt: skip

    return made


def leaves(content, path=()):
    """(path, value) of everything in the record that holds nothing smaller; a list of numbers or words is one value."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in pairs:
        inner = isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict))
        if inner and value:
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def otherwise(path, value, songs):
    """Another value that could stand there."""
    name = path[-1]
    if name in OTHERWISE and value != OTHERWISE[name]:
        return str(songs[OTHER]) if OTHERWISE[name] == OTHER else OTHERWISE[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value // 2 or value + 1
    if isinstance(value, float):
        return value * 0.8 if value else 0.05
    if isinstance(value, list):
        return [*value[:-1], *(0.01 * v for v in value[-1:]), 0.0] if name == "schedule" else [*value, "another"]
    return {"options": {"x": 1}} if isinstance(value, dict) else f"{value} otherwise"


def changed(content, path, value):
    copied = copy.deepcopy(content)
    place = copied
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return copied


@cache
def opened(model, options):
    return load_backend("pt", model=model, **json.loads(options))


def outcome(model, content, file):
    """What `generate --from` makes of it: 'refused', 'told', 'other samples' or 'the same'."""
    file.write_text(json.dumps(content))
    try:
        record = load_record(file)
        options = backend_options(record.content, "pt", {}, registry())
        if options != backend_options({"backend": {"name": "pt", **model.backend.settings()}}, "pt", {}, registry()):
            model = opened(model.checkpoint.root, json.dumps(options))
        if check_same(record, model):
            return "told"
        clip = generate(model, record.request, adapters=record.adapters, options=record.options)
    except UserError:
        return "refused"
    return "other samples" if differences(record, clip.record) else "the same"


def plain(record):
    return json.loads(json.dumps(record, default=str))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["everything", "guided", "schedule", "timesteps", "codes", "cover", "repaint", "lego",
                                  "complete"])  # fmt: skip
def test_every_field_of_a_record_matters(make, songs, tmp_path, name):
    model, clip = make(name)
    content = plain(clip.record)
    assert outcome(model, content, tmp_path / "r.json") == "the same"
    unnoticed = []
    for path, value in leaves(content):
        if name != "everything" and path[0] in ("model", "versions", "backend", "plugins", "audio", "notes"):
            continue  # they do not depend on the request
        if path == ("backend", "compile"):
            continue  # takes a minute; what it gives is test_compiled's
        other = otherwise(path, value, songs)
        assert other != value, path
        if path == ("backend", "tile_frames"):  # tiles of any size give the same but for rounding
            there = changed(content, path, other)
            assert backend_options(there, "pt", {}, registry())["tile_frames"] == other
            continue
        if outcome(model, changed(content, path, other), tmp_path / "r.json") == "the same":
            unnoticed.append((".".join(map(str, path)), value, other))
    assert unnoticed == []


@pytest.fixture
def recorded(turbo):
    return plain(generate(turbo, caption="x", seed=1, steps=1, duration_s=5.2).record)


@pytest.mark.parametrize(("path", "value", "said"), [
    (("schedule",), [1.0, 0.5, 0.0], r"schedule is \[1.0, 0.5, 0.0\], the request leads to \[1.0, 0.0\]"),
    (("request", "shift"), 2.0, "request.shift is 2.0, the rest leads to 3.0"),
    (("request", "task", "codes"), "", None),
    (("model", "hashes", "text"), "another", "the text weights are others"),
    (("model", "hashes", "lyrics"), "more", "the lyrics weights are others"),
    (("audio", "rate_hz"), 44100, "audio.rate_hz is 44100"),
    (("options", "solver"), {"correct_last": True}, "has no option 'correct_last'"),
    (("options", "schedule"), {"shift": 1.0}, "options.schedule is for nothing that was chosen"),
    (("backend", "name"), "mlx", "made by the backend 'mlx', not 'pt'"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_a_sentence(turbo, recorded, tmp_path, path, value, said):
    file = tmp_path / "r.json"
    file.write_text(json.dumps(changed(recorded, path, value)))
    if said is None:
        assert check_same(load_record(file), turbo) == []
        return
    with pytest.raises(UserError, match=said):
        record = load_record(file)
        backend_options(record.content, "pt", {}, registry())
        check_same(record, turbo)


@pytest.mark.parametrize(("path", "said"), [
    (("versions", "torch"), "torch was elsewhere, now "), (("model", "folder"), "model folder was elsewhere, now "),
    (("plugins", "euler"), "plugins euler was elsewhere, now acestep-core "),
    (("backend", "device"), "backend device was elsewhere, now cpu"),
])  # fmt: skip
def test_what_was_otherwise_is_told(turbo, recorded, tmp_path, path, said):
    file = tmp_path / "r.json"
    file.write_text(json.dumps(changed(recorded, path, "elsewhere")))
    (line,) = check_same(load_record(file), turbo)
    assert line.startswith(said)


def test_from_asks_for_the_backend_as_it_was(tiny, tmp_path, cli):
    out = tmp_path / "a.wav"
    words = ("--caption", "x", "--seed", "1", "--steps", "1", "--duration", "5.2")
    made = cli("generate", "--model", tiny, *words, "-o", "backend.dtype=bfloat16", "-o", out)
    assert made.code == 0, made.err
    again = cli("generate", "--model", tiny, "--from", f"{out}.json", "-o", tmp_path / "b.wav")
    assert "The samples equal the record's." in again.err and (tmp_path / "b.wav").read_bytes() == out.read_bytes()
    other = cli("generate", "--model", tiny, "--from", f"{out}.json", "-o", "backend.dtype=float32",
                "-o", tmp_path / "c.wav")  # fmt: skip
    assert "backend dtype was bfloat16, now float32; the samples may differ" in other.err
    assert "The samples differ from the record's: sha256 was " in other.err


def test_a_device_that_is_not_here_is_not_asked_for():
    recorded = {"backend": {"name": "pt", "device": "cuda:63", "dtype": "bfloat16", "attention": "flash"}}
    assert backend_options(recorded, "pt", {}, registry()) == {"dtype": "bfloat16"}
    assert backend_options(recorded, "pt", {"device": "cuda:63"}, registry())["device"] == "cuda:63"
