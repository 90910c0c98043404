from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from transformers import SpeechT5HifiGan

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.data.embeddings import ClipEmbeddings
from musicldm.data.store import ClipStore
from musicldm.errors import InvalidInputError
from musicldm.training.networks.discriminators import (
    PeriodDiscriminator,
    WaveDiscriminators,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)
from musicldm.training.networks.unet import build_unet, refit_condition, spread_condition
from musicldm.training.spectral_losses import spectral_loss
from musicldm.training.tasks.ldm import LdmTask
from musicldm.training.tasks.ldm_inputs import LatentClips, LatentInputs
from musicldm.training.tasks.ldm_recipe import LdmRecipe, build_scheduler, sampling_scheduler
from musicldm.training.tasks.vae import VaeRecipe, VaeTask, build_vae
from musicldm.training.tasks.vocoder import VocoderRecipe, VocoderTask, build_vocoder
from tests.tolerances import layers, sums


def verdict(scores: list[float], features: list[float]) -> tuple[torch.Tensor, list[torch.Tensor]]:
    return torch.tensor(scores), [torch.tensor(features)]


def test_least_squares_losses_are_those_worked_by_hand() -> None:
    real = [verdict([1.0, 0.5], [1.0, 2.0]), verdict([0.0], [0.0, 0.0])]
    fake = [verdict([0.0, 0.5], [0.0, 4.0]), verdict([1.0], [1.0, 1.0])]
    assert float(discriminator_loss(real, fake)) == pytest.approx((0.125 + 0.125) + (1.0 + 1.0))
    assert float(adversarial_loss(fake)) == pytest.approx((1.0 + 0.25) / 2 + 0.0)
    assert float(feature_matching_loss(real, fake)) == pytest.approx(1.5 + 1.0)


def test_a_period_discriminator_sees_samples_a_period_apart_only() -> None:
    torch.manual_seed(0)
    discriminator = PeriodDiscriminator(5, (4, 4))
    wave = torch.randn(1, 500, requires_grad=True)
    score, _ = discriminator(wave)
    score[0, 0, 3, 2].backward()
    assert wave.grad is not None
    touched = torch.nonzero(wave.grad[0]).flatten()
    assert len(touched) > 1
    assert set((touched % 5).tolist()) == {2}


def test_wave_discriminators_give_one_verdict_each_at_any_length() -> None:
    discriminators = WaveDiscriminators((2, 3, 5), (4, 4), 2, (4, 8))
    for samples in (400, 401, 463):
        verdicts = discriminators(torch.randn(2, samples))
        assert len(verdicts) == 5
        assert all(torch.isfinite(score).all() for score, _ in verdicts)


def test_a_new_vae_works_on_log_mels_of_ordinary_level() -> None:
    """The folded normalisation must equal normalising outside, but for the padding at the edges."""
    torch.manual_seed(0)
    recipe = VaeRecipe(channels=(8, 16), groups=4)
    torch.manual_seed(0)
    folded = build_vae(recipe)
    torch.manual_seed(0)
    plain = build_vae(VaeRecipe(channels=(8, 16), groups=4, mel_mean=0.0, mel_deviation=1.0))
    mel = torch.randn(1, 1, 32, 16) * 2.2 - 3.5
    inside = (mel - recipe.mel_mean) / recipe.mel_deviation
    first = folded.encoder.conv_in(mel)[..., 1:-1, 1:-1]
    allowed = layers(3, 8 * 9, size=float(mel.abs().max()))
    torch.testing.assert_close(first, plain.encoder.conv_in(inside)[..., 1:-1, 1:-1], rtol=0, atol=allowed)
    hidden = torch.randn(1, 8, 6, 6)
    expected = plain.decoder.conv_out(hidden) * recipe.mel_deviation + recipe.mel_mean
    torch.testing.assert_close(folded.decoder.conv_out(hidden), expected, rtol=0, atol=allowed)


def test_the_exported_vae_gives_latents_of_unit_deviation(tones: ClipStore, tmp_path) -> None:
    recipe = VaeRecipe(channels=(8, 8), groups=4, latent_channels=2)
    task = VaeTask(recipe, tones.part(slice(0, 8)), tones.part(slice(8, 12)))
    task.modules.eval()
    task.export(tmp_path)
    vae = AutoencoderKL.from_pretrained(tmp_path / "vae").eval()
    mels = torch.from_numpy(np.asarray(tones.mels[8:12], np.float32))[:, None]
    with torch.no_grad():
        latents = vae.encode(mels).latent_dist.mode() * vae.config.scaling_factor
    assert float(latents.std()) == pytest.approx(1.0, rel=0.02)


def test_a_new_vocoder_is_loud_enough_to_have_gradients(tones: ClipStore) -> None:
    """As transformers initialises it, all output lies under the floor of the log-mel."""
    torch.manual_seed(0)
    wave = build_vocoder(VocoderRecipe(), tones.spec)(torch.from_numpy(np.asarray(tones.mels[:2], np.float32)))
    assert wave.shape == (2, 16000)
    assert wave.std().item() > 1e-3


def test_the_exported_vocoder_equals_the_trained_one(tones: ClipStore, tmp_path) -> None:
    recipe = VocoderRecipe(initial_channels=16)
    task = VocoderTask(recipe, tones.part(slice(0, 8)), tones.part(slice(8, 12)))
    task.export(tmp_path)
    stored = SpeechT5HifiGan.from_pretrained(tmp_path / "vocoder")
    assert not any("parametrizations" in name for name, _ in stored.named_parameters())
    mel = torch.from_numpy(np.asarray(tones.mels[:1], np.float32))
    with torch.no_grad():
        wave = task.modules["generator"](mel)
        torch.testing.assert_close(stored(mel), wave, rtol=0, atol=layers(60, 16 * 11, float(wave.abs().max())))


def test_the_spectral_loss_is_that_worked_by_hand_and_is_larger_for_a_hum_that_mels_blur() -> None:
    torch.manual_seed(0)
    wave = torch.randn(2, 8000)
    assert spectral_loss(wave, wave).item() == 0.0
    assert spectral_loss(0.5 * wave, wave).item() == pytest.approx(0.5 + np.log(2), rel=1e-3)
    frame = torch.randn(2, 160)
    periodic = frame.repeat(1, 50) * wave.std() / frame.std()
    other = torch.randn(2, 8000)
    assert spectral_loss(periodic, wave).item() > 1.3 * spectral_loss(other, wave).item()


def test_vocoder_segments_are_cut_where_their_mels_are(tones: ClipStore) -> None:
    task = VocoderTask(VocoderRecipe(initial_channels=16, segment_frames=20), tones, tones)
    batch = task.batch(np.array([1, 7]), np.random.default_rng(0))
    assert batch["wave"].shape == (2, 20 * 160)
    again = log_mel(batch["wave"], tones.spec)[:, 4:-4]
    assert float((again - batch["mel"][:, 4:-4]).abs().mean()) < 0.02


def test_upsampling_that_does_not_make_the_hop_is_refused() -> None:
    recipe = VocoderRecipe(upsample_rates=(5, 4, 4), upsample_kernels=(11, 8, 8))
    with pytest.raises(InvalidInputError, match=r"\(5, 4, 4\) make 80 samples a frame, .* hop of 160: .* --hop 80"):
        build_vocoder(recipe, MelSpec())


def ldm_task(words: np.ndarray | None = None, **changes: object) -> LdmTask:
    rng = np.random.default_rng(1)
    latents = np.abs(rng.standard_normal((12, 4, 16, 4))).astype(np.float16)
    text = np.arange(24, dtype=np.float16)[:, None].repeat(8, 1)
    embeddings = ClipEmbeddings(text, np.arange(0, 25, 2), 100 + text[:12], np.full(8, -1, np.float16), words)
    recipe = LdmRecipe(channels=(8, 16), groups=4, head_channels=8, condition_width=8, batch_size=2, crop_frames=(8,))
    recipe = replace(recipe, **changes)
    downbeats = [[1, 5, 12]] * 12
    clips = LatentClips(latents, embeddings, downbeats)
    return LdmTask(recipe, LatentInputs(clips, clips, MelSpec(), 2.0, build_unet(recipe, 2)))


@pytest.mark.parametrize(("start", "frames"), [("downbeat", {1, 5}), ("any", set(range(9)))])
def test_crops_start_where_the_recipe_says(start: str, frames: set[int]) -> None:
    ldm = ldm_task(start=start)
    ldm.train.moments[:] = np.arange(16)[:, None]
    rng = np.random.default_rng(0)
    drawn = np.concatenate([ldm.batch(np.arange(12), rng)["latent"].numpy() for _ in range(20)])
    assert set(drawn[:, 0, 0, 0] / 2) == frames


@torch.no_grad()
def test_validation_takes_crops_as_training_does() -> None:
    """The frames before the first downbeat are not numbers, and neither are those after the crop."""
    ldm = ldm_task(start="downbeat", crop_frames=(6, 8))
    ldm.held_out.moments[:, :, :1] = ldm.held_out.moments[:, :, 9:] = np.nan
    assert np.isfinite(ldm.validate().figures["loss"])
    any_start = ldm_task(start="any", crop_frames=(6, 8))
    any_start.held_out.moments[:, :, :1] = np.nan
    assert np.isnan(any_start.validate().figures["loss"])


def test_an_unknown_start_of_crops_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"unknown start 'bar'.*any, downbeat"):
        LdmRecipe(start="bar")


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_min_snr_weighs_errors_of_the_clean_latent_by_the_smaller_of_snr_and_gamma(prediction: str) -> None:
    ldm = ldm_task(min_snr=5.0, prediction=prediction)
    steps = torch.tensor([5, 200, 500, 950])
    betas = np.linspace(0.0015**0.5, 0.0195**0.5, 1000) ** 2
    alpha = np.cumprod(1 - betas)[steps.numpy()]
    # An error d of the clean latent x is one of d √(ᾱ / (1 − ᾱ)) of the noise, and of d / √(1 − ᾱ) of v.
    squared = alpha / (1 - alpha) if prediction == "epsilon" else 1 / (1 - alpha)
    wanted = np.minimum(alpha / (1 - alpha), 5.0) / squared
    assert np.allclose(ldm.weights(steps).numpy(), wanted, rtol=1e-3)
    assert torch.equal(ldm_task(prediction=prediction).weights(steps), torch.ones(4))
    with pytest.raises(InvalidInputError, match="min_snr is -1"):
        ldm_task(min_snr=-1.0)


@pytest.fixture
def ldm() -> LdmTask:
    return ldm_task()


def test_conditions_are_the_clips_own_in_the_stated_shares(ldm: LdmTask) -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([ldm.batch(np.array([5]), rng)["condition"][0, 0].item() for _ in range(2000)])
    assert set(drawn) == {-1.0, 10.0, 11.0, 105.0}
    assert (drawn == -1).mean() == pytest.approx(0.1, abs=0.02)
    assert (drawn == 105).mean() == pytest.approx(0.9 * 0.2, abs=0.03)
    assert (drawn == 10).mean() == pytest.approx(0.9 * 0.8 / 2, abs=0.04)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.8])
def test_steps_of_the_noisier_half_have_their_share_and_are_alike_within_a_half(share: float) -> None:
    torch.manual_seed(0)
    steps = ldm_task(noisy_share=share, train_timesteps=10).draw_steps(20_000).numpy()
    shares = np.bincount(steps, minlength=10) / len(steps)
    assert shares == pytest.approx([(1 - share) / 5] * 5 + [share / 5] * 5, abs=0.01)


@pytest.mark.parametrize("name", ["caption_power", "noisy_share"])
def test_shares_and_powers_below_zero_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"{name} is -1"):
        LdmRecipe(**{name: -1.0})


def test_captions_are_drawn_as_the_recipe_says() -> None:
    """Of the two captions of clip 5, embedded as 10 and 11, the second has three times as many words."""
    for power, share in ((0.0, 0.5), (1.0, 0.75)):
        ldm = ldm_task(caption_power=power, text_share=1.0, drop=0.0, words=np.tile([1, 3], 12))
        rng = np.random.default_rng(0)
        drawn = np.array([ldm.batch(np.array([5]), rng)["condition"][0, 0].item() for _ in range(2000)])
        assert (drawn == 11).mean() == pytest.approx(share, abs=0.03)


def test_a_refitted_unet_sees_under_new_embeddings_what_it_saw_under_the_old() -> None:
    torch.manual_seed(0)
    unet = build_unet(LdmRecipe(channels=(8, 16), groups=4, head_channels=8, condition_width=8), 2)
    old = torch.nn.functional.normalize(torch.randn(400, 8), dim=1)
    turned = old @ torch.linalg.qr(torch.randn(8, 8)).Q + 0.1
    with torch.no_grad():
        wanted = unet.class_embedding(old)
        share = refit_condition(unet, old.numpy(), turned.numpy())
        assert share > 0.999
        assert torch.allclose(unet.class_embedding(turned), wanted, atol=0.01 * float(wanted.std()))
    assert refit_condition(unet, old.numpy(), torch.randn(400, 8).numpy()) < 0.1


def test_a_spread_layer_answers_every_direction_of_the_captions_and_keeps_their_mean() -> None:
    torch.manual_seed(0)
    unet = build_unet(LdmRecipe(channels=(8, 16), groups=4, head_channels=8, condition_width=8), 2)
    deviations = torch.tensor([3.0, 1.0, 0.3, 0.1, 0.03, 1e-4, 1e-4, 1e-4])
    turn = torch.linalg.qr(torch.randn(8, 8)).Q
    texts = (torch.randn(5000, 8) * deviations) @ turn + 0.5
    with torch.no_grad():
        unet.class_embedding.weight.copy_(0.35 * torch.linalg.qr(torch.randn(32, 8)).Q)
        mean = unet.class_embedding(texts.mean(0))
        before = standard_deviations(unet.class_embedding(texts))
        raised = spread_condition(unet, texts.numpy(), 0.6, variance=0.999999)
        after = standard_deviations(unet.class_embedding(texts))
        assert before[0] > 1.0 > 0.4 > before[1]
        assert raised == 4
        assert torch.allclose(after[:5], torch.tensor([float(before[0]), 0.6, 0.6, 0.6, 0.6]), rtol=0.02)
        assert after[5:].max() < 0.02
        assert torch.allclose(unet.class_embedding(texts.mean(0)), mean, atol=1e-4)
        assert spread_condition(unet, texts.numpy(), 0.5, variance=0.999999) == 0


def standard_deviations(points: torch.Tensor) -> torch.Tensor:
    """Of (n, D), along their principal axes, largest first."""
    return torch.linalg.svdvals(points - points.mean(0)) / len(points) ** 0.5


def test_latents_are_the_posteriors_means_scaled() -> None:
    ldm = ldm_task(crop_frames=(16,))
    drawn = ldm.batch(np.array([3]), np.random.default_rng(0))["latent"].numpy()
    assert np.array_equal(drawn[0], 2 * ldm.train.moments[3, :2].astype(np.float32))


def test_latents_are_drawn_from_the_posterior_where_wanted() -> None:
    ldm = ldm_task(sample_posterior=True, crop_frames=(16,))
    rng = np.random.default_rng(0)
    drawn = np.stack([ldm.batch(np.array([3]), rng)["latent"].numpy() for _ in range(400)])
    mean, deviation = np.split(ldm.train.moments[3].astype(np.float64), 2)
    assert drawn.mean() == pytest.approx(2 * mean.mean(), rel=0.05)
    assert drawn.var() == pytest.approx(4 * (np.square(deviation).mean() + mean.var()), rel=0.1)


def test_a_perfect_denoiser_has_no_loss(ldm: LdmTask) -> None:
    """v = √ᾱ ε − √(1 − ᾱ) x, arXiv 2202.00512, appendix D."""
    torch.manual_seed(0)
    latent, noise = torch.randn(2, 2, 8, 4), torch.randn(2, 2, 8, 4)
    steps = torch.tensor([100, 900])
    betas = torch.linspace(0.0015**0.5, 0.0195**0.5, 1000, dtype=torch.float64) ** 2
    alpha = torch.cumprod(1 - betas, 0)[steps].float()[:, None, None, None]
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * latent

    class Perfect(torch.nn.Module):
        def forward(self, noisy, steps, encoder_hidden_states, class_labels):
            expected = alpha.sqrt() * latent + (1 - alpha).sqrt() * noise
            # The schedule is a product of a thousand factors in float32.
            torch.testing.assert_close(noisy, expected, rtol=0, atol=sums(1000, 0.1) + layers(4, 2, size=8))
            return type("Out", (), {"sample": velocity})

    ldm.unet = Perfect()
    assert float(ldm.errors(latent, torch.zeros(2, 8), noise, steps).sum()) == pytest.approx(0.0, abs=1e-9)


def test_training_and_sampling_share_the_noise_schedule() -> None:
    recipe = LdmRecipe()
    assert torch.equal(build_scheduler(recipe).alphas_cumprod, sampling_scheduler(recipe).alphas_cumprod)


def test_an_unknown_prediction_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="unknown prediction 'x0'"):
        LdmRecipe(prediction="x0")  # type: ignore[arg-type]


def test_the_gradient_term_sees_what_l1_does_not(tones: ClipStore) -> None:
    """An error of alternating sign and one of constant sign have the same L1; only the first has a gradient term."""
    task = VaeTask(VaeRecipe(channels=(8, 8), groups=4, latent_channels=2), tones, tones)
    real = torch.zeros(1, 1, 8, 8)
    checks = torch.ones(8, 8)
    checks[::2, ::2] = checks[1::2, 1::2] = -1
    terms = {}
    for name, error in (("constant", torch.ones(8, 8)), ("alternating", checks)):
        fake = real + error * task.recipe.mel_deviation
        terms[name] = task.generator_losses(real, fake, torch.zeros(()), is_adversarial=False)
    assert float(terms["constant"]["l1"]) == pytest.approx(float(terms["alternating"]["l1"]))
    assert float(terms["constant"]["gradient"]) == pytest.approx(0.0, abs=1e-6)
    assert float(terms["alternating"]["gradient"]) == pytest.approx(4.0)
