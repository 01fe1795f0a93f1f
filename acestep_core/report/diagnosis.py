"""What is wrong with a training, as far as its records tell: each finding with its numbers and what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from acestep_core.report.facts import Facts

# A step of bfloat16, in which most run the model: a change of that size is like another rounding.
INAUDIBLE_RATIO = 2**-8
DROWNS_RATIO = 0.5
JUST_HEARD_DB = 1.0  # the least change of level that ears tell apart in music
UNMOVED, WORSE = 0.01, 0.05  # of the loss on fixed noise before the first step
OVERFITTED = 0.02  # of the base's validation loss, above the best
FEW_SONGS = 5
CLIPPED = 0.9  # of the steps
STARTED = 10.0  # times the first d, from which on an optimizer that finds its rate has left its start


@dataclass(frozen=True)
class Finding:
    """`key` names the rule; what is not `serious` is good to know."""

    key: str
    text: str
    hint: str
    serious: bool = True


def diagnose(facts: Facts) -> list[Finding]:
    """The serious ones first."""
    found = [finding for rule in _RULES for finding in rule(facts)]
    return sorted(found, key=lambda f: not f.serious)


def _ended(f: Facts) -> Iterator[Finding]:
    if f.error is not None and not f.run.finished:
        key = "nan" if "NaN" in f.error else "error"
        hint = "a lower --learning-rate" if key == "nan" else "the same command goes on from the last checkpoint"
        yield Finding(key, f"The run was ended: {f.error}", hint)
    elif not f.run.losses:
        yield Finding("no_steps", "No step was trained", "acestep-core train with the same --out")
    elif not f.run.finished:
        text = f"The run is unfinished: step {f.run.step} of {f.run.steps}"
        yield Finding("unfinished", text, "the same command goes on with it", serious=False)


def _audible(f: Facts) -> Iterator[Finding]:
    ratio = f.deltas.ratio if f.deltas else None
    apart = _apart(f)
    heard = apart is not None and apart >= JUST_HEARD_DB
    said = "" if apart is None else f", and the samples differ by {apart:.1f} dB"
    more = "train longer, or with a higher --learning-rate"
    if ratio == 0:
        yield Finding("no_change", "The adapter changes nothing at all", more)
    elif ratio is not None and ratio < INAUDIBLE_RATIO and not heard:
        text = f"The adapter's change is {ratio:.2%} of the weights{said}: it is probably inaudible"
        yield Finding("tiny_change", text, more)
    elif apart is not None and not heard:
        text = f"The samples with and without the adapter differ by {apart:.2f} dB, less than ears tell apart"
        yield Finding("samples_alike", text, more)
    if ratio is not None and ratio > DROWNS_RATIO:
        text = f"The adapter's change is {ratio:.0%} of the weights: it may drown what the model knows"
        yield Finding("huge_change", text, "listen, and try --scale 0.5, an earlier checkpoint or a lower rate")


def _apart(f: Facts) -> float | None:
    """The mean difference of the last samples from those of the model alone."""
    found = [s.difference_db for s in f.last_samples if s.difference_db is not None]
    return sum(found) / len(found) if found else None


def _moved(f: Facts) -> Iterator[Finding]:
    before, after = f.run.grid_before, f.run.grid_after
    if before is None or after is None:
        return
    change = after / before - 1
    if change > WORSE:
        text = f"The loss on fixed noise rose by {change:.1%}, from {before:.4f} to {after:.4f}"
        yield Finding("loss_rose", text, "a lower --learning-rate")
    elif abs(change) < UNMOVED:
        text = f"The loss on fixed noise hardly moved: {before:.4f} before, {after:.4f} after"
        yield Finding("loss_unmoved", text, "train longer, or with a higher --learning-rate")


def _validation(f: Facts) -> Iterator[Finding]:
    base, best, last = f.run.base, f.run.best, f.run.validation_last
    if not f.run.settings.get("data", {}).get("held_out"):
        text = "No songs are held out, so nothing tells learning from learning by heart"
        yield Finding("no_validation", text, "dataset save --validation 0.1, and encode that", serious=False)
    if base is None or best is None or last is None:
        return
    after = [step for step, _ in f.run.validated if step > best[0]]
    if best[1] >= base:
        text = f"Songs held out are never better than with the model alone: {best[1]:.4f} at best, {base:.4f} without"
        yield Finding("no_gain", text, "more or other songs, a smaller adapter or a lower --learning-rate")
    elif last - best[1] > OVERFITTED * base and len(after) > 1:
        text = f"The validation loss rises since step {best[0]}: {best[1]:.4f} there, {last:.4f} at the end"
        yield Finding("overfitting", text, "train with --export best, or --patience 3")


def _rate(f: Facts) -> Iterator[Finding]:
    warmup, last = f.train.get("warmup", 0), f.run.step
    if f.run.finished and 0 < last <= warmup:
        yield Finding("only_warmup", f"The run ended within its warm-up of {warmup:.0f} steps", "train longer")
    d = f.found_rates
    if d and f.run.finished and d[0] > 0 and d[-1] < STARTED * d[0]:
        text = f"{f.train['optimizer']} never left its start: d went from {d[0]:.1e} to {d[-1]:.1e}"
        yield Finding("rate_not_found", text, "train longer, or give adamw a --learning-rate")
    limit, norms = f.train.get("clip_norm", 0), [n for _, n in f.norms]
    cut = sum(n > limit for n in norms) / len(norms) if norms and limit else 0.0
    if cut > CLIPPED:
        text = f"The gradients were cut to {limit:g} in {cut:.0%} of the steps"
        yield Finding("always_clipped", text, "a lower --learning-rate, or a higher --clip-norm", serious=False)


def _songs(f: Facts) -> Iterator[Finding]:
    if f.songs is not None and 0 < f.songs < FEW_SONGS:
        text = f"Only {f.songs} song{'s were' if f.songs > 1 else ' was'} trained on, which is soon learnt by heart"
        yield Finding("few_songs", text, "ten and more songs say what they have in common", serious=False)


def _unmade(f: Facts) -> Iterator[Finding]:
    told = {problem: r["step"] for r in f.of("samples") for problem in r.get("problems", ())}
    for problem, step in told.items():
        where = f"after step {step}" if step else "of the model alone"
        yield Finding("sample_failed", f"A sample {where} was not made: {problem}", "the training is not touched by it",
                      serious=False)  # fmt: skip
    if f.deltas is not None and f.deltas.problem:
        yield Finding("unmeasured", f"How much the adapter changes is not known: {f.deltas.problem}", "listen to it",
                      serious=False)  # fmt: skip


_RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _ended, _audible, _moved, _validation, _rate, _songs, _unmade,
)  # fmt: skip
