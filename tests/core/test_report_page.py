"""The report: one file that is whole, asks nothing of a network, and lets no text of a song become code."""

import base64
import io
import re
from html.parser import HTMLParser

import pytest
import soundfile
from synthetic_run import write_changes, write_run, write_samples

from acestep_core.registry import registry
from acestep_core.report.diagnosis import diagnose
from acestep_core.report.facts import read_facts
from acestep_core.report.listening import Sounds
from acestep_core.report.page import page, write_report
from acestep_core.run import Run

VOID = {"meta", "br", "img"}
EVIL = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>&amp;' </textarea>"
LAYERS = {f"layers.{n}.self_attn.{p}_proj": (10.0, 0.1 * (n + 1)) for n in range(8) for p in "qk"}


class Parsed(HTMLParser):
    """Every element with its attributes; complains of tags that do not match."""

    def __init__(self, text: str):
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict]] = []
        self.text: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag

    def handle_data(self, data):
        self.text[self.open[-1] if self.open else ""] = self.text.get(self.open[-1] if self.open else "", "") + data

    def attributes(self, tag, name):
        return [a.get(name) for t, a in self.found if t == tag]


@pytest.fixture
def run(tmp_path):
    folder = write_run(tmp_path / "run", loss=lambda step, t: 2 - 0.02 * step + t)
    for step, loss in ((0, 1.0), (10, 0.8), (20, 0.9)):
        Run(folder).log({"event": "validation", "step": step, "loss": loss})
    Run(folder).log({"event": "forecast", "step": 0, "demand": {"weights": 2_100_000_000, "peak": 3_000_000_000}})
    Run(folder).log({"event": "memory", "step": 20, "peak": 3_400_000_000, "counted": "process"})
    write_samples(folder, {1: {0: None, 10: 1.5, 20: 2.5}, 2: {0: None, 20: 3.5}})
    write_changes(folder, LAYERS)
    return folder


def made(folder, **given):
    facts = read_facts(folder, registry())
    sounds = write_report(facts, folder / "report.html", **given)
    return (folder / "report.html").read_text(encoding="utf-8"), sounds


def test_the_page_is_whole_and_its_sounds_are_in_it(run):
    text, sounds = made(run)
    parsed = Parsed(text)
    assert sounds.beside == [] and len(parsed.attributes("audio", "src")) == 5
    for address in parsed.attributes("audio", "src"):
        kind, _, content = address.partition(";base64,")
        wave, rate = soundfile.read(io.BytesIO(base64.b64decode(content, validate=True)))
        assert kind == "data:audio/flac" and rate == 48_000 and wave.shape == (4800, 2)
    assert parsed.attributes("audio", "controls") == [None] * 5


def test_nothing_in_it_asks_a_network(run):
    text, _ = made(run)
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r"base64,[\w+/=]+", "", text))
    parsed = Parsed(text)
    assert not {"link", "iframe", "object", "form", "base"} & {tag for tag, _ in parsed.found}
    addresses = [v for _, a in parsed.found for k, v in a.items() if k in ("src", "href", "srcset", "action")]
    assert addresses and all(a.startswith("data:") for a in addresses)


def test_the_rule_of_the_page_names_its_only_script(run):
    import hashlib

    parsed = Parsed(made(run)[0])
    rule = next(a["content"] for t, a in parsed.found if a.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(parsed.text["script"].encode()).digest()).decode()
    assert rule.startswith("default-src 'none'") and f"script-src 'sha256-{digest}'" in rule
    assert [t for t, _ in parsed.found].count("script") == 1


def test_no_text_of_a_song_a_setting_or_a_name_becomes_code(tmp_path):
    folder = write_run(tmp_path / "a<b>&'\"run", train={"note": EVIL}, adapter={"name": EVIL, EVIL: EVIL},
                       data={"songs": [EVIL], "held_out": []})  # fmt: skip
    write_samples(folder, {1: {0: None, 20: 0.1}}, caption=EVIL, lyrics=EVIL, bpm=EVIL, keyscale=EVIL)
    write_changes(folder, {EVIL: (1.0, 0.1), f"layers.0.{EVIL}": (1.0, 0.1), "layers.1.x": (1.0, 0.2)})
    for record in (
        {"event": "samples", "step": 0, "problems": [EVIL]},
        {"event": "memory", "step": 1, "peak": 1, "counted": EVIL},
    ):
        Run(folder).log(record)
    text, _ = made(folder)
    parsed = Parsed(text)
    tags = [tag for tag, _ in parsed.found]
    assert tags.count("script") == 1 and "img" not in tags and "textarea" not in tags
    assert not [a for _, a in parsed.found for name in a if name.startswith("on")]
    assert parsed.text["h3"] == EVIL and parsed.text["h1"] == "a<b>&'\"run"


def test_settings_that_differ_from_the_defaults_come_first(tmp_path):
    told = {"steps": 20, "batch_size": 4, "ema": 0.0, "learning_rate": 1e-3}
    folder = write_run(tmp_path / "run", train=told, adapter={"factor": 8})
    settings = {s.name: s for s in read_facts(folder, registry()).settings}
    assert settings["train.batch_size"].changed and settings["train.batch_size"].default == 1
    assert not settings["train.ema"].changed and settings["adapter.factor"].changed
    assert not settings["adapter.name"].changed  # lokr is taken unless another is named
    assert settings["sampler.name"].changed and settings["sampler.name"].value == "uniform"
    assert not settings["optimizer.learning_rate"].changed  # a LoKr's own
    text, _ = made(folder)
    assert text.index("train.batch_size") < text.index("the other ") < text.index("train.ema")


def test_sounds_above_the_bound_are_linked_and_told_pairs_first(run):
    sizes = {p: p.stat().st_size for p in (run / "samples").rglob("*.flac")}
    pair = [run / "samples" / f / "01.flac" for f in ("base", "step-000020")]
    text, sounds = made(run, embed_mb=(sum(sizes[p] for p in pair) + 1) / 1e6)
    assert sounds.inside == set(pair)
    addresses = Parsed(text).attributes("audio", "src")
    assert [a for a in addresses if not a.startswith("data:")] == [
        "samples/step-000010/01.flac", "samples/base/02.flac", "samples/step-000020/02.flac",
    ]  # fmt: skip
    assert "3 files are not in this page" in text


def test_links_lead_from_where_the_page_is_and_are_quoted(tmp_path):
    folder = write_run(tmp_path / "my run #1")
    write_samples(folder, {1: {0: None}})
    facts = read_facts(folder, registry())
    out = tmp_path / "elsewhere" / "r.html"
    out.parent.mkdir()
    text = page(facts, diagnose(facts), Sounds(out, 0))
    assert Parsed(text).attributes("audio", "src") == ["../my%20run%20%231/samples/base/01.flac"]


def test_the_curves_are_where_their_numbers_are(run):
    parsed = Parsed(made(run)[0])
    ways = [a["points"].split() for t, a in parsed.found if t == "polyline" and a["class"] == "thin"]
    losses = [tuple(map(float, p.split(","))) for p in ways[0]]
    assert len(losses) == 20
    xs, ys = zip(*losses, strict=True)
    assert list(xs) == sorted(xs) and list(ys) == sorted(ys)  # falls: down is more
    gaps = {round(b - a, 0) for a, b in zip(xs, xs[1:], strict=False)}
    assert len(gaps) == 1
    assert "best: 0.8000 at step 10" in parsed.text["span"] and "the model alone" in parsed.text["span"]


def test_a_long_run_draws_no_more_points_than_can_be_seen_and_keeps_its_peaks(tmp_path):
    folder = write_run(tmp_path / "run", steps=3000, train={"steps": 3000},
                       loss=lambda step, t: 50.0 if step == 1234 else 1.0)  # fmt: skip
    parsed = Parsed(made(folder)[0])
    way = next(a["points"].split() for t, a in parsed.found if t == "polyline" and a["class"] == "thin")
    heights = [float(p.partition(",")[2]) for p in way]
    assert len(way) <= 600 and min(heights) < min(h for h in heights if h > min(heights)) - 100


def test_layers_are_sorted_by_their_change(run):
    parsed = Parsed(made(run)[0])
    shares = [float(a["value"]) for t, a in parsed.found if t == "meter"]
    assert len(shares) == 16 and shares == sorted(shares, reverse=True) and shares[0] == 1
    assert "All together 5.05% of the weights of 16 layers" in parsed.text["p"]
    heat = [a for t, a in parsed.found if t == "rect" and a["class"] == "heat"]
    assert len(heat) == 16


def test_memory_is_told_as_the_records_say_it(run):
    text = made(run)[0]
    assert "forecast: peak" in text and "3.00 GB" in text and "taken, by the process" in text and "3.40 GB" in text


@pytest.mark.parametrize("steps", [0, 1])
def test_a_run_that_has_hardly_begun_has_a_page_too(tmp_path, steps):
    folder = write_run(tmp_path / "run", steps=steps, finished=False)
    parsed = Parsed(made(folder)[0])
    assert "unfinished" in parsed.text["p"] and "audio" not in {t for t, _ in parsed.found}


def test_losses_that_are_no_numbers_are_left_out(tmp_path):
    folder = write_run(tmp_path / "run", loss=lambda step, t: float("nan") if step > 10 else 1.0 + step)
    text = made(folder)[0]
    Parsed(text)
    assert "nan" not in re.sub(r"base64,[\w+/=]+", "", text).partition("</style>")[2].replace("NaN", "").lower()
