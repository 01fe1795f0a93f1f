"""A whole training step, from the songs' files to the updated weights: ours vs a plain loop of PyTorch and PEFT.

Four layers of the real width, 60 s of latents, batch 1, on the CPU. The plain loop does what the reference does, on
diffusers' classes with the same weights: dense masks, a condition padded to 769 tokens that are all attended (ours has
the 300 that say something), every layer checkpointed, AdamW and clipping; its batch lies in memory, ours is read from
its file. Its LoKr is PEFT's on the same layers or, as the reference has it, LyCORIS' over every linear layer with the
change built anew each time.

Steps are taken in turns; every time is divided by that of the plain loop in the same round. Prints median ratios of
processor time (which a busy machine hardly disturbs) with their range, and of wall time. Memory is counted from the
profiler's events in a process of its own for each way: the peak of all tensors beside the model's weights, so that
activations, adapter, gradients and optimizer state are in it.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from step import CONDITION, CONFIG
from tensor_memory import peak_growth

from acestep_core.encoded import EncodedSet, write_manifest
from acestep_core.jobs import Showing, TrainJob
from acestep_core.registry import registry
from acestep_core.song_files import song_bytes, song_file
from acestep_core.train_settings import TrainSettings, resolved

PADDED = 769  # 256 tokens of text, 512 of lyrics and one of timbre
RANK = 64
STEPS = 10_000  # of the schedule, never reached
TURBO_TIMES = (1.0, 0.9545454545454546, 0.9, 0.8333333333333334, 0.75, 0.6428571428571429, 0.5, 0.3)
LINEARS = ("to_q", "to_k", "to_v", "to_out.0")
COMPARED = (  # (ours, theirs, target of time, target of memory)
    ("ours lora, checkpointed", "plain lora", 0.92, 0.90),
    ("ours lokr, checkpointed", "plain lokr", 0.92, 0.90),
    ("ours lora", "plain lora", 0.65, None),
    ("ours lokr", "plain lokr", 0.65, None),
    ("ours lokr, checkpointed", "rebuilt lokr", 0.50, None),
    ("ours lokr", "rebuilt lokr", 0.50, None),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    parser.add_argument("--only", nargs="*", default=("time", "memory"), choices=("time", "memory"))
    parser.add_argument("--kinds", nargs="*", default=("lora", "lokr"), choices=("lora", "lokr"))
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.memory_of:
        print(peak_bytes(given.memory_of, given))
    else:
        in_turns(given)


def in_turns(given: argparse.Namespace) -> None:
    shape = f"{given.layers} layers of width {CONFIG['hidden_size']}, {given.seconds} s, {given.dtype}"
    print(f"{shape}, {torch.get_num_threads()} threads, {given.rounds} rounds")
    compared = [row for row in COMPARED if any(kind in row[0] for kind in given.kinds)]
    ways, peaks = tuple(dict.fromkeys(way for row in compared for way in row[1::-1])), {}
    for way in ways if "memory" in given.only else ():
        peaks[way] = measured_apart(way, given)
        print(f"{way:<26}{peaks[way] / 1e6:8.0f} MB beside the weights", flush=True)
    if "time" not in given.only:
        return report(compared, {}, peaks)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given, Path(folder), torch.device("cpu"))
        print(f"both give the same velocities of the same input to {bench.difference():.0e}", flush=True)
        steps = {way: bench.steps(way) for way in ways}
        times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for number in range(given.rounds + 1):
            for way, taken in steps.items():
                cpu, wall = time.process_time(), time.perf_counter()
                next(taken)
                if number:  # the first round warms up
                    times[way].append((time.process_time() - cpu, time.perf_counter() - wall))
        report(compared, times, peaks)
        for kind in given.kinds:
            print(f"trained numbers of {kind}: {sorted({n for way, n in bench.trained.items() if kind in way})}")
        share = bench.loading() / statistics.median(cpu for cpu, _ in times[f"ours {given.kinds[0]}"])
        print(f"reading a song and drawing its noise takes {share:.2%} of a step (target: < 2 %)")


def report(compared: list[tuple], times: dict[str, list[tuple[float, float]]], peaks: dict[str, int]) -> None:
    print(f"{'':54}{'time':>6}{'lowest':>8}{'highest':>9}{'target':>9}{'wall':>7}{'memory':>9}{'target':>9}")
    for ours, theirs, limit, memory_limit in compared:
        line = f"{ours + ' / ' + theirs:54}"
        if times:
            ratios, walls = ([a[k] / b[k] for a, b in zip(times[ours], times[theirs], strict=True)] for k in (0, 1))
            span = f"{statistics.median(ratios):6.2f}{min(ratios):8.2f}{max(ratios):9.2f}"
            line += f"{span}{f'<= {limit:.2f}':>9}{statistics.median(walls):7.2f}"
        if peaks:
            target = "" if memory_limit is None else f"<= {memory_limit:.2f}"
            line += f"{peaks[ours] / peaks[theirs]:9.2f}{target:>9}"
        print(line, flush=True)


class Bench:
    """Ways to take one step after another, of decoders that share their weights."""

    def __init__(self, given: argparse.Namespace, folder: Path, device: torch.device):
        from acestep_plugins.backends.pt.dit_modules import build_decoder

        torch.manual_seed(0)
        self.dtype, self.device, self.frames = getattr(torch, given.dtype), device, given.seconds * 25
        self.config = {**CONFIG, "num_hidden_layers": given.layers}
        with device:
            self.weights = {k: v.to(self.dtype) for k, v in build_decoder(self.config).state_dict().items()}
        self.latents, self.condition = torch.randn(self.frames, 64), torch.randn(CONDITION, CONFIG["hidden_size"])
        arrays = (self.latents.numpy(), {"condition": self.condition.numpy()})
        song_file(folder, "song").write_bytes(song_bytes(*arrays, {}))
        write_manifest(folder, [{"id": "song", "name": "song", "file": "song.safetensors", "frames": self.frames}], {})
        self.data, self.plugins, self.trained = EncodedSet.open(folder), registry(), {}

    def steps(self, way: str) -> Iterator[Any]:
        whose, kind, *rest = way.replace(",", "").split()
        return self._ours(way, kind, 1.0 if rest else 0.0) if whose == "ours" else self._theirs(way)

    def loading(self) -> float:
        """Processor seconds to read a song as a step does and to draw its noise."""
        from acestep_plugins.backends.pt.batches import drawn

        dit, times = self._dit(), []
        for epoch in range(1, 12):
            start = time.process_time()
            song = self.data.shown(Showing(0, epoch, 0), 42)
            drawn(dit, song, 0.5, 0.0, torch.Generator().manual_seed(epoch))
            times.append(time.process_time() - start)
        return statistics.median(times)

    @torch.inference_mode()
    def difference(self) -> float:
        """Of the velocities of both bases, relative, where both are given the same condition."""
        t = torch.full((1,), 0.5, device=self.device)
        x, context, condition = (torch.randn(1, n, w) for n, w in ((self.frames, 64), (self.frames, 128), (50, 2048)))
        given = (x, t, t, condition, context)
        given = [array.to(self.device, self.dtype) for array in given]
        names = ("hidden_states", "timestep", "timestep_r", "encoder_hidden_states", "context_latents")
        bases = (self._dit().decoder.module, self._plain())
        ours, theirs = (base(**dict(zip(names, given, strict=True)), return_dict=False)[0].float() for base in bases)
        return ((ours - theirs).norm() / theirs.norm()).item()

    def _filled(self, module: torch.nn.Module) -> torch.nn.Module:
        module.load_state_dict(self.weights, assign=True)
        return module.requires_grad_(False)

    def _ours(self, way: str, kind: str, checkpointing: float) -> Iterator[Any]:
        """The steps of `train` itself."""
        from acestep_plugins.backends.pt import train

        settings = TrainSettings(steps=STEPS, gradient_checkpointing=checkpointing, save_every=0, validate_every=0)
        rate = {"lora": 1e-4, "lokr": 1e-3}[kind]
        job = TrainJob(
            run=SimpleNamespace(metrics=list, checkpoint=None, finish=None),
            settings=resolved(settings, shown=1, rate=rate, turbo=True, held_out=False),
            adapter=self.plugins.make("adapters", kind, {"rank": RANK} if kind == "lora" else {}),
            sampler=self.plugins.make("samplers", "turbo_steps"),
            dit=self._dit(),
            songs=self.data.names,
            order=self.data.order,
            frames=lambda showing: self.frames,
            load=lambda showing: self.data.shown(showing, settings.seed),
            load_fixed=lambda index: replace(self.data.load(index), latents=self.latents[:50].numpy()),
            held_out=(),
            load_held_out=self.data.load,
            steps=STEPS,
            resume_from=None,
            stop=lambda: False,
            loss=lambda default, **facts: default(**facts),
            optimizer=lambda default, **facts: default(**facts),
        )
        for event in train.train(job):
            if not isinstance(event, dict):
                yield event
            elif event["event"] == "start":
                self.trained[way] = event["trainable"]

    def _dit(self) -> Any:
        from acestep_plugins.backends.pt.device import Place
        from acestep_plugins.backends.pt.dit import Dit, PtDecoder, float32_time
        from acestep_plugins.backends.pt.dit_modules import build_decoder

        dit = Dit.__new__(Dit)  # what reads a folder is left out
        with torch.device("meta"):
            module = build_decoder(self.config)
        dit._place, dit._compiled = Place(self.device, self.dtype), None
        float32_time(module)
        dit.decoder, dit.silence = PtDecoder(self._filled(module)), torch.zeros(1, 64).to(self.device, self.dtype)
        return dit

    def _plain(self) -> torch.nn.Module:
        from diffusers import AceStepTransformer1DModel

        with torch.device("meta"):
            module = AceStepTransformer1DModel(**self.config)
        return self._filled(module)

    def _theirs(self, way: str) -> Iterator[float]:
        decoder = self._plain()
        decoder.enable_gradient_checkpointing()
        decoder, trained = ADAPTED[way](decoder)
        decoder.train()
        self.trained[way] = sum(p.numel() for p in trained)
        optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.01)
        latents, condition = self.latents.to(self.device)[None], self.condition.to(self.device)[None]
        condition = torch.nn.functional.pad(condition, (0, 0, 0, PADDED - CONDITION)).to(self.dtype)
        context = torch.cat([torch.zeros_like(latents), torch.ones_like(latents)], dim=-1).to(self.dtype)
        while True:
            noise = torch.randn_like(latents)
            t = torch.tensor(TURBO_TIMES, device=self.device)[torch.randint(len(TURBO_TIMES), (1,))]
            x = (t * noise + (1 - t) * latents).to(self.dtype)
            given = {"hidden_states": x, "timestep": t.to(self.dtype), "timestep_r": t.to(self.dtype)}
            given |= {"encoder_hidden_states": condition, "context_latents": context, "return_dict": False}
            loss = torch.nn.functional.mse_loss(decoder(**given)[0].float(), noise - latents)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            yield loss.item()


def peft_lora(decoder: torch.nn.Module) -> tuple[torch.nn.Module, list[torch.nn.Parameter]]:
    from peft import LoraConfig, get_peft_model

    return trained(get_peft_model(decoder, LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=list(LINEARS))))


def peft_lokr(decoder: torch.nn.Module) -> tuple[torch.nn.Module, list[torch.nn.Parameter]]:
    """Both factors whole, as ours."""
    from peft import LoKrConfig, get_peft_model

    config = LoKrConfig(r=RANK, alpha=RANK, target_modules=list(LINEARS), decompose_factor=-1)
    return trained(get_peft_model(decoder, config))


def lycoris_lokr(decoder: torch.nn.Module) -> tuple[torch.nn.Module, list[torch.nn.Parameter]]:
    """Beside every linear layer; those beside the attention's projections are trained."""
    from lycoris import LycorisNetwork, create_lycoris

    LycorisNetwork.apply_preset({"target_module": ["Linear"]})
    network = create_lycoris(decoder, 1.0, linear_dim=RANK, linear_alpha=RANK, algo="lokr", factor=-1)
    network.apply_to()
    decoder.lycoris = network
    names = tuple(name.replace(".", "_") for name in LINEARS)
    for module in network.loras:
        module.requires_grad_(module.lora_name.endswith(names))
    return trained(decoder)


def trained(decoder: torch.nn.Module) -> tuple[torch.nn.Module, list[torch.nn.Parameter]]:
    return decoder, [p for p in decoder.parameters() if p.requires_grad]


ADAPTED = {"plain lora": peft_lora, "plain lokr": peft_lokr, "rebuilt lokr": lycoris_lokr}


def measured_apart(way: str, given: argparse.Namespace) -> int:
    facts = ("--layers", given.layers, "--seconds", given.seconds, "--dtype", given.dtype)
    command = [sys.executable, __file__, "--memory-of", way, *map(str, facts)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def peak_bytes(way: str, given: argparse.Namespace) -> int:
    """The most that all tensors together take in a step, beside the model's weights.

    Of the first step, which peaks on the way back, and the optimizer's two numbers per weight, which stay from then on.
    """
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(given, Path(folder), torch.device("cpu"))
        first = peak_growth(lambda: next(bench.steps(way)))
    return first + 2 * torch.float32.itemsize * bench.trained[way]


if __name__ == "__main__":
    main()
