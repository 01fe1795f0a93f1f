"""The PyTorch backend: models from diffusers and transformers, on CUDA, MPS, XPU or CPU."""

import logging
import weakref
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, Literal

from acestep_core import Backend, FatalError, UserError, hookimpl, option
from acestep_core.parts import Demand, Saving

# Where bitsandbytes is installed, diffusers and peft import it, and on some CPUs it warns of a 4-bit kernel that
# nothing here uses.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

# Weights plus activations of a minute of audio; below this the parts take turns on the device.
WORK_FACTOR = 1.3
TILES = (512, 256, 128, 64, 32)  # of the codec, in the order in which a plan tries them


class PyTorch(Backend):
    """Runs every part with PyTorch. Reads the original checkpoint folders; no code in them is ever run."""

    name = "pt"
    parts = frozenset({"text", "codec", "dit", "lm", "train"})
    several_processes = True

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps or xpu")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "precision of the frozen model: bfloat16 on CUDA from sm80 and XPU, float16 on older CUDA, else float32"
    )
    attention: Literal["auto", "local", "flex", "flash"] = option(
        "auto",
        "of sliding layers: local blocks; flex (compiled, CUDA); flash (package flash-attn, CUDA, half precision)",
    )
    quantization: Literal["none", "int8", "fp8"] = option(
        "none", "8-bit weights in the transformer's blocks, half the memory; needs the extra 'quantize'"
    )
    compile: bool = option(False, "compile the decoder: the first step takes a minute or more, the others less")
    held: Literal["auto", "all", "one"] = option(
        "auto", "which parts of the model are held in memory at once; auto: all if they fit"
    )
    tile_frames: int = option(0, "latent frames the codec works on at once (25 a second); 0 = by device", ge=0)

    def check(self) -> None:
        from acestep_plugins.backends.pt.device import choose
        from acestep_plugins.backends.pt.windows import chosen

        chosen(self.attention, choose(self.device, self.dtype))
        if self.quantization != "none":
            self._quiet()
            from acestep_plugins.backends.pt.quantised import check_installed

            check_installed()

    def settings(self) -> dict[str, Any]:
        from acestep_plugins.backends.pt.codec import tile_for
        from acestep_plugins.backends.pt.device import choose
        from acestep_plugins.backends.pt.windows import chosen

        place = choose(self.device, self.dtype)
        codec = getattr(self, "_codec", lambda: None)()
        return self.options() | {
            "device": str(place.device),
            "dtype": str(place.dtype).removeprefix("torch."),
            "attention": chosen(self.attention, place),
            "tile_frames": codec.tile if codec else self.tile_frames or tile_for(place),
        }

    def fits(self, size: int) -> bool:
        if self.held != "auto":
            return self.held == "all"
        from acestep_plugins.backends.pt.device import choose, free_bytes

        free = free_bytes(choose(self.device, self.dtype).device)
        return free is None or size * WORK_FACTOR < free

    def release(self) -> None:
        import gc

        from acestep_plugins.backends.pt.device import choose, release

        gc.collect()
        release(choose(self.device, self.dtype).device)

    def room(self) -> int | None:
        from acestep_plugins.backends.pt.device import choose, free_bytes, free_memory

        device = choose(self.device, self.dtype).device
        return free_memory() if device.type == "cpu" else free_bytes(device)

    def demand(self, part: str, folder: Path, seconds: float, batch: int) -> Demand:
        from acestep_plugins.backends.pt import demand
        from acestep_plugins.backends.pt.codec import tile_for
        from acestep_plugins.backends.pt.device import choose

        place = choose(self.device, self.dtype)
        precision = demand.Precision(place.dtype.itemsize, self.quantization != "none")
        if part == "dit":
            return demand.of_dit(folder, precision, seconds, batch)
        if part == "text":
            return demand.of_text(folder, precision)
        if part == "lm":
            return demand.of_lm(folder, precision, seconds, batch)
        return demand.of_codec(folder, precision, self.tile_frames or tile_for(place), seconds)

    def savings(self, elsewhere: bool) -> Iterator[Saving]:
        given = {k: v for k, v in self.options().items() if v != PyTorch().options()[k]}
        if elsewhere:
            given.setdefault("dtype", "bfloat16")
        kinds = [given["quantization"]] if "quantization" in given else ["none", "int8"]
        held = [given["held"]] if "held" in given else ["all", "one"]
        tiles = [given["tile_frames"]] if "tile_frames" in given else TILES
        for kind, parts, tile in product(kinds, held, tiles):
            chosen = {"quantization": kind, "held": parts, "tile_frames": tile}
            note = "" if kind == "none" else f'{kind} weights need: pip install "acestep-core[quantize]"'
            yield Saving({**given, **chosen}, parts == "one", note)

    def load(self, part: str, folder: Path) -> Any:
        self._quiet()
        from acestep_plugins.backends.pt.memory import shortage

        with shortage(f"the weights of {folder}", "see: acestep-core models plan DIR"):
            return self._loaded(part, folder)

    def _loaded(self, part: str, folder: Path) -> Any:
        from acestep_plugins.backends.pt.codec import open_codec
        from acestep_plugins.backends.pt.device import choose, keep_freed_memory, use
        from acestep_plugins.backends.pt.dit import Dit
        from acestep_plugins.backends.pt.text import Text

        place = choose(self.device, self.dtype)
        use(place)
        if place.device.type == "cpu":
            keep_freed_memory()
        if part == "codec":
            codec = open_codec(folder, place, self.tile_frames)
            self._codec = weakref.ref(codec)  # the tiles were chosen by the memory that was free just now
            return codec
        if part == "dit":
            return Dit(folder, place, self.attention, self.quantization, self.compile)
        if part == "lm":
            from acestep_plugins.backends.pt.lm import Lm

            return Lm(folder, place)
        if part != "text":
            raise UserError(f"The pt backend has no part '{part}'", "it has text, codec, dit and lm")
        return Text(folder, place)

    def write_tiny(self, folder: Path, variant: str) -> int:
        self._quiet()
        from acestep_plugins.backends.pt.tiny import write_checkpoint

        return write_checkpoint(folder, variant)

    def train(self, job: Any) -> Any:
        if self.compile:
            raise UserError("compile=true is for generation: training runs as it is", "leave out backend.compile")
        from acestep_plugins.backends.pt.peak import with_peak
        from acestep_plugins.backends.pt.train import train

        return with_peak(train(job), job)

    def train_demand(self, folder: Path, work: Any) -> Any:
        self._quiet()
        from acestep_plugins.backends.pt.device import choose
        from acestep_plugins.backends.pt.train_demand import of_training
        from acestep_plugins.backends.pt.windows import chosen

        place = choose(self.device, self.dtype)
        kernel = chosen(self.attention, place)
        return of_training(folder, work, place, kernel, self.quantization != "none")

    def gradients(self, job: Any) -> Any:
        if self.compile:
            raise FatalError("compile=true is for generation: gradients come without it", "leave out backend.compile")
        from acestep_plugins.backends.pt.gradients import gradients

        return gradients(job)

    def _quiet(self) -> None:
        from acestep_plugins.backends.pt.quiet import quiet

        quiet()


@hookimpl
def acestep_backends():
    return [PyTorch]
