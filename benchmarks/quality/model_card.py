"""Measures a model folder by judges: `python -m benchmarks.quality.model_card --model M --corpus C`.

Sections (`--sections`, all by default), each saved as soon as it is done, so that any can be measured again alone:
known, held_out   sentences that are no training captions, with known and held-out genre expressions, default settings
negative          the share judged degraded with and without the negative prompt "low quality"
quality           the share judged degraded for "high quality" and for "low quality, muffled" as prompts
steps, guidance   scores at 5 to 200 steps, and at guidance scales 1.5 to 8
best_of           the top-ranked of four against the average of four
reconstruction    VAE and vocoder on held-out corpus clips, and what judges and tempo tracker score on the originals
speed             seconds a clip warm, and of `musicldm generate` from a cold start
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.circumstances import RESULTS, circumstances, fingerprint, plain
from musicldm.audio.mel import log_mel
from musicldm.beats.network import DEFAULT_FOLDER
from musicldm.beats.tracker import BeatTracker
from musicldm.corpus.captions import EvaluationPrompt, evaluation_prompts
from musicldm.data.store import ClipRow, ClipStore
from musicldm.evaluation.codec import Codec
from musicldm.evaluation.metrics.estimate import Estimate, difference, estimate
from musicldm.evaluation.metrics.stft_distance import stft_distance
from musicldm.evaluation.metrics.tempo import tempo_met
from musicldm.listeners.judges import DRUMS, Judges, JudgeVerdict, judges_folder
from musicldm.listeners.tempo import tempo_of
from musicldm.pipeline import MusicLDMPipeline
from musicldm.training.tasks.judges import accuracies

Waves = npt.NDArray[np.float32]
Hits = dict[str, bool]
STEPS = (5, 10, 20, 50, 100, 200)
GUIDANCE_SCALES = (1.5, 2.5, 4.0, 6.0, 8.0)
CANDIDATES = 4
LOW_QUALITY = "low quality"


@dataclass(frozen=True)
class Bench:
    """What all sections share."""

    pipe: MusicLDMPipeline
    judges: Judges
    tracker: BeatTracker
    options: argparse.Namespace

    @property
    def rate(self) -> int:
        return self.judges.spec.sample_rate

    def prompts(self, seed: int, count: int, *, held_out: bool = False) -> list[EvaluationPrompt]:
        """Evaluation prompts over the genres that the judges know: they cannot hear others."""
        return evaluation_prompts(seed, count, held_out=held_out, genres=self.judges.classes["genre"])

    def generate(self, texts: Sequence[str], first_seed: int = 0, **settings: Any) -> tuple[Waves, list[float | None]]:
        """Waves (n, samples) and scores, prompt `i` from seed `first_seed + i`; with candidates, best first."""
        waves: list[Waves] = []
        scores: list[float | None] = []
        each = settings.get("num_waveforms_per_prompt", 1)
        size = max(1, self.options.batch_size // each)
        for start in range(0, len(texts), size):
            part = list(texts[start : start + size])
            seeds = range((first_seed + start) * each, (first_seed + start + len(part)) * each)
            generators = [torch.Generator().manual_seed(seed) for seed in seeds]
            result: Any = self.pipe(part, generator=generators, **settings)
            waves.append(np.asarray(result.audios, dtype=np.float32))
            scores += [None] * len(generators) if result.scores is None else np.ravel(result.scores).tolist()
        return np.concatenate(waves), scores

    def hits(self, waves: Waves, prompts: Sequence[EvaluationPrompt]) -> list[Hits]:
        """What of each prompt is heard: only what the prompt names is in the answer."""
        verdict = self.judges(waves)
        heard = {head: verdict.best(head) for head in verdict.classes}
        answers: list[Hits] = []
        for index, prompt in enumerate(prompts):
            hit = {"genre": heard["genre"][index] == prompt.genre}
            if prompt.drums is not None:
                hit["drums"] = heard["drums"][index] == DRUMS[prompt.drums]
            if prompt.lead_family is not None:
                hit["lead"] = heard["lead"][index] == prompt.lead_family
            if prompt.quality is not None:
                hit["quality"] = heard["quality"][index] == prompt.quality
            if prompt.bpm is not None:
                hit |= self.tempo_hits(waves[index], verdict, index, prompt.bpm)
            answers.append(hit)
        return answers

    def tempo_hits(self, wave: Waves, verdict: JudgeVerdict, index: int, bpm: float) -> Hits:
        """Whether the tempo is heard; no tempo heard is a miss.

        By librosa's onsets: `tempo` lets the genre that the judges hear (not the one asked for) decide between half and
        double tempo, `tempo_plain` knows no genres, `tempo_folded` is `tempo_plain` with octaves folded. By this
        project's beat tracker, which knows no genres either: `tempo_tracked`, and `tempo_tracked_folded`.
        """
        informed = tempo_of(wave, self.rate, self.judges.tempo_prior(verdict, index))
        plain = tempo_of(wave, self.rate)
        tracked = self.tracker(wave, self.rate).tempo or np.nan
        kinds = {"tempo": (informed, False), "tempo_plain": (plain, False), "tempo_folded": (plain, True)}
        kinds |= {"tempo_tracked": (tracked, False), "tempo_tracked_folded": (tracked, True)}
        return {
            name: bool(np.isfinite(heard)) and tempo_met(heard, bpm, folded=folded)
            for name, (heard, folded) in kinds.items()
        }

    def degraded(self, waves: Waves) -> list[bool]:
        """Whether each wave is judged anything but clean."""
        return [name != "clean" for name in self.judges(waves).best("quality")]


def shares(answers: Sequence[Hits]) -> dict[str, Estimate | None]:
    """Share of hits by what is asked."""
    names = dict.fromkeys(name for answer in answers for name in answer)
    return {name: estimate([answer[name] for answer in answers if name in answer]) for name in names}


def measure_prompts(bench: Bench, *, held_out: bool) -> dict[str, Any]:
    """Genre, drums, lead, tempo and quality on evaluation prompts, with the mistakes by genre."""
    prompts = bench.prompts(bench.options.seed, bench.options.prompts, held_out=held_out)
    waves, scores = bench.generate([prompt.text for prompt in prompts], first_seed=bench.options.seed)
    answers = bench.hits(waves, prompts)
    heard = bench.judges(waves).best("genre")
    missed = [
        {"prompt": prompt.text, "genre": prompt.genre, "heard": name}
        for prompt, name in zip(prompts, heard, strict=True)
        if name != prompt.genre
    ]
    genres = sorted({prompt.genre for prompt in prompts})
    by_genre = {
        genre: estimate([a["genre"] for a, p in zip(answers, prompts, strict=True) if p.genre == genre])
        for genre in genres
    }
    scored = [score for score in scores if score is not None]
    return {**shares(answers), "score": estimate(scored), "by_genre": by_genre, "missed": missed}


def measure_known(bench: Bench) -> dict[str, Any]:
    return measure_prompts(bench, held_out=False)


def measure_held_out(bench: Bench) -> dict[str, Any]:
    return measure_prompts(bench, held_out=True)


def plain_prompts(bench: Bench, count: int) -> list[str]:
    """Genre names in turn, with nothing said of quality."""
    genres = bench.judges.classes["genre"]
    return [f"{genres[index % len(genres)]} music" for index in range(count)]


def measure_negative(bench: Bench) -> dict[str, Any]:
    """Share judged degraded of prompts that say nothing, or ask for it, with and without the negative prompt."""
    found: dict[str, Any] = {}
    for name, suffix in (("plain", ""), ("degraded_prompt", ", low quality")):
        texts = [text + suffix for text in plain_prompts(bench, bench.options.pairs)]
        without, _ = bench.generate(texts)
        against, _ = bench.generate(texts, negative_prompt=LOW_QUALITY)
        found |= _contrast(name, bench.degraded(against), bench.degraded(without), ("with", "without"))
    return found


def measure_quality(bench: Bench) -> dict[str, Any]:
    """Share judged degraded for low and for high quality asked, same seeds."""
    texts = plain_prompts(bench, bench.options.pairs)
    low, _ = bench.generate([f"{text}, low quality, muffled" for text in texts])
    high, _ = bench.generate([f"{text}, high quality" for text in texts])
    return _contrast("prompt", bench.degraded(low), bench.degraded(high), ("low", "high"))


def _contrast(name: str, one: list[bool], other: list[bool], sides: tuple[str, str]) -> dict[str, Any]:
    return {
        f"{name}_{sides[0]}": estimate(one),
        f"{name}_{sides[1]}": estimate(other),
        f"{name}_gap": difference([float(x) for x in one], [float(x) for x in other]),
    }


def measure_steps(bench: Bench) -> dict[str, Any]:
    """The same prompts and seeds at each number of steps."""
    return _sweep(bench, "num_inference_steps", STEPS, bench.options.seed + 1)


def measure_guidance(bench: Bench) -> dict[str, Any]:
    """The same prompts and seeds at each guidance scale."""
    return _sweep(bench, "guidance_scale", GUIDANCE_SCALES, bench.options.seed + 3)


def _sweep(bench: Bench, argument: str, values: Sequence[float], seed: int) -> dict[str, Any]:
    """Scores at each value of an argument and at its default, all else as the checkpoint has it."""
    prompts = bench.prompts(seed, bench.options.step_prompts)
    default = getattr(bench.pipe.generation_defaults, argument)
    table: dict[str, Any] = {}
    for value in sorted({*values, default}):
        started = time.perf_counter()
        waves, scores = bench.generate([prompt.text for prompt in prompts], **{argument: value})
        seconds = (time.perf_counter() - started) / len(prompts)
        found = [score for score in scores if score is not None]
        table[f"{value:g}"] = {
            **shares(bench.hits(waves, prompts)),
            "score": estimate(found),
            "seconds_a_clip_batched": seconds,
        }
    return {"default": default, "prompts": len(prompts), "table": table}


def measure_best_of(bench: Bench) -> dict[str, Any]:
    """Genre and lead accuracy of the top-ranked of four candidates against the mean of the four."""
    prompts = bench.prompts(bench.options.seed + 2, bench.options.best_prompts)
    waves, _ = bench.generate([prompt.text for prompt in prompts], num_waveforms_per_prompt=CANDIDATES)
    answers = bench.hits(waves, [prompt for prompt in prompts for _ in range(CANDIDATES)])
    found: dict[str, Any] = {}
    for name in ("genre", "lead"):
        groups = [answers[i : i + CANDIDATES] for i in range(0, len(answers), CANDIDATES) if name in answers[i]]
        best = [float(group[0][name]) for group in groups]
        average = [float(np.mean([answer[name] for answer in group])) for group in groups]
        found |= {
            f"{name}_best": estimate(best),
            f"{name}_average": estimate(average),
            f"{name}_gain": difference(best, average),
        }
    return found


def measure_reconstruction(bench: Bench) -> dict[str, Any]:
    """What VAE and vocoder keep of corpus clips, and what judges and tracker score on the originals.

    Clips of genres that the judges never learnt are left out.
    """
    store = ClipStore(bench.options.corpus, bench.judges.spec)
    genres = bench.judges.classes["genre"]
    known = [index for index, row in enumerate(store.rows) if row.fields["genre"] in genres]
    count = min(bench.options.clips, len(known))
    chosen = sorted(np.random.default_rng(bench.options.seed).choice(known, count, replace=False).tolist())
    rows = [store.rows[index] for index in chosen]
    real = np.stack([store.wave(index) for index in chosen])
    mels = store.mels[chosen].astype(np.float32)
    codec = Codec.load(bench.options.model)
    decoded = codec.mels(mels)
    coded, resynthesised = codec.waves(decoded)[:, : real.shape[1]], codec.waves(mels)[:, : real.shape[1]]
    coded_mels = log_mel(torch.from_numpy(coded), store.spec).numpy()
    resynthesised_mels = log_mel(torch.from_numpy(resynthesised), store.spec).numpy()
    return {
        "clips": count,
        "log_mel_l1_vae": _distance(decoded, mels),
        "log_mel_l1_vocoder": _distance(resynthesised_mels, mels),
        "log_mel_l1": _distance(coded_mels, mels),
        "stft_vocoder": asdict(stft_distance(resynthesised, real)),
        "stft": asdict(stft_distance(coded, real)),
        "judges_real": accuracies(bench.judges, mels.astype(np.float16), rows),
        "judges_reconstructed": accuracies(bench.judges, coded_mels.astype(np.float16), rows),
        "tracker_real": _tracker(bench, real, rows),
        "tracker_reconstructed": _tracker(bench, coded, rows),
    }


def _distance(one: Waves, other: Waves) -> Estimate | None:
    """Mean absolute difference in nats, with its interval over clips."""
    return estimate(np.abs(one - other).mean(axis=(1, 2)).tolist())


def _tracker(bench: Bench, waves: Waves, rows: Sequence[ClipRow]) -> dict[str, Estimate | None]:
    verdict = bench.judges(waves)
    pairs = enumerate(zip(waves, rows, strict=True))
    return shares([bench.tempo_hits(wave, verdict, index, row.fields["bpm"]) for index, (wave, row) in pairs])


def measure_speed(bench: Bench) -> dict[str, Any]:
    """Warm seconds a clip (median of five, one prompt at a time) and cold seconds of the command (median of three)."""
    prompt = "melodic techno with a fast beat and synths"
    warm = []
    for _ in range(6):
        started = time.perf_counter()
        result: Any = bench.pipe(prompt)
        warm.append(time.perf_counter() - started)
    cold = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from musicldm.cli.main import run; run()", "generate", prompt]
        for _ in range(3):
            started = time.perf_counter()
            subprocess.run(
                [*command, "--model", str(bench.options.model), "-o", str(Path(folder) / "clip.wav")],
                check=True,
                capture_output=True,
            )
            cold.append(time.perf_counter() - started)
    seconds = result.audios.shape[-1] / bench.pipe.sample_rate
    return {"warm_s": float(np.median(warm[1:])), "cold_s": float(np.median(cold)), "audio_s": seconds}


SECTIONS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "known": measure_known,
    "held_out": measure_held_out,
    "negative": measure_negative,
    "quality": measure_quality,
    "steps": measure_steps,
    "guidance": measure_guidance,
    "best_of": measure_best_of,
    "reconstruction": measure_reconstruction,
    "speed": measure_speed,
}


def main() -> None:
    """Runs the sections asked for and writes the results after each."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    pipe = MusicLDMPipeline.from_pretrained(str(options.model), dtype="auto")
    pipe.set_progress_bar_config(disable=True)
    bench = Bench(pipe, Judges.load(options.judges), BeatTracker.from_pretrained(), options)
    results = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    results["judges"] = bench.judges.card
    for name in options.sections:
        started = time.perf_counter()
        found = plain(SECTIONS[name](bench))
        told = {
            "model": fingerprint(options.model),
            "beat_model": fingerprint(DEFAULT_FOLDER),
            "dtype": str(pipe.unet.dtype).removeprefix("torch."),
        }
        found["run"] = {**told, **circumstances(options, time.perf_counter() - started)}
        results.setdefault("sections", {})[name] = found
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(f"{name}: {found['run']['seconds']:.0f} s", flush=True)
    from benchmarks.tables.model_card_table import write_table

    write_table(options.out)


def generate_waves(pipe: MusicLDMPipeline, texts: Sequence[str], size: int = 8) -> Waves:
    """A wave for each text (n, samples), from the seed of its number, by the model's own settings, `size` at once."""
    waves = []
    for start in range(0, len(texts), size):
        part = list(texts[start : start + size])
        generators = [torch.Generator().manual_seed(start + place) for place in range(len(part))]
        result: Any = pipe(part, generator=generators)
        waves.append(np.asarray(result.audios, dtype=np.float32))
    return np.concatenate(waves)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--judges", type=judges_folder, default="default", help="or a folder of them")
    parser.add_argument("--corpus", type=Path, help="held-out corpus, prepared, for the section reconstruction")
    parser.add_argument("--out", type=Path, default=RESULTS / "model_card.json")
    parser.add_argument("--sections", type=lambda text: text.split(","), default=list(SECTIONS))
    parser.add_argument("--prompts", type=int, default=216, help="of the sections known and held_out each")
    parser.add_argument("--pairs", type=int, default=72, help="of the sections negative and quality")
    parser.add_argument("--step-prompts", type=int, default=72, help="of the sections steps and guidance")
    parser.add_argument("--best-prompts", type=int, default=72)
    parser.add_argument("--clips", type=int, default=200, help="of the section reconstruction")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    unknown = [name for name in options.sections if name not in SECTIONS]
    if unknown:
        parser.error(f"unknown sections {', '.join(unknown)}: choose from {', '.join(SECTIONS)}")
    if "reconstruction" in options.sections and options.corpus is None:
        parser.error("the section reconstruction needs --corpus")
    return options


if __name__ == "__main__":
    main()
