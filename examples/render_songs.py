"""Render the six short example songs, with their lyrics and metadata, into a folder.

    apt-get install fluidsynth fluid-soundfont-gm
    pip install mido numpy soundfile soxr
    python examples/render_songs.py OUT_DIR [--soundfont FILE.sf2]

scores.toml, beside this script, has each song as chords, a tune and repeating patterns. The script turns it into
MIDI, fluidsynth plays that with sampled instruments, and the side files are written from the same definition, so
tempo, key and metre are those of the audio. The variations in timing and loudness are seeded: the same versions of
the tools give the same sound (.ogg and .opus files still differ in a serial number libsndfile draws).

Times are in quarter notes. `bpm` counts quarter notes, except in 6/8, where it counts dotted quarters.
"""

import argparse
import csv
import json
import random
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import mido
import numpy as np
import soundfile as sf
import soxr

TICKS = 480  # MIDI ticks per quarter note
RENDER_RATE = 48000
PEAK = 0.8
TAIL_SECONDS = 0.45  # release after the last bar
ARTIST = "acestep-core examples"
SCORES = Path(__file__).with_name("scores.toml")
SOUNDFONT_DIR = Path("/usr/share/sounds/sf2")
PITCH = {"C": 0, "C#": 1, "Db": 1, "D": 2, "D#": 3, "Eb": 3, "E": 4, "F": 5, "F#": 6, "Gb": 6, "G": 7, "G#": 8}
PITCH |= {"Ab": 8, "A": 9, "A#": 10, "Bb": 10, "B": 11}
# Ninth chords leave the root to the bass.
QUALITY = {"": (0, 4, 7), "m": (0, 3, 7), "5": (0, 7, 12), "6": (0, 4, 7, 9), "7": (0, 4, 7, 10)}
QUALITY |= {"m7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11)}
QUALITY |= {"m9": (3, 7, 10, 14), "maj9": (4, 7, 11, 14), "9": (4, 7, 10, 14)}
DRUM = {"kick": 36, "side": 37, "snare": 38, "clap": 39, "hat": 42, "open": 46, "crash": 49, "ride": 51, "shaker": 70}
HIT = {"X": 108, "x": 84, "o": 54}


@dataclass
class Part:
    """One instrument. `score` is a tune ("tune"), or a pattern repeated every bar ("comp", "bass", "drums")."""

    kind: str
    program: int
    score: str
    volume: int = 90
    pan: int = 64
    low: int = 52  # lowest note of the chords
    strum: float = 0.0  # delay from one chord note to the next


@dataclass
class Song:
    file: str
    bpm: int
    key: str
    metre: str
    chords: str
    parts: list[Part]
    caption: str
    sources: list[str]  # which side files carry the metadata: json, caption, csv
    lyrics: str = ""
    lyrics_suffix: str = ".lyrics.txt"
    language: str = "en"
    rate: int = 44100
    channels: int = 2
    swing: float = 0.5  # place of the second sixteenth within an eighth
    chord_list: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self):
        """Turn "D:3 Em:3" into [(start, chord)] and note the length."""
        self.bar = {"3": 3.0, "4": 4.0, "6": 3.0}[self.metre]
        self.quarter_bpm = self.bpm * (1.5 if self.metre == "6" else 1.0)
        self.length = 0.0
        for word in self.chords.split():
            chord, duration = word.split(":")
            self.chord_list.append((self.length, chord))
            self.length += float(duration)
        self.seconds = self.length * 60 / self.quarter_bpm


def read_songs():
    """The songs of scores.toml."""
    songs = tomllib.loads(SCORES.read_text(encoding="utf-8"))["song"]
    return [Song(parts=[Part(**part) for part in song.pop("part")], **song) for song in songs]


def note_number(name):
    """The MIDI number of "F#5"."""
    return PITCH[name[:-1]] + 12 * (int(name[-1]) + 1)


def parse_chord(chord):
    """The pitch class of a chord's root, and its intervals."""
    root = chord[:2] if chord[:2] in PITCH else chord[:1]
    return PITCH[root], QUALITY[chord[len(root) :]]


def voicing(chord, low):
    """A chord's notes in the octave above `low`, so that neighbouring chords lie close together."""
    root, intervals = parse_chord(chord)
    if chord.endswith("5"):  # power chords keep the root lowest
        return [low + (root - low) % 12 + step for step in intervals]
    notes = sorted(low + (root + step - low) % 12 for step in intervals)
    return notes + [notes[0] + 12] if len(notes) == 3 else notes


def chord_at(song, time):
    return [chord for start, chord in song.chord_list if start <= time + 1e-6][-1]


def tune_notes(song, part):
    """(start, duration, pitch, velocity) of a tune, a little louder on the beat."""
    notes, time = [], 0.0
    for word in part.score.split():
        name, duration = word.split("/")
        if name != "-":
            notes.append((time, float(duration) * 0.95, note_number(name), 100 if time % 1 == 0 else 90))
        time += float(duration)
    if abs(time - song.length) > 1e-6:
        raise ValueError(f"{song.file}: the tune lasts {time} quarters, the chords {song.length}")
    return notes


def bar_hits(song, part):
    """(time, duration, selection) of a pattern, bar after bar; the last bar is one held chord."""
    hits = [word.split("/") for word in part.score.split()]
    last = song.length - song.bar
    for bar in np.arange(0.0, last - 1e-6, song.bar):
        for offset, duration, selection in hits:
            yield float(bar + float(offset)), float(duration), selection
    yield last, song.bar, "r" if part.kind == "bass" else "*"


def comp_notes(song, part):
    """Whole chords ("*") or single chord notes (by number)."""
    notes = []
    for time, duration, selection in bar_hits(song, part):
        chord = voicing(chord_at(song, time), part.low)
        chosen = chord if selection == "*" else [chord[int(selection)]]
        velocity = 86 if time % song.bar == 0 else 76
        notes += [(time + i * part.strum, duration, pitch, velocity) for i, pitch in enumerate(chosen)]
    return notes


def bass_notes(song, part):
    """Root ("r"), fifth ("f") or octave ("o") of the chord, from low E upwards."""
    notes = []
    for time, duration, selection in bar_hits(song, part):
        root = 28 + (parse_chord(chord_at(song, time))[0] - 28) % 12
        notes.append((time, duration, root + {"r": 0, "f": 7, "o": 12}[selection], 98 if time % 1 == 0 else 86))
    return notes


def drum_notes(song, part):
    """Step patterns, as many steps to the bar as the pattern has letters, and a last stroke on the final bar."""
    notes, words, last = [], part.score.split(), song.length - song.bar
    for name, steps in zip(words[::2], words[1::2], strict=True):
        for bar in np.arange(0.0, last - 1e-6, song.bar):
            for i, step in enumerate(steps):
                if step != ".":
                    notes.append((float(bar) + i * song.bar / len(steps), 0.2, DRUM[name], HIT[step]))
    final = "ride" if part.program == 40 else "crash"
    return [*notes, (last, 2.0, DRUM[final], 84), (last, 0.2, DRUM["kick"], 90)]


NOTES = {"tune": tune_notes, "comp": comp_notes, "bass": bass_notes, "drums": drum_notes}


def swung(time, swing):
    """Move the second sixteenth of every eighth from the middle to `swing`."""
    cell, place = divmod(time * 2, 1)
    place = place * 2 * swing if place < 0.5 else swing + (place - 0.5) * 2 * (1 - swing)
    return (cell + place) / 2


def part_track(song, part, channel, rng):
    """One part as a MIDI track, with a human player's small variations."""
    events = []
    for start, duration, pitch, velocity in NOTES[part.kind](song, part):
        start = max(0.0, swung(start, song.swing) + rng.gauss(0, 0.006))
        velocity = min(127, max(1, velocity + rng.randint(-6, 6)))
        events.append((round(start * TICKS), "note_on", pitch, velocity))
        events.append((round((start + duration) * TICKS), "note_off", pitch, 0))
    track = mido.MidiTrack([mido.Message("program_change", channel=channel, program=part.program)])
    for control, value in ((7, part.volume), (10, part.pan), (91, 45)):
        track.append(mido.Message("control_change", channel=channel, control=control, value=value))
    now = 0
    for tick, kind, pitch, velocity in sorted(events):
        track.append(mido.Message(kind, channel=channel, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    return track


def midi_file(song):
    rng = random.Random(song.file)
    tempo = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=round(60e6 / song.quarter_bpm))])
    midi = mido.MidiFile(ticks_per_beat=TICKS, tracks=[tempo])
    for number, part in enumerate(song.parts):
        midi.tracks.append(part_track(song, part, 9 if part.kind == "drums" else number, rng))
    return midi


def play(song, soundfont):
    """The song as fluidsynth plays it: (frames, 2) at RENDER_RATE."""
    with tempfile.TemporaryDirectory() as folder:
        midi, wav = Path(folder, "song.mid"), Path(folder, "song.wav")
        midi_file(song).save(midi)
        options = ["-ni", "-q", "-g", "0.4", "-r", str(RENDER_RATE), "-T", "wav", "-O", "float", "-F", str(wav)]
        subprocess.run(["fluidsynth", *options, str(soundfont), str(midi)], check=True, capture_output=True)
        return sf.read(wav, always_2d=True)[0]


def finish(song, audio):
    """Cut to length, fade the release, resample, set the peak."""
    start = int(np.argmax(np.abs(audio).max(axis=1) > 0.01 * np.abs(audio).max()))
    audio = audio[start : start + round((song.seconds + TAIL_SECONDS) * RENDER_RATE)]
    fade = min(len(audio), round((TAIL_SECONDS + 0.25) * RENDER_RATE))
    audio[-fade:] *= np.cos(np.linspace(0, np.pi / 2, fade))[:, None]
    if song.channels == 1:
        audio = audio.mean(axis=1, keepdims=True)
    audio = soxr.resample(audio, RENDER_RATE, song.rate)
    return audio * PEAK / np.abs(audio).max()


def write_audio(path, audio, rate):
    """Write in blocks of a second: libsndfile's Vorbis encoder crashes on long arrays."""
    kinds = {".mp3": ("MP3", None), ".ogg": ("OGG", "VORBIS"), ".opus": ("OGG", "OPUS")}
    kind, subtype = kinds.get(path.suffix, (path.suffix[1:].upper(), "PCM_16"))
    with sf.SoundFile(path, "w", rate, audio.shape[1], subtype, format=kind) as out:
        for start in range(0, len(audio), rate):
            out.write(audio[start : start + rate])


def write_side_files(song, folder):
    """Lyrics, caption and JSON, as far as the song has them."""
    stem = Path(song.file).stem
    if song.lyrics:
        (folder / f"{stem}{song.lyrics_suffix}").write_text(song.lyrics, encoding="utf-8")
    if "caption" in song.sources:
        (folder / f"{stem}.caption.txt").write_text(song.caption + "\n", encoding="utf-8")
    if "json" in song.sources:
        data = {} if "caption" in song.sources else {"caption": song.caption}
        data |= {"bpm": song.bpm, "keyscale": song.key, "timesignature": song.metre, "language": song.language}
        text = json.dumps(data, ensure_ascii=False, indent=2)
        (folder / f"{stem}.json").write_text(text + "\n", encoding="utf-8")


def camelot(key):
    """The Camelot code of "C minor": 5A."""
    tonic, mode = key.split()
    major = PITCH[tonic] + (3 if mode == "minor" else 0)
    return f"{(7 + 7 * major) % 12 + 1}{'A' if mode == 'minor' else 'B'}"


def write_key_table(songs, folder):
    """key_bpm.csv, for the songs whose tempo and key no JSON file has."""
    with open(folder / "key_bpm.csv", "w", encoding="utf-8", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["File", "Artist", "Title", "BPM", "Key", "Camelot"])
        for song in (song for song in songs if "csv" in song.sources):
            title = Path(song.file).stem.replace("_", " ").title()
            table.writerow([song.file, ARTIST, title, song.bpm, song.key, camelot(song.key)])


def find_soundfont():
    """The Fluid sound font if it is installed, else the first in the folder."""
    found = sorted(SOUNDFONT_DIR.glob("*.sf2"), key=lambda path: (path.name != "FluidR3_GM.sf2", path.name))
    if not found:
        raise SystemExit(f"no sound font in {SOUNDFONT_DIR}: apt-get install fluid-soundfont-gm, or use --soundfont")
    return found[0]


def main():
    parser = argparse.ArgumentParser(description="Render the example songs.")
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--soundfont", type=Path, help=f"a General MIDI .sf2 (default: looked up in {SOUNDFONT_DIR})")
    args = parser.parse_args()
    soundfont = args.soundfont or find_soundfont()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    songs = read_songs()
    for song in songs:
        audio = finish(song, play(song, soundfont))
        write_audio(args.out_dir / song.file, audio, song.rate)
        write_side_files(song, args.out_dir)
        print(f"{song.file}: {len(audio) / song.rate:.2f} s")
    write_key_table(songs, args.out_dir)


if __name__ == "__main__":
    main()
