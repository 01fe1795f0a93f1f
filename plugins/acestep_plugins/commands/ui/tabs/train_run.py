"""What a training has come to: curve, checkpoints, samples, findings, report; and adapters for other programs."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from acestep_plugins.commands.ui.curves import loss_curve
from acestep_plugins.commands.ui.shell import Shell
from acestep_plugins.commands.ui.tabs.kind_box import kind_box
from acestep_plugins.commands.ui.telling import facts_table, flat, grid
from acestep_plugins.commands.ui.work import Job, first_done

MOST = 8
_LAYERS = 30


def build(shell: Shell, train: Any) -> None:
    """Draws both."""
    with gr.Accordion(shell.words("run_title"), open=True):
        _run(shell, train)
    with gr.Accordion(shell.words("export_title"), open=False):
        _export(shell, train)


def _run(shell: Shell, train: Any) -> None:
    words = shell.words
    with gr.Row(equal_height=True):
        folder = gr.Textbox("", label=words.label("run"), info=words("run_help"), elem_id="run-folder", scale=3)
        look = gr.Button(words("run_look"), elem_id="run-look")
        use = gr.Button(words("run_use"), elem_id="run-use", interactive=False)
    report = gr.DownloadButton(words("report"), visible=False, elem_id="run-report", size="sm")
    told, used, adapter = gr.HTML(elem_id="run-told"), gr.Markdown(elem_id="run-used"), gr.State(None)
    players = []
    for first in range(0, MOST, 2):
        with gr.Row():
            players += [_player(first + n) for n in range(2)]
    outputs = [train.curve, told, report, adapter, use, *players]

    def looked(path: str) -> list[Any]:
        return shown(shell, path.strip())

    def ended(ids: str) -> list[Any]:
        job = shell.work.job(ids.split()[0]) if ids else None
        if job is None or job["kind"] != "train" or job["state"] == "queued":
            return [_outcome(shell, job), gr.skip(), *[gr.skip()] * len(outputs)]
        path = str(job["request"]["out"]) if "out" in job["request"] else "run"
        return [_outcome(shell, job), path, *shown(shell, path)]

    def heard(path: str | None) -> str:
        shell.work.adapter("", path=path)
        return words("adapter_used", path=path)

    shell.when(look.click, looked, [folder], outputs)
    shell.when(train.panel.ended.change, ended, [train.panel.ended], [train.told, folder, *outputs])
    shell.when(use.click, heard, [adapter], [used])


def _player(place: int) -> Any:
    return gr.Audio(visible=False, interactive=False, type="filepath", editable=False, buttons=["download"],
                    elem_id=f"run-sample-{place}")  # fmt: skip


def shown(shell: Shell, folder: str) -> list[Any]:
    """A run: curve, facts, report, adapter and samples."""
    work, words = shell.work, shell.words
    job = work.start("run", {"run": folder})
    found = work.ended(job)
    page = str(work.file(job, found["report"])) if found["report"] else None
    report = gr.update(visible=False) if page is None else gr.update(value=page, visible=True)
    samples = [_sample(shell, job, s) for s in chosen_samples(found["samples"])]
    blank = [gr.update(visible=False)] * (MOST - len(samples))
    curve = loss_curve(found["losses"], found["validations"], words)
    return [curve, _facts(shell, found), report, found["adapter"], gr.update(interactive=bool(found["adapter"])),
            *samples, *blank]  # fmt: skip


def chosen_samples(samples: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of each prompt the model alone and the last with the adapter, as many as there is room for."""
    found: list[Mapping[str, Any]] = []
    for number in dict.fromkeys(s["number"] for s in samples):
        same = [s for s in samples if s["number"] == number]
        found += [same[0], same[-1]] if len(same) > 1 else same
    return found[:MOST]


def _sample(shell: Shell, job: str, sample: Mapping[str, Any]) -> Any:
    words = shell.words
    when = words("sample_step", step=sample["step"]) if sample["step"] else words("by_model_alone")
    far = f" · {sample['difference_db']:.1f} dB" if sample["difference_db"] is not None else ""
    return gr.update(value=str(shell.work.file(job, sample["file"])), visible=True,
                     label=f"{sample['number']} · {when}{far} · {sample['prompt'][:60]}")  # fmt: skip


def _facts(shell: Shell, found: Mapping[str, Any]) -> str:
    words = shell.words
    state = words("run_finished") if found["finished"] else words("run_unfinished")
    rows = [(words("step"), f"{found['step']} / {found['steps']}, {state}")]
    rows.append((words.label("adapter"), found["adapter"] or "–"))
    if None not in found["grid"]:
        rows.append((words("loss_grid"), "{:.4f} → {:.4f}".format(*found["grid"])))
    findings = [[words.said(text) for text in (f["text"], f["hint"]) if text] for f in found["findings"]]
    rows += [(words("finding"), "; ".join(f)) for f in findings]
    kept = [(c["step"], c["path"], words("best") if c["best"] else "") for c in found["checkpoints"]]
    checkpoints = grid([words("checkpoint"), words.label("path"), ""], kept)
    settings = facts_table(sorted(found["settings"].items()))
    return facts_table(rows) + checkpoints + f"<details><summary>{words('settings')}</summary>{settings}</details>"


def _outcome(shell: Shell, job: Job | None) -> str:
    """What a search for a rate or an estimate has found."""
    if job is None or job["state"] != "done" or job["kind"] == "train":
        return ""
    found = job["result"]
    if job["kind"] == "estimate":
        layers = found["layers"][:_LAYERS]
        rows = [(layer["name"], f"{layer['fisher']:.4g}", layer.get("rank", "")) for layer in layers]
        return grid([shell.words.label("layers"), "Fisher", shell.words.label("rank")], rows)
    plain = {n: v for n, v in found.items() if isinstance(v, int | float | str) and not isinstance(v, bool)}
    return facts_table(flat(plain, shell.words))


def _export(shell: Shell, train: Any) -> None:
    words = shell.words
    source = gr.Textbox("", label=words("export_source"), info=words("export_source_help"), elem_id="export-source")
    made = gr.File(visible=False, interactive=False, elem_id="export-file")
    told = gr.Markdown(elem_id="export-told")

    def tell(jobs: Sequence[Job]) -> list[Any]:
        job = first_done(jobs)
        if job is None:
            return [gr.skip(), gr.skip()]
        files = [str(shell.work.file(str(job["id"]), f["name"])) for f in job["files"]]
        notes = "\n".join(f"- {words.said(n)}" for n in job["result"]["notes"])
        update = gr.update(value=files, visible=bool(files))
        return [update, f"{words('export_done', out=job['result']['out'])}\n{notes}"]

    first = ("to", "out", "checkpoint", "rank", "max_error", "dtype")
    kind_box(shell, "export", "export", shared={"sources": source}, first=first, also=(tell, [made, told]))
