"""A hub on loopback that answers as Hugging Face's and ModelScope's do: trees with hashes, redirects, ranges.

Large files lie on a second host (the same server under another name), as they do behind the real ones.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
LARGE = 1000  # bytes from which a file is kept by its SHA-256 instead of in git
PAGE = 4  # entries of a tree per answer

MAIN, SFT = "ACE-Step/Ace-Step1.5", "ACE-Step/acestep-v15-sft"
CARD = b"---\nlicense: mit\ntags:\n- music\n---\n# A model\n"
CONFIG = json.dumps({"model_type": "acestep", "is_turbo": True}).encode()
VAE_CONFIG = json.dumps({"_class_name": "AutoencoderOobleck"}).encode()
TEXT_CONFIG = json.dumps({"architectures": ["Qwen3Model"], "model_type": "qwen3"}).encode()
SAFE = "vae/diffusion_pytorch_model.safetensors"


def weights(count: int, seed: int = 0) -> bytes:
    """A safetensors file of `count` float32 numbers."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes((i * 31 + seed) % 251 for i in range(4 * count))


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def wanted(path: str) -> bool:
    return not path.endswith((".py", ".bin"))


@dataclass
class FakeHub:
    """`repos` maps owner/name to its files. What goes wrong is set by the test, by the path of a file."""

    url: str = ""
    storage: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refuse: dict[str, int] = field(default_factory=dict)
    """A repository or file -> the status it is answered with."""
    spoil: set[str] = field(default_factory=set)
    """Files whose bytes are not those of the tree."""
    instead: dict[str, bytes] = field(default_factory=dict)
    """File -> what is sent, with its own length, in place of the file."""
    cut: dict[str, list[int]] = field(default_factory=dict)
    """File -> after how many bytes each of the next answers breaks off."""
    page: bytes = b""
    """What is answered to everything, as by a login page."""
    no_ranges: bool = False
    hold: dict[str, int] = field(default_factory=dict)
    """File -> after how many bytes it stops until `go_on` is set."""
    held: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    served: Counter = field(default_factory=Counter)
    """Bytes that were sent of each file."""
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """(method, address, headers) of every request."""

    @property
    def sent(self) -> int:
        return sum(self.served.values())

    def add(self, repo: str, files: dict[str, bytes]) -> None:
        self.repos.setdefault(repo, {}).update(files)

    def ranges(self, path: str) -> list[str]:
        """What was asked of a file, request by request."""
        name = quote(path.rpartition("/")[2])
        return [h.get("Range", "all") for _, url, h in self.asked if "/bytes/" in url and url.endswith(name)]


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = FakeHub(f"http://127.0.0.1:{server.server_port}", f"http://localhost:{server.server_port}")
    server.hub = hub
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        hub: FakeHub = self.server.hub
        hub.asked.append((self.command, f"http://{self.headers['Host']}{self.path}", dict(self.headers)))
        parts = urlsplit(self.path)
        where, query = unquote(parts.path).strip("/").split("/"), parse_qs(parts.query)
        try:
            if hub.page:
                self.send_response(200)
                self.send_header("Content-Length", str(len(hub.page)))
                self.end_headers()
                self.wfile.write(hub.page)
            elif where[0] == "bytes":
                self._bytes("/".join(where[1:3]), "/".join(where[3:]))
            elif where[:2] == ["api", "models"]:
                self._hugging_face("/".join(where[2:4]), where[4:], query)
            elif where[:3] == ["api", "v1", "models"]:
                self._modelscope("/".join(where[3:5]), where[5:], query)
            elif where[2:3] == ["resolve"]:
                self._resolve("/".join(where[:2]), "/".join(where[4:]))
            else:
                self._json(404, {"error": "no such place"})
        except ConnectionError:
            self.close_connection = True

    do_HEAD = do_GET

    def _hugging_face(self, repo: str, rest: list[str], query: dict[str, list[str]]) -> None:
        hub: FakeHub = self.server.hub
        if repo in hub.refuse or repo not in hub.repos:
            status = hub.refuse.get(repo, 401)  # the real one says 401 for what does not exist
            code = {403: "GatedRepo", 401: "RepoNotFound", 404: "RepoNotFound"}.get(status, "")
            self._json(status, {"error": "no"}, **{"X-Error-Code": code} if code else {})
        elif rest[:1] == ["tree"]:
            entries = [_hugging_face_entry(p, b) for p, b in hub.repos[repo].items()]
            at = int(query.get("cursor", ["0"])[0])
            more = f'<{hub.url}{urlsplit(self.path).path}?recursive=true&cursor={at + PAGE}>; rel="next"'
            self._json(200, entries[at : at + PAGE], **{"Link": more} if at + PAGE < len(entries) else {})
        elif rest and rest[1] not in ("main", COMMIT, "v2"):
            self._json(404, {"error": "no"}, **{"X-Error-Code": "RevisionNotFound"})
        else:
            self._json(200, {"id": repo, "sha": COMMIT, "siblings": [], "private": False, "tags": [], "downloads": 0})

    def _modelscope(self, repo: str, rest: list[str], query: dict[str, list[str]]) -> None:
        hub: FakeHub = self.server.hub
        if repo in hub.refuse or repo not in hub.repos:
            status = hub.refuse.get(repo, 404)
            self._json(status, {"Code": 10010205001, "Message": "no", "Success": False})
        elif rest == ["repo", "files"]:
            files = [{"Path": p, "Name": p.rpartition("/")[2], "Type": "blob", "Size": len(b),
                      "Sha256": hashlib.sha256(b).hexdigest()} for p, b in hub.repos[repo].items()]  # fmt: skip
            self._json(200, {"Code": 200, "Success": True, "Data": {"Files": files}})
        else:
            self._resolve(repo, query["FilePath"][0])

    def _resolve(self, repo: str, path: str) -> None:
        hub: FakeHub = self.server.hub
        content = hub.repos.get(repo, {}).get(path)
        if path in hub.refuse or content is None:
            self._json(hub.refuse.get(path, 404), {"error": "no"})
            return
        sha256 = hashlib.sha256(content).hexdigest()
        large = len(content) >= LARGE
        self.send_response(302)
        self.send_header("Location", f"{hub.storage if large else ''}/bytes/{repo}/{quote(path)}")
        self.send_header("X-Repo-Commit", COMMIT)
        if large:  # as stored in Xet, which nothing may follow
            self.send_header("X-Linked-Etag", f'"{sha256}"')
            self.send_header("X-Linked-Size", str(len(content)))
            self.send_header("X-Xet-Hash", sha256)
            self.send_header("Link", '<http://xet.invalid/token>; rel="xet-auth"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _bytes(self, repo: str, path: str) -> None:
        hub: FakeHub = self.server.hub
        content = hub.instead.get(path, hub.repos[repo][path])
        if path in hub.spoil:
            content = bytes(b ^ 1 for b in content)
        asked = self.headers.get("Range", "")
        start = 0 if hub.no_ranges or not asked else int(asked.removeprefix("bytes=").partition("-")[0])
        if asked and start >= len(content):
            self._json(416, {"error": "range"})
            return
        self.send_response(206 if asked and not hub.no_ranges else 200)
        if asked and not hub.no_ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        stops = hub.cut.get(path)
        self._send(path, content[start:], stops.pop(0) if stops else None)

    def _send(self, path: str, content: bytes, stop: int | None) -> None:
        hub: FakeHub = self.server.hub
        if path in hub.hold:
            at = hub.hold.pop(path)
            self._count(path, content[:at])
            hub.held.set()
            hub.go_on.wait(30)
            content = content[at:]
        self._count(path, content[:stop])
        if stop is not None:
            self.close_connection = True

    def _count(self, path: str, content: bytes) -> None:
        self.server.hub.served[path] += len(content)  # before the other side can look
        self.wfile.write(content)
        self.wfile.flush()

    def _json(self, status: int, content: object, **headers: str) -> None:
        raw = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


def _hugging_face_entry(path: str, content: bytes) -> dict[str, object]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": blob}
    if len(content) < LARGE:
        return entry
    sha256 = hashlib.sha256(content).hexdigest()
    return entry | {
        "oid": "0" * 40,
        "lfs": {"oid": sha256, "size": len(content), "pointerSize": 134},
        "xetHash": sha256,
    }
