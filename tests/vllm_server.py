"""A server that speaks vLLM's published interface and runs our logits processor over a tiny model.

Of vLLM there are only the names that the processors import, with what its documentation says of them.
"""

import json
import sys
import threading
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType, SimpleNamespace

import numpy as np
import torch


class Base:
    """Stands in for both of vLLM's base classes."""


class Move(Enum):
    UNIDIRECTIONAL = 0
    SWAP = 1


def stand_in(monkeypatch):
    """Make `import vllm...` find those names."""
    for name in ("vllm", "vllm.v1", "vllm.v1.sample", "vllm.v1.worker", "vllm.v1.worker.gpu",
                 "vllm.v1.worker.gpu.sample"):  # fmt: skip
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name in ("vllm.v1.sample.logits_processor", "vllm.v1.worker.gpu.sample.logits_processor"):
        module = ModuleType(name)
        module.LogitsProcessor, module.MoveDirectionality = Base, Move
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.delitem(sys.modules, "acestep_plugins.backends.vllm.v1", raising=False)
        monkeypatch.delitem(sys.modules, "acestep_plugins.backends.vllm.v2", raising=False)


def config(folder):
    return SimpleNamespace(model_config=SimpleNamespace(tokenizer=str(folder)), speculative_config=None)


def update(added=(), removed=(), moved=()):
    return SimpleNamespace(batch_size=0, added=list(added), removed=list(removed), moved=list(moved))


class FirstInterface:
    """Drives the processor of vLLM up to 0.31 for one request."""

    def __init__(self, processor, folder):
        self.made = processor(config(folder), torch.device("cpu"), False)

    def begin(self, params, prompt):
        self.said = []
        self.made.update_state(update(added=[(0, params, prompt, self.said)]))

    def apply(self, logits):
        return self.made.apply(logits[None])[0]

    def end(self):
        self.made.update_state(update(removed=[0]))


class SecondInterface:
    """Drives that of Model Runner V2 for one request, which lies in slot 2 of 4."""

    def __init__(self, processor, folder):
        self.tokens = torch.zeros(4, 40_000, dtype=torch.int32)
        lengths = np.zeros(4, np.int32)
        self.states = SimpleNamespace(
            all_token_ids=SimpleNamespace(gpu=self.tokens), prompt_len=SimpleNamespace(np=lengths)
        )
        self.made = processor(config(folder), self.states)

    def begin(self, params, prompt):
        self.said, self.prompt = [], list(prompt)
        self.states.prompt_len.np[2] = len(prompt)
        assert self.made.add_request(2, params) == bool(params.extra_args)

    def apply(self, logits):
        tokens = self.prompt + self.said
        self.tokens[2, : len(tokens)] = torch.tensor(tokens)
        slot, place = torch.tensor([2]), torch.tensor([len(tokens) - 1])
        context = SimpleNamespace(expanded_idx_mapping=slot, idx_mapping_np=slot.numpy(), pos=place)
        return self.made.apply(logits[None], context)[0]

    def end(self):
        pass


class Server:
    """One model, `tiny`; `bodies` are what was asked. `change` may spoil the tokens of an answer."""

    def __init__(self, lm, drive, longest=4096):
        self.lm, self.drive, self.longest = lm, drive, longest
        self.bodies, self.change = [], lambda tokens: tokens
        self.lock = threading.Lock()

    def models(self):
        return {"object": "list", "data": [{"id": "tiny", "object": "model", "max_model_len": self.longest}]}

    def complete(self, body):
        from acestep_plugins.backends.pt.lm import Rows

        self.bodies.append(body)
        params = SimpleNamespace(extra_args=body.get("vllm_xargs"))
        rows, unread, ids = Rows(self.lm), list(body["prompt"]), np.arange(len(self.lm.head))
        self.drive.begin(params, unread)
        ending = "length"
        while len(self.drive.said) < body["max_tokens"]:
            logits = torch.from_numpy(rows.advance([unread], [ids])[0].copy())
            token = int(self.drive.apply(logits).argmax())
            self.drive.said.append(token)
            unread = [token]
            if token in body["stop_token_ids"]:
                ending = "stop"
                break
        self.drive.end()
        tokens = self.change(list(self.drive.said))
        return {"object": "text_completion", "choices": [{"index": 0, "text": "", "token_ids": tokens,
                                                          "finish_reason": ending}]}  # fmt: skip


@contextmanager
def listening(server):
    """Its address with /v1 while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(server.models())

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                self._answer(server.complete(body))

        def _answer(self, content):
            assert self.path in ("/v1/models", "/v1/completions")
            raw = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{http.server_port}/v1"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
