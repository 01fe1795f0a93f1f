"""Jobs on disk: accepted once, worked on by one worker at a time, ended exactly once."""

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acestep_core.errors import UserError
from acestep_plugins.commands.serve.tables import Database

QUEUED, RUNNING, DONE, FAILED, CANCELLED = STATES = ("queued", "running", "done", "failed", "cancelled")
ENDED = (DONE, FAILED, CANCELLED)
MOST_ATTEMPTS = 3
LOADED = "worker"  # the fact of what the worker has in memory
_SHOWN = ("id", "kind", "state", "limit_s", "attempts", "created_at", "started_at", "ended_at")
_JSON = ("request", "progress", "result", "error")


class QueueFull(UserError):
    """There are as many jobs waiting as may be."""


class Conflict(UserError):
    """An idempotency key that was used for something else."""


@dataclass(frozen=True)
class Claimed:
    """A job that a worker has taken; `lease` is what proves that it still is its own."""

    id: str
    kind: str
    request: Mapping[str, Any]
    attempt: int
    lease: str


class Store:
    """The jobs of one state folder."""

    def __init__(self, folder: Path, queue: int = 200):
        self.folder, self.queue = folder, queue
        self.database = Database(folder / "jobs.sqlite")

    def submit(
        self,
        kind: str,
        lane: str,
        asked: Mapping[str, Any],
        request: Mapping[str, Any],
        *,
        limit_s: float | None = None,
        token: str | None = None,
    ) -> dict[str, Any]:
        """Accept a job. `asked` is what the client sent, by which a repeated `token` is known to mean the same."""
        same = hashlib.sha256(json.dumps([kind, asked], sort_keys=True, default=str).encode()).hexdigest()
        with self.database.write() as db:
            before = db.execute("SELECT id, asked FROM jobs WHERE token = ?", (token,)).fetchone() if token else None
            if before is not None:
                if before["asked"] != same:
                    raise Conflict(f"The idempotency key '{token}' was used for another request", "take a new key")
                return self.job(before["id"])
            waiting = db.execute("SELECT count(*) FROM jobs WHERE state = ?", (QUEUED,)).fetchone()[0]
            if waiting >= self.queue:
                raise QueueFull(f"There are {waiting} jobs waiting already", "try again later")
            job = secrets.token_hex(8)
            db.execute(
                "INSERT INTO jobs (id, kind, lane, request, state, limit_s, token, asked, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (job, kind, lane, json.dumps(request), QUEUED, limit_s, token, same, time.time()),
            )
            _tell(db, job, "state", {"state": QUEUED})
        return self.job(job)

    def claim(self, lane: str) -> Claimed | None:
        """The job that waits longest in a lane, now this caller's."""
        with self.database.write() as db:
            row = db.execute("SELECT id, kind, request, attempts FROM jobs WHERE state = ? AND lane = ? "
                             "ORDER BY place LIMIT 1", (QUEUED, lane)).fetchone()  # fmt: skip
            if row is None:
                return None
            lease, now, attempt = secrets.token_hex(8), time.time(), row["attempts"] + 1
            db.execute("UPDATE jobs SET state = ?, lease = ?, attempts = ?, started_at = ?, heartbeat_at = ? "
                       "WHERE id = ?", (RUNNING, lease, attempt, now, now, row["id"]))  # fmt: skip
            _tell(db, row["id"], "state", {"state": RUNNING, "attempt": attempt})
        return Claimed(row["id"], row["kind"], json.loads(row["request"]), attempt, lease)

    def beat(self, claimed: Claimed) -> str:
        """Say that the job is still worked on: 'go on', 'cancel', or 'lost' where it is somebody else's by now."""
        with self.database.write() as db:
            db.execute("UPDATE jobs SET heartbeat_at = ? WHERE id = ? AND lease = ?",
                       (time.time(), claimed.id, claimed.lease))  # fmt: skip
            row = db.execute("SELECT cancel_at FROM jobs WHERE id = ? AND lease = ?",
                             (claimed.id, claimed.lease)).fetchone()  # fmt: skip
        return "lost" if row is None else "go on" if row["cancel_at"] is None else "cancel"

    def tell(self, claimed: Claimed, kind: str, data: Mapping[str, Any]) -> None:
        """An event of a job; what a worker says whose lease is over is dropped."""
        with self.database.write() as db:
            if _holds(db, claimed):
                _tell(db, claimed.id, kind, data)
                if kind == "progress" and "values" not in data:
                    _thin(db, claimed.id, data)
                if kind == "progress":
                    db.execute("UPDATE jobs SET progress = ? WHERE id = ?", (json.dumps(data), claimed.id))

    def publish(self, claimed: Claimed, name: str, path: Path) -> None:
        """A result that can be fetched before the job has ended."""
        with self.database.write() as db:
            if _holds(db, claimed):
                db.execute("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                           (claimed.id, name, str(path), path.stat().st_size))  # fmt: skip
                _tell(db, claimed.id, "file", {"name": name})

    def end(
        self, claimed: Claimed, state: str, *, result: Any = None, files: Sequence[tuple[str, Path]] = (),
        error: UserError | None = None,
    ) -> bool:  # fmt: skip
        """Write how it ended and what it left; False, and nothing is written, where the lease is over."""
        with self.database.write() as db:
            if not _holds(db, claimed):
                return False
            db.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                           [(claimed.id, name, str(path), path.stat().st_size) for name, path in files])  # fmt: skip
            _end(db, claimed.id, state, result, error)
        return True

    def cancel(self, job: str) -> dict[str, Any]:
        """End a job that waits, ask one that runs to stop, leave one alone that has ended."""
        with self.database.write() as db:
            state = self._row(job)["state"]
            if state == QUEUED:
                _end(db, job, CANCELLED, None, None)
            elif state == RUNNING:
                db.execute("UPDATE jobs SET cancel_at = coalesce(cancel_at, ?) WHERE id = ?", (time.time(), job))
        return self.job(job)

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        rows = self.database.read().execute("SELECT state, count(*) FROM jobs GROUP BY state")
        return dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in rows}

    def forget(self, before: float) -> list[str]:
        """Drop the jobs that had ended by then, and tell which; their folders are the caller's."""
        with self.database.write() as db:
            found = db.execute("SELECT id FROM jobs WHERE ended_at < ?", (before,)).fetchall()
            ids = [row["id"] for row in found]
            for table, column in (("events", "job"), ("files", "job"), ("jobs", "id")):
                db.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(i,) for i in ids])
        return ids

    def needed(self) -> str:
        """The requests of all jobs that have not ended, in one text."""
        rows = self.database.read().execute("SELECT request FROM jobs WHERE state IN (?, ?)", (QUEUED, RUNNING))
        return "\n".join(row["request"] for row in rows)

    def running(self, lane: str) -> dict[str, Any] | None:
        """What is being worked on in a lane, with its lease."""
        row = self.database.read().execute("SELECT * FROM jobs WHERE state = ? AND lane = ?", (RUNNING, lane))
        found = row.fetchone()
        return None if found is None else dict(found)

    def waits(self, lane: str) -> bool:
        found = self.database.read().execute("SELECT 1 FROM jobs WHERE state = ? AND lane = ? LIMIT 1", (QUEUED, lane))
        return found.fetchone() is not None

    def taken_from(self, lane: str, error: UserError, *, again: bool = True) -> None:
        """The worker of a lane is gone: its job waits again, or ends where it was tried often enough or is not to."""
        with self.database.write() as db:
            for row in db.execute("SELECT id, attempts, cancel_at FROM jobs WHERE state = ? AND lane = ?",
                                  (RUNNING, lane)).fetchall():  # fmt: skip
                if row["cancel_at"] is not None:
                    _end(db, row["id"], CANCELLED, None, None)
                elif again and row["attempts"] < MOST_ATTEMPTS:
                    db.execute("UPDATE jobs SET state = ?, lease = NULL, progress = NULL WHERE id = ?",
                               (QUEUED, row["id"]))  # fmt: skip
                    _tell(db, row["id"], "state", {"state": QUEUED, "because": error.problem})
                else:
                    _end(db, row["id"], FAILED, None, error)

    def job(self, job: str) -> dict[str, Any]:
        """All about one, as plain JSON types. Raises `LookupError` if there is none."""
        row = self._row(job)
        files = self.database.read().execute("SELECT name, size FROM files WHERE job = ? ORDER BY name", (job,))
        about = {n: row[n] for n in _SHOWN} | {n: row[n] and json.loads(row[n]) for n in _JSON}
        about["cancelling"] = row["state"] == RUNNING and row["cancel_at"] is not None
        about["ahead"] = self._ahead(row) if row["state"] == QUEUED else 0
        return about | {"files": [dict(f) for f in files]}

    def jobs(
        self, *, kind: str | None = None, state: str | None = None, search: str | None = None, limit: int = 50,
        before: str | None = None,
    ) -> list[dict[str, Any]]:  # fmt: skip
        """The newest first; `before` is the job behind which a list goes on, `search` is looked for in requests."""
        tests, values = ["1"], list[Any]()
        for test, value in (("kind = ?", kind), ("state = ?", state)):
            if value is not None:
                tests.append(test)
                values.append(value)
        if search:
            tests.append("instr(lower(request), lower(?))")
            values.append(json.dumps(search)[1:-1])
        if before is not None:
            tests.append("place < ?")
            values.append(self._row(before)["place"])
        query = f"SELECT id FROM jobs WHERE {' AND '.join(tests)} ORDER BY place DESC LIMIT ?"
        return [self.job(row["id"]) for row in self.database.read().execute(query, (*values, limit)).fetchall()]

    def events(self, job: str, after: int = 0) -> list[dict[str, Any]]:
        rows = self.database.read().execute(
            "SELECT number, at, type, data FROM events WHERE job = ? AND number > ? ORDER BY number", (job, after)
        )
        return [{"number": r["number"], "at": r["at"], "type": r["type"], **json.loads(r["data"])} for r in rows]

    def file(self, job: str, name: str) -> Path:
        """A result. Raises `LookupError` for one there is not."""
        found = self.database.read().execute("SELECT path FROM files WHERE job = ? AND name = ?", (job, name))
        row = found.fetchone()
        if row is None:
            raise LookupError(name)
        return Path(row["path"])

    def remember(self, name: str, value: Any) -> None:
        """Keep a fact, such as what is loaded."""
        with self.database.write() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value, default=str)))

    def known(self, name: str) -> Any:
        """A fact that was kept, or None."""
        row = self.database.read().execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row["value"])

    def _row(self, job: str) -> sqlite3.Row:
        found = self.database.read().execute("SELECT * FROM jobs WHERE id = ?", (job,)) if job.isascii() else None
        row = found and found.fetchone()  # what is no Unicode could not even be looked for
        if row is None:
            raise LookupError(job)
        return row

    def _ahead(self, row: sqlite3.Row) -> int:
        counted = self.database.read().execute(
            "SELECT count(*) FROM jobs WHERE lane = ? AND (state = ? OR (state = ? AND place < ?))",
            (row["lane"], RUNNING, QUEUED, row["place"]))  # fmt: skip
        return counted.fetchone()[0]


def _holds(db: sqlite3.Connection, claimed: Claimed) -> bool:
    row = db.execute(
        "SELECT 1 FROM jobs WHERE id = ? AND lease = ? AND state = ?", (claimed.id, claimed.lease, RUNNING)
    )
    return row.fetchone() is not None


def _end(db: sqlite3.Connection, job: str, state: str, result: Any, error: UserError | None) -> None:
    told = error and error.as_plain()
    db.execute("UPDATE jobs SET state = ?, lease = NULL, ended_at = ?, result = ?, error = ? WHERE id = ?",
               (state, time.time(), json.dumps(result, default=str), json.dumps(told), job))  # fmt: skip
    _tell(db, job, "state", {"state": state, **({"error": told} if told else {})})


def _thin(db: sqlite3.Connection, job: str, data: Mapping[str, Any]) -> None:
    """Of a stage only the last progress is kept, so that a long job has no endless story; curves are kept whole."""
    db.execute("DELETE FROM events WHERE job = ? AND type = 'progress' AND json_extract(data, '$.stage') = ? "
               "AND json_extract(data, '$.item') IS ? AND json_extract(data, '$.values') IS NULL "
               "AND number < (SELECT max(number) FROM events WHERE job = ?)",
               (job, data.get("stage"), data.get("item"), job))  # fmt: skip


def _tell(db: sqlite3.Connection, job: str, kind: str, data: Mapping[str, Any]) -> None:
    db.execute("INSERT INTO events SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ? FROM events WHERE job = ?",
               (job, time.time(), kind, json.dumps(data, default=str), job))  # fmt: skip
