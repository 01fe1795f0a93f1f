"""Small stand-ins with real shapes: a registry nobody else gets into, a decoder, a codec, audio, a web service."""

import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from acestep_core.api import KINDS
from acestep_core.parts import CHANNELS, HOP
from acestep_core.registry import Known, Registry


def closed_registry(*modules: Any) -> Registry:
    """A registry that knows exactly the plugins these modules (or objects with hooks) return, whatever is installed."""
    known = []
    for module in modules:
        for kind in KINDS:
            hook = getattr(module, f"acestep_{kind}", None)
            known += [_known(kind, cls, module) for cls in (hook() if hook else ())]
    return Registry(known)


def write_wav(path: Path, seconds: float = 6.0, *, rate_hz: int = 48_000, channels: int = 2, hz: float = 220.0) -> Path:
    """A 16-bit file with a plucked tone twice a second; `hz=0` writes silence."""
    import numpy as np
    import soundfile

    t = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = 0.5 * np.sin(2 * np.pi * hz * t) * np.exp(-6 * (t % 0.5))
    soundfile.write(str(path), np.repeat(tone[:, None], channels, axis=1), rate_hz, subtype="PCM_16")
    return path


def toy_decoder(layers: int = 2, width: int = 64, dtype: str = "float32") -> Any:
    """A `Decoder` with the original names: q, k, v, o of self and cross attention and the MLP, frozen.

    `module(x, condition)` maps x [B, T, width] and condition [B, L, width] to [B, T, width].
    """
    import torch

    from acestep_core.testing.toy import ToyDecoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ToyDecoder(layers, width, getattr(torch, dtype))


class ToyCodec:
    """`CodecPart` without weights: 64 levels per frame, so that louder audio has larger latents."""

    def encode(self, wave: Any, seed: int) -> Any:
        import numpy as np

        frames = -(-wave.shape[1] // HOP)
        padded = np.pad(wave, ((0, 0), (0, frames * HOP - wave.shape[1])))
        windows = padded.mean(axis=0).reshape(frames, CHANNELS, HOP // CHANNELS)
        noise = np.random.default_rng(seed).standard_normal((frames, CHANNELS))
        return (windows.std(axis=2) * 4 - 1 + 0.01 * noise).astype(np.float32)

    def pieces(self, latents: Any) -> Iterator[Any]:
        import numpy as np

        levels = np.repeat(np.asarray(latents, np.float32).reshape(-1), HOP // CHANNELS)
        wave = np.sin(np.arange(levels.size) * 0.03).astype(np.float32) * np.tanh(levels)
        yield np.stack([wave, wave])

    def decode(self, latents: Any) -> Any:
        return next(self.pieces(latents))


class ToyLm:
    """Next-token scores over a vocabulary as large as the real one's codes, a function of the tokens so far alone."""

    vocabulary = 1000 + 64_000
    """1,000 text tokens, then <|audio_code_0|> to <|audio_code_63999|>."""

    def logits(self, tokens: Iterable[int]) -> Any:
        """float32 [vocabulary]."""
        import numpy as np

        seed = list(tokens) or [0]
        return np.random.default_rng(seed).standard_normal(self.vocabulary).astype(np.float32)


@dataclass(frozen=True)
class Received:
    """A request a fake provider got."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def form(self) -> list[tuple[str, str, bytes]]:
        """(name, file name or "", value) of every field of a multipart form, in order."""
        boundary = b"--" + self.headers["Content-Type"].partition("boundary=")[2].strip('"').encode()
        found = []
        for part in self.body.split(boundary)[1:-1]:
            head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
            names = dict(re.findall(r'(\bname|filename)="([^"]*)"', head.decode()))
            found.append((names["name"], names.get("filename", ""), value.removesuffix(b"\r\n")))
        return found


@dataclass
class Provider:
    """A web service on loopback. `answers` are given in turn, the last one for ever: (status, content, headers)."""

    url: str
    answers: list[tuple[int, Any, Mapping[str, str]]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    def answer(self, status: int, content: Any, **headers: str) -> None:
        """Queue an answer; content is JSON, bytes sent as they are, or a function that yields bytes when it likes.

        With a `Content_Length` above what it sends, the connection is cut in the middle of the answer.
        """
        self.answers.append((status, content, {k.replace("_", "-"): v for k, v in headers.items()}))


@contextmanager
def fake_provider() -> Iterator[Provider]:
    """A `Provider` that listens while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.provider = Provider(f"http://127.0.0.1:{server.server_port}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.provider  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        provider.received.append(Received(self.command, self.path, dict(self.headers), body))
        status, content, headers = provider.answers.pop(0) if len(provider.answers) > 1 else provider.answers[0]
        raw = content if isinstance(content, bytes) else b"" if callable(content) else json.dumps(content).encode()
        length = {} if callable(content) else {"Content-Length": str(len(raw))}
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **length, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        try:
            for part in content() if callable(content) else [raw]:
                self.wfile.write(part)
        except ConnectionError:
            self.close_connection = True  # whoever asked has hung up

    do_GET = do_DELETE = do_POST

    def log_message(self, *args: Any) -> None:
        """Tests are quiet."""


def _known(kind: str, cls: Any, module: Any) -> Known:
    name = getattr(module, "__name__", type(module).__name__)
    return Known(kind, cls.name, name, "0", (), name, lambda: module)
