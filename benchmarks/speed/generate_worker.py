"""What one way to generate costs, in a process of its own.

    python benchmarks/speed/generate_worker.py '{"who": "ours", "model": …}'

Runs in two environments: ours, and that of diffusers' own pipeline (see generate.py), so it knows of both and imports
one. Times are of the second and later calls; the first one warms up.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
PROMPT = "melodic techno with a fast beat and synths"


def main() -> None:
    """Loads, generates `calls` times after the first, and prints a JSON object."""
    wanted = json.loads(sys.argv[1])
    import torch

    torch.set_num_threads(wanted["threads"])
    pipe = _ours(wanted) if wanted["who"] == "ours" else _upstream(wanted)
    pipe.set_progress_bar_config(disable=True)
    loaded = time.perf_counter() - STARTED
    stages = _timed_stages(pipe)
    whole, processor, parts = [], [], []
    for call in range(wanted["calls"] + 1):
        stages.clear()
        started, used = time.perf_counter(), time.process_time()
        audios = pipe(PROMPT, generator=torch.Generator().manual_seed(0), **wanted["call"]).audios
        if call == 0:
            first = time.perf_counter() - STARTED
        if call > 0 or wanted["calls"] == 0:
            whole.append(time.perf_counter() - started)
            processor.append(time.process_time() - used)
            parts.append({name: sum(taken) for name, taken in stages.items()})
            parts[-1] |= {"step": sorted(stages["unet"])[len(stages["unet"]) // 2], "evaluations": len(stages["unet"])}
    if wanted.get("audio"):
        import numpy as np

        np.save(wanted["audio"], np.asarray(audios))
    middle = sorted(range(len(whole)), key=whole.__getitem__)[len(whole) // 2]
    print(
        json.dumps(
            {
                "load_s": loaded,
                "cold_s": first,
                "whole_s": whole[middle],
                "cpu_s": processor[middle],
                "stages_s": parts[middle],
                "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "audio_s": audios.shape[-1] / 16000,
            }
        )
    )


def _ours(wanted: dict[str, Any]) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    from musicldm import MusicLDMPipeline
    from musicldm.machine.devices import dtypes_of_parts

    dtype = getattr(torch, wanted["dtype"])
    openvino = wanted.get("engine") == "openvino"
    stored = torch.float32 if openvino else dtype
    pipe = MusicLDMPipeline.from_pretrained(wanted["model"], dtype=dtypes_of_parts(stored), verify=False)
    if openvino:
        pipe.enable_openvino(dtype)
    if not wanted["scored"]:
        pipe.feature_extractor = None
    if wanted["same_wave"]:
        pipe.vocoder.config.mel_dither = 0.0  # of which upstream knows nothing
    return pipe


def _upstream(wanted: dict[str, Any]) -> Any:
    import diffusers
    import torch

    wanted["call"].pop("scheduler", None)  # DDIM
    folder, dtype = Path(wanted["model"]), getattr(torch, wanted["dtype"])
    if json.loads((folder / "model_index.json").read_text())["tokenizer"][1].startswith("Roberta"):
        pipe = diffusers.MusicLDMPipeline.from_pretrained(folder, torch_dtype=dtype)
    else:
        pipe = _of_newer_parts(folder, dtype)
    if pipe.tokenizer.model_max_length < pipe.text_encoder.config.projection_dim:
        # It pads the empty prompt to as many tokens as an embedding has numbers, which this text tower cannot read.
        empty = pipe.tokenizer([""], return_tensors="pt", return_token_type_ids=False)
        with torch.no_grad():
            features = pipe.text_encoder.get_text_features(**empty)
        wanted["call"]["negative_prompt_embeds"] = torch.nn.functional.normalize(features, dim=-1)
    if not wanted["scored"]:
        pipe.score_waveforms = _unscored  # it scores whatever it makes
    return pipe


def _unscored(text: Any, audio: Any, *_: Any, **__: Any) -> Any:  # noqa: ARG001 - upstream names them
    return audio


def _of_newer_parts(folder: Path, dtype: Any) -> Any:
    """Of a folder whose tokenizer transformers 5 has saved, which transformers 4 cannot tell the class of."""
    import diffusers
    import transformers

    settings = json.loads((folder / "tokenizer" / "tokenizer_config.json").read_text())
    told = ("model_max_length", "model_input_names")
    names = {key: settings[key] for key in settings if key.endswith("_token") or key in told}
    rules = str(folder / "tokenizer" / "tokenizer.json")
    return diffusers.MusicLDMPipeline(
        vae=diffusers.AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=dtype),
        text_encoder=transformers.ClapModel.from_pretrained(folder / "text_encoder", torch_dtype=dtype),
        tokenizer=transformers.PreTrainedTokenizerFast(tokenizer_file=rules, **names),
        feature_extractor=transformers.ClapFeatureExtractor.from_pretrained(folder / "feature_extractor"),
        unet=diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype),
        scheduler=diffusers.DDIMScheduler.from_pretrained(folder / "scheduler", clip_sample=False),
        vocoder=transformers.SpeechT5HifiGan.from_pretrained(folder / "vocoder", torch_dtype=dtype),
    )


def _timed_stages(pipe: Any) -> dict[str, list[float]]:
    """Seconds of each call of each part, filled as they run."""
    taken: dict[str, list[float]] = defaultdict(list)

    def wrap(owner: Any, method: str, name: str) -> None:
        inner = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = inner(*arguments, **options)
            taken[name].append(time.perf_counter() - started)
            return result

        setattr(owner, method, timed)

    engine = getattr(pipe, "_openvino", None)
    wrap(pipe.text_encoder, "get_text_features", "text")
    if hasattr(pipe, "score_waveforms"):
        wrap(pipe, "score_waveforms", "scoring")  # upstream's, resampling included
    else:
        wrap(pipe.text_encoder, "get_audio_features", "scoring")
    if engine is None:
        for owner, method, name in ((pipe.unet, "forward", "unet"), (pipe.vae, "decode", "vae")):
            wrap(owner, method, name)
        wrap(pipe.vocoder, "forward", "vocoder")
    else:
        wrap(engine.denoiser, "_evaluate_all", "unet")
        wrap(engine.denoiser, "evaluate_outermost", "unet")
        wrap(engine.decoder.vae, "decode", "vae")
        wrap(engine.decoder.vocoder.network, "_wave", "vocoder")
    return taken


if __name__ == "__main__":
    main()
