"""The PyTorch backend: models from diffusers and transformers, on CUDA, MPS, XPU or CPU."""

import weakref
from pathlib import Path
from typing import Any, Literal

from acestep_core import Backend, UserError, hookimpl, option

# Weights plus activations of a minute of audio; below this the parts take turns on the device.
WORK_FACTOR = 1.3


class PyTorch(Backend):
    """Runs every part with PyTorch. Reads the original checkpoint folders; no code in them is ever run."""

    name = "pt"
    parts = frozenset({"text", "codec", "dit", "train"})

    device: str = option("auto", "auto, cpu, cuda, cuda:1, mps or xpu")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto", "precision of the frozen model: bfloat16 on CUDA from sm80 and XPU, float16 on older CUDA, else float32"
    )
    attention: Literal["auto", "local", "flex", "flash"] = option(
        "auto",
        "of sliding layers: local blocks; flex (compiled, CUDA); flash (package flash-attn, CUDA, half precision)",
    )
    tile_frames: int = option(0, "latent frames the codec works on at once (25 a second); 0 = by device", ge=0)

    def check(self) -> None:
        from acestep_plugins.backends.pt.device import choose
        from acestep_plugins.backends.pt.windows import chosen

        chosen(self.attention, choose(self.device, self.dtype))

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
        from acestep_plugins.backends.pt.device import choose, free_bytes

        free = free_bytes(choose(self.device, self.dtype).device)
        return free is None or size * WORK_FACTOR < free

    def release(self) -> None:
        import gc

        from acestep_plugins.backends.pt.device import choose, release

        gc.collect()
        release(choose(self.device, self.dtype).device)

    def load(self, part: str, folder: Path) -> Any:
        from acestep_plugins.backends.pt.codec import Codec
        from acestep_plugins.backends.pt.device import choose, keep_freed_memory
        from acestep_plugins.backends.pt.dit import Dit
        from acestep_plugins.backends.pt.text import Text

        place = choose(self.device, self.dtype)
        if place.device.type == "cpu":
            keep_freed_memory()
        if part == "codec":
            codec = Codec(folder, place, self.tile_frames)
            self._codec = weakref.ref(codec)  # the tiles were chosen by the memory that was free just now
            return codec
        if part == "text":
            return Text(folder, place)
        if part != "dit":
            raise UserError(f"The pt backend has no part '{part}'", "it has text, codec and dit")
        return Dit(folder, place, self.attention)

    def write_tiny(self, folder: Path, variant: str) -> int:
        from acestep_plugins.backends.pt.tiny import write_checkpoint

        return write_checkpoint(folder, variant)

    def train(self, job: Any) -> Any:
        from acestep_plugins.backends.pt.train import train

        return train(job)


@hookimpl
def acestep_backends():
    return [PyTorch]
