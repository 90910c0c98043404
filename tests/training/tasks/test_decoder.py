"""The training of a decoder on tones at 48 kHz, and the losses that it is trained by."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from diffusers import AutoencoderKL

from musicldm.audio.mel import MelSpec
from musicldm.data.embeddings import stored_latents
from musicldm.data.manifest import HifiSpec, PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.data.store import ClipStore
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.machine.parallel import WorkerPool
from musicldm.model.decoder import Decoder
from musicldm.model.parts import load_part
from musicldm.model.vae import Vae
from musicldm.training.run import train
from musicldm.training.spectral_losses import Resolution
from musicldm.training.tasks import decoder
from musicldm.training.tasks.decoder import DecoderTask, mid_and_side
from musicldm.training.tasks.decoder_start import DecoderRecipe, Latent, build_decoder, set_levels, widened

RATE = 48000
SMALL = DecoderRecipe(
    latent_width=16,
    latent_hidden=32,
    latent_layers=1,
    width=16,
    hidden=32,
    layers=1,
    noise_channels=2,
    batch_size=2,
    crop_latents=8,
    resolutions=(Resolution(512, 128), Resolution(2048, 512), Resolution(3072, 768)),
    adversarial_samples=4096,
    period_channels=(4, 4),
    periods=(2, 3),
    spectrum_windows=(512,),
    spectrum_channels=(4, 4),
)


@pytest.fixture(scope="session")
def tones48(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dozen tones of a second at 48 kHz, panned, prepared at 16 kHz with their sound at 48 kHz in stereo."""
    folder = tmp_path_factory.mktemp("tones48") / "corpus"
    folder.mkdir()
    rng = np.random.default_rng(0)
    time = np.arange(RATE) / RATE
    lines = []
    for index in range(12):
        tone = 0.3 * np.sin(2 * np.pi * (200 + 50 * index) * time) + 0.01 * rng.standard_normal(RATE)
        place = index / 11
        soundfile.write(folder / f"{index:02}.wav", np.stack([(1 - place) * tone, place * tone], axis=1), RATE)
        lines.append(json.dumps({"file_name": f"{index:02}.wav", "text": f"tone {index}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = PrepareSettings(seconds=1.0, normalize="none", beats="none", hifi=HifiSpec(RATE, 2))
    prepare(folder, folder.parent / "data", settings, pool=WorkerPool(workers=1))
    return folder.parent / "data"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "RECIPES", {"default": SMALL})


@pytest.mark.usefixtures("small")
def test_a_decoder_is_trained_written_and_goes_on_from_half_precision(
    tones48: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    common = {"data": tones48, "device": "cpu", "model": tiny_model_dir}
    train("decoder", out=tmp_path / "first", steps=2, **common)
    made = Decoder.from_pretrained(tmp_path / "first" / "decoder")
    assert (made.config.channels, made.config.sample_rate, made.config.frames_a_latent) == (2, RATE, 4)
    made.half().save_pretrained(tmp_path / "half" / "decoder")
    train("decoder", out=tmp_path / "second", steps=1, init=tmp_path / "half", **common)
    again = Decoder.from_pretrained(tmp_path / "second" / "decoder")
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    for before, after in zip(made.parameters(), again.parameters(), strict=True):
        assert torch.allclose(before.float(), after, atol=5e-3)
    kinds = [json.loads(line)["kind"] for line in (tmp_path / "second" / "log.jsonl").read_text().splitlines()]
    assert kinds[-1] == "validation"


def task_of(data: Path, recipe: DecoderRecipe = SMALL) -> DecoderTask:
    store = ClipStore(data)
    name = next(path.stem for path in store.shards[0].glob("latents-*.npy"))
    return DecoderTask(recipe, store.part(slice(0, 10)), store.part(slice(10, 12)), name)


@pytest.fixture(scope="session")
def encoded(tones48: Path, tiny_model_dir: Path) -> Path:
    """The tones with the latents of the tiny VAE."""
    autoencoder = load_part(AutoencoderKL, tiny_model_dir, "vae").eval()
    stored_latents(ClipStore(tones48), Vae(autoencoder))
    return tones48


def loss_of(task: DecoderTask, batch: dict[str, torch.Tensor], progress: float = 0.0) -> torch.Tensor:
    torch.manual_seed(0)
    _, losses = task.losses(batch, progress)
    assert losses is not None
    return losses["loss"]


def test_a_batch_is_the_sound_that_its_latents_are_of(encoded: Path) -> None:
    task = task_of(encoded)
    clips = np.array([4, 7])
    batch = task.batch(clips, np.random.default_rng(3))
    starts = np.random.default_rng(3)
    for place, clip in enumerate(clips):
        start = int(starts.integers(0, task.codes.shape[2] - 8 + 1))
        hop = RATE // 100 * 4
        wave = task.waves[int(clip)][:, start * hop : (start + 8) * hop]
        assert np.array_equal(np.round(batch["wave"][place].numpy() * 32767), wave)
        codes = np.concatenate([batch["mean"][place], batch["deviation"][place]])
        assert np.array_equal(codes.astype(np.float16), task.codes[int(clip)][:, start : start + 8])


def test_a_decoder_learns_the_tones_and_where_they_are(encoded: Path) -> None:
    torch.manual_seed(0)
    task = task_of(encoded, replace(SMALL, noised=0.0))
    batch = task.batch(np.array([0, 5]), np.random.default_rng(0))
    optimizer = torch.optim.AdamW(task.decoder.parameters(), 5e-3)
    before = float(loss_of(task, batch).detach())
    for _ in range(50):
        optimizer.zero_grad()
        loss = loss_of(task, batch)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.7 * before
    mid, side = task.decoder.mid_and_side(batch["mean"])
    loudness = torch.stack([mid, side]).detach().square().mean(-1).sqrt()
    assert float(loudness[1, 0] / loudness[0, 0]) > 0.3  # the first tone is at the left alone
    assert float(loudness[1, 1] / loudness[0, 1]) < float(loudness[1, 0] / loudness[0, 0])


def test_discriminators_train_from_their_share_of_the_run_on(encoded: Path) -> None:
    task = task_of(encoded, replace(SMALL, adversarial_from=0.5))
    batch = task.batch(np.array([0, 1]), np.random.default_rng(0))
    resting, alone = task.losses(batch, 0.4)
    assert resting is None
    assert alone is not None
    assert "adversarial" not in alone
    turns = task.losses(batch, 0.5)
    judged = next(turns)
    assert judged is not None
    judged["loss"].backward()
    assert all(p.grad is None for p in task.decoder.parameters())
    assert all(p.grad is not None for p in task.discriminators.parameters())
    made = next(turns)
    assert made is not None
    assert {"adversarial", "features"} < made.keys()
    made["loss"].backward()
    assert all(p.grad is not None for p in task.decoder.parameters())


def test_noise_comes_to_the_share_of_the_latents_that_the_recipe_says(encoded: Path) -> None:
    batch = {"mean": torch.zeros(400, 8, 2, 16)}
    none = task_of(encoded, replace(SMALL, noised=0.0))._noised(batch)
    assert float(none.abs().max()) == 0
    torch.manual_seed(0)
    some = task_of(encoded, replace(SMALL, noised=0.5, noise=0.2))._noised(batch)
    deviations = some.flatten(1).std(dim=1)
    assert 0.4 < float((deviations > 0).float().mean()) < 0.6
    assert float(deviations.max()) < 0.2 * 1.2


def test_the_figures_of_the_original_itself_are_those_of_silence_at_worst_and_zero_at_best(
    encoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(encoded)
    _, real = task._decoded(0)
    monkeypatch.setattr(task, "_decoded", lambda index: (task_of(encoded)._decoded(index)[1],) * 2)
    perfect = task.validate().figures
    assert perfect["log_mel_l1_16k"] < 0.02  # the mels are stored in half precision
    assert max(value for name, value in perfect.items() if name != "log_mel_l1_16k") < 1e-6
    monkeypatch.setattr(task, "_decoded", lambda _: (torch.zeros_like(real), real))
    silent = task.validate().figures
    assert silent["convergence"] == pytest.approx(1, abs=1e-3)
    assert silent["log_mel_l1_16k"] > 2


def test_a_mono_decoder_goes_on_in_stereo_with_the_sound_it_had() -> None:
    torch.manual_seed(0)
    mono = build_decoder(SMALL, MelSpec(), Latent(8, 16, 4), RATE, 1)
    stereo = widened(mono, 2)
    z = torch.randn(1, 8, 5, 16)
    assert torch.equal(stereo.mid_and_side(z)[0], mono.mid_and_side(z)[0])
    assert torch.allclose(stereo(z), mono(z).expand(1, 2, -1), atol=0.02 * float(mono(z).detach().abs().max()))
    assert widened(stereo, 2) is stereo
    with pytest.raises(InvalidInputError, match="the decoder of --init is stereo and the data are mono"):
        widened(stereo, 1)


def test_a_decoder_begins_at_the_mean_spectrum_of_the_sound() -> None:
    torch.manual_seed(0)
    wave = 0.1 * torch.randn(4, 10 * RATE // 10)
    wave[:, 1:] += wave[:, :-1].clone()  # falls to the top
    decoder = build_decoder(SMALL, MelSpec(), Latent(8, 16, 4), RATE, 1)
    torch.nn.init.zeros_(decoder.mid.weight)
    set_levels(decoder, wave)
    made = decoder(torch.zeros(1, 8, 40, 16))[0, 0].detach()
    spectra = [
        torch.stft(x, 1920, 480, window=torch.hann_window(1920), return_complex=True).abs() for x in (made, wave[0])
    ]
    low, high = (spectrum[50:150].mean() / spectrum[700:800].mean() for spectrum in spectra)
    assert float(low) == pytest.approx(float(high), rel=0.5)
    assert float(low) > 1.5


def test_data_without_sound_at_full_rate_are_refused_before_any_work(
    tone_corpus: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=r"has no sound at full rate: musicldm prepare .* --hifi-rate 48000"):
        train("decoder", data=tone_corpus, out=tmp_path / "run", steps=1, model=tiny_model_dir)
    assert not (tmp_path / "run").exists()


def test_a_training_without_a_model_says_what_it_is_for(tones48: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="training of decoder needs --model"):
        train("decoder", data=tones48, out=tmp_path, steps=1)


@pytest.mark.usefixtures("small")
def test_a_decoder_of_other_latents_or_another_rate_is_refused(
    encoded: Path, tiny_model_dir: Path, tmp_path: Path
) -> None:
    other = build_decoder(SMALL, MelSpec(), Latent(8, 8, 8), 44100, 1)
    other.save_pretrained(tmp_path / "other" / "decoder")
    message = "16 latent bins, not 8, 4 frames a latent, not 8, 48000 Hz, not 44100 as the decoder of --init"
    with pytest.raises(DataError, match=message):
        train("decoder", data=encoded, out=tmp_path / "run", steps=1, model=tiny_model_dir, init=tmp_path / "other")
    with pytest.raises(CheckpointError, match="has no decoder/"):
        train("decoder", data=encoded, out=tmp_path / "run", steps=1, model=tiny_model_dir, init=tiny_model_dir)


@pytest.mark.parametrize(("name", "channels", "millions"), [("default", 1, 10.9), ("published", 2, 23.1)])
def test_recipes_make_decoders_of_the_stated_sizes(name: str, channels: int, millions: float) -> None:
    with torch.device("meta"):
        made = build_decoder(decoder.RECIPES[name], MelSpec(), Latent(8, 8, 8), RATE, channels)
    assert sum(p.numel() for p in made.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert (made.config.n_fft, made.config.hop_length, made.samples_a_frame) == (1920, 480, 3840)


def test_mid_and_side_are_half_the_sum_and_half_the_difference() -> None:
    wave = torch.tensor([[[0.5, 1.0], [0.25, -1.0]]])
    assert torch.equal(mid_and_side(wave), torch.tensor([[[0.375, 0.0], [0.125, 1.0]]]))
    assert torch.equal(mid_and_side(wave[:, :1]), wave[:, :1])
