import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import ClapModel

from musicldm.audio.resampling import resample
from musicldm.data.encoders import Encoders
from musicldm.errors import CheckpointError, InvalidInputError
from musicldm.listeners import panns, vggish
from musicldm.listeners.embedders import RESAMPLER, captions_cosine, open_embedder
from musicldm.listeners.judges import Judges
from musicldm.model.identity import module_hash, sounds_name
from musicldm.pipeline import MusicLDMPipeline
from tests.evaluation.conftest import RATE, tone
from tests.tolerances import embeddings, layers, scores, sums

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def clap(tiny_model_dir: Path):
    return open_embedder(str(tiny_model_dir), device="cpu")


def waves(rate: int, seconds: float = 1.2) -> np.ndarray:
    return np.stack([tone(hertz, seconds, rate) for hertz in (200, 300, 450)])


def test_a_clap_has_the_identity_of_its_weights(clap, tiny_model_dir):
    encoders = Encoders.load(tiny_model_dir)
    assert clap.identity.weights == module_hash(encoders.clap.model)
    assert (clap.identity.sample_rate, clap.identity.width) == (2 * RATE, 32)
    assert clap.identity.resampler == RESAMPLER
    assert clap.stored == sounds_name(encoders.clap.model)
    assert clap.classes is None


def test_embeddings_are_of_unit_norm_and_do_not_depend_on_the_batch(clap):
    sound = waves(2 * RATE)
    together = clap.audio(sound)
    assert together.shape == (3, 32)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=sums(32))
    assert np.concatenate([clap.audio(sound[:1]), clap.audio(sound[1:])]) == pytest.approx(together, abs=embeddings())
    texts = ["calm piano", "fast techno with drums", "calm piano"]
    words = clap.text(texts)
    assert np.linalg.norm(words, axis=1) == pytest.approx(1, abs=sums(32))
    assert words[0] == pytest.approx(words[2], abs=embeddings())
    assert clap.text([]).shape == (0, 32)


def test_the_cosine_is_the_score_of_the_pipeline(clap, tiny_model_dir):
    pipe = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    pipe.set_progress_bar_config(disable=True)
    made = pipe("calm piano", generator=torch.Generator().manual_seed(0))
    sound = np.stack([resample(wave, pipe.sample_rate, clap.identity.sample_rate) for wave in made.audios])
    assert clap.audio(sound) @ clap.text(["calm piano"])[0] == pytest.approx(made.scores, abs=scores())


def test_a_bare_clap_gives_what_the_models_clap_gives(clap, tiny_model_dir, tmp_path):
    for part in ("text_encoder", "tokenizer", "feature_extractor"):
        shutil.copytree(tiny_model_dir / part, tmp_path / "bare", dirs_exist_ok=True)
    bare = open_embedder(str(tmp_path / "bare"), device="cpu")
    assert bare.identity.weights == clap.identity.weights
    assert bare.audio(waves(2 * RATE)) == pytest.approx(clap.audio(waves(2 * RATE)), abs=embeddings())
    assert bare.text(["jazz"]) == pytest.approx(clap.text(["jazz"]), abs=embeddings())


def test_a_collapsed_text_tower_is_refused(tiny_model_dir, tmp_path):
    folder = Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))
    model = ClapModel.from_pretrained(folder / "text_encoder")
    with torch.no_grad():
        model.text_projection.linear2.weight.mul_(1e-4)
    model.save_pretrained(folder / "text_encoder")
    with pytest.raises(CheckpointError, match=r"text tower of .* has collapsed: .* mean cosine of 1\.000, above 0\.98"):
        open_embedder(str(folder), device="cpu")


def test_the_mean_cosine_is_that_of_different_pairs():
    rows = np.random.default_rng(0).normal(size=(5, 3))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    table = rows @ rows.T
    assert captions_cosine(rows) == pytest.approx((table.sum() - 5) / 20)


def test_judges_as_embedder_give_the_classes_of_judges(judges_dir):
    embedder, judges = open_embedder(str(judges_dir)), Judges.load(judges_dir)
    assert embedder.text is None
    assert embedder.identity.sample_rate == RATE
    sound = waves(RATE)
    features = torch.from_numpy(embedder.audio(sound))
    assert features.shape == (3, embedder.identity.width)
    with torch.inference_mode():
        heard = judges.net.heads["genre"](features).softmax(-1)
    assert embedder.classes(sound) == pytest.approx(heard.numpy(), abs=layers(12, 8 * 9))


@pytest.mark.parametrize("name", ["nonsense", "vggish", "/nowhere/at/all"])
def test_an_unknown_name_is_answered_with_the_choices(name):
    with pytest.raises(CheckpointError, match=r"no embedder .*: choose default, .*vggish:FILE or panns:FILE"):
        open_embedder(name, device="cpu")


def test_an_empty_folder_or_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no file named"):
        open_embedder(str(tmp_path), device="cpu")
    for kind in ("vggish", "panns"):
        with pytest.raises(CheckpointError, match="no such file of weights"):
            open_embedder(f"{kind}:{tmp_path / 'x.pth'}", device="cpu")


def test_waves_that_cannot_be_embedded_are_refused(clap):
    with pytest.raises(InvalidInputError, match=r"\(n, samples\)"):
        clap.audio(np.zeros(RATE, np.float32))
    with pytest.raises(InvalidInputError, match="not finite"):
        clap.audio(np.full((1, 2 * RATE), np.inf, np.float32))


CPU = torch.device("cpu")
VGGISH, CNN14 = (20, 5 * 6 * 4), (40, 6 * 9)
"""Layers one after another, and products in the longest sum, of the thin networks."""


def thin_vggish() -> vggish.VggishNet:
    """With few channels: the published one has 72 million weights."""
    torch.manual_seed(0)
    return vggish.VggishNet(((1, 2), (2, 3), (3, 4, 4), (4, 5, 5)), hidden=16)


def thin_cnn14() -> panns.Cnn14:
    """With few channels: the published one has 80 million weights."""
    torch.manual_seed(0)
    return panns.Cnn14((1, 2, 2, 3, 3, 4, 6))


def test_published_vggish_weights_fit():
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in vggish.VggishNet().state_dict().items()}
    assert shapes["features.0.weight"] == (64, 1, 3, 3)
    assert shapes["features.8.weight"] == (256, 256, 3, 3)
    assert shapes["features.13.bias"] == (512,)
    assert shapes["embeddings.0.weight"] == (4096, 12288)
    assert shapes["embeddings.4.weight"] == (128, 4096)
    assert len(shapes) == 18


def test_published_cnn14_weights_fit():
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in panns.Cnn14().state_dict().items()}
    assert shapes["bn0.weight"] == (64,)
    assert shapes["conv_block1.conv1.weight"] == (64, 1, 3, 3)
    assert shapes["conv_block6.bn2.running_var"] == (2048,)
    assert shapes["fc1.weight"] == (2048, 2048)
    assert shapes["fc_audioset.weight"] == (527, 2048)
    assert len([name for name in shapes if not name.endswith("num_batches_tracked")]) == 68


def test_vggish_embeds_pieces_one_by_one(tmp_path):
    torch.save(thin_vggish().state_dict(), tmp_path / "v.pth")
    embedder = vggish.open_vggish(tmp_path / "v.pth", CPU, thin_vggish())
    sound = waves(RATE, seconds=2.0)
    pieces = embedder.frames(sound)
    assert pieces.shape == (3, 2, 128)
    step = vggish.FRAMES * 160
    for number in range(2):
        alone = embedder.frames(sound[:, number * step : number * step + vggish.PIECE])
        assert alone[:, 0] == pytest.approx(pieces[:, number], abs=layers(*VGGISH, np.abs(pieces).max()))
    assert embedder.audio(sound) == pytest.approx(pieces.mean(axis=1), abs=layers(*VGGISH, np.abs(pieces).max()))
    with pytest.raises(InvalidInputError, match=f"at least {vggish.PIECE} samples"):
        embedder.audio(sound[:, : vggish.PIECE - 1])


@torch.no_grad()
def test_vggish_flattens_in_the_order_of_the_port():
    net, mel = thin_vggish(), torch.randn(2, 96, 64)
    x = net.features(mel[:, None]).transpose(1, 3).transpose(1, 2).contiguous().view(2, -1)
    allowed = layers(*VGGISH, float(net(mel).abs().max()))
    torch.testing.assert_close(net(mel), net.embeddings(x), rtol=0, atol=allowed)


def test_vggish_filters_add_to_one_between_their_centres():
    """Triangles with even edges on the mel scale: any frequency lies under two, whose heights are shares."""
    centres = np.linspace(vggish.htk_mel(125), vggish.htk_mel(7500), 66)[1:-1]
    mel = np.array([vggish.htk_mel(hz) for hz in np.linspace(0, 8000, 257)])
    inside = (mel >= centres[0]) & (mel <= centres[-1])
    assert vggish.filters()[inside].sum(axis=1) == pytest.approx(1)
    assert vggish.filters()[mel < vggish.htk_mel(125)].sum() == 0
    assert vggish.htk_mel(1000) == pytest.approx(1000, abs=0.1)  # the scale's own definition


def test_the_vggish_spectrum_is_librosas():
    from librosa import stft

    wave = waves(RATE)[:1]
    # librosa puts the window of 400 into the middle of 512: 56 samples later.
    spectrum = np.abs(stft(np.pad(wave[0], (56, 512)), n_fft=512, hop_length=160, win_length=400, center=False))
    found = vggish.vggish_log_mel(torch.from_numpy(wave))[0].numpy()
    expected = np.log(spectrum.T[: len(found)] @ vggish.filters() + 0.01)
    assert found == pytest.approx(expected, abs=1e-3)  # librosa sums in float32


@pytest.mark.parametrize("spec", panns.SPECS.values())
def test_the_panns_log_mel_is_librosas(spec):
    from librosa import power_to_db
    from librosa.feature import melspectrogram

    wave = tone(500, 1.0, spec.sample_rate) + 0.1 * tone(3000, 1.0, spec.sample_rate)
    power = melspectrogram(
        y=wave, sr=spec.sample_rate, n_fft=spec.n_fft, hop_length=spec.hop_length, n_mels=64, fmin=spec.f_min,
        fmax=spec.f_max, pad_mode="reflect",
    )  # fmt: skip
    expected = power_to_db(power, amin=1e-10, top_db=None).T
    found = panns.panns_log_mel(torch.from_numpy(wave)[None], spec)[0].numpy()
    loud = expected > -60  # below that float32 and librosa's float64 round differently
    assert found.shape == expected.shape
    assert found[loud] == pytest.approx(expected[loud], abs=0.02)


@pytest.mark.parametrize(("bins", "rate"), [(513, 32000), (257, 16000)])
def test_cnn14_knows_its_sample_rate_and_gives_probabilities(tmp_path, bins, rate):
    weights = {name: value for name, value in thin_cnn14().state_dict().items() if "num_batches" not in name}
    torch.save({"model": {**weights, "logmel_extractor.melW": torch.zeros(bins, 64)}}, tmp_path / "p.pth")
    embedder = panns.open_panns(tmp_path / "p.pth", CPU, thin_cnn14())
    assert (embedder.identity.sample_rate, embedder.identity.width) == (rate, 6)
    sound = waves(rate)
    classes = embedder.classes(sound)
    assert classes.shape == (3, 527)
    assert classes.sum(axis=1) == pytest.approx(1, abs=sums(2 * 527))
    assert embedder.audio(sound).shape == (3, 6)
    heard = embedder.audio(sound)
    assert embedder.audio(sound[1:]) == pytest.approx(heard[1:], abs=layers(*CNN14, np.abs(heard).max()))
    assert embedder.classes(sound[::-1].copy()) == pytest.approx(classes[::-1], abs=layers(*CNN14, classes.max()))


@torch.no_grad()
def test_cnn14_normalises_mel_bins_and_not_frames():
    net, mel, mean = thin_cnn14().eval(), torch.randn(2, 40, 64), torch.randn(64)
    expected = net(mel)[1]
    net.bn0.running_mean = mean
    torch.testing.assert_close(net(mel + mean)[1], expected, rtol=0, atol=layers(*CNN14, float(expected.abs().max())))


def test_weights_of_another_network_are_refused(tmp_path):
    weights = thin_vggish().state_dict()
    save_file({**weights, "embeddings.4.bias": torch.zeros(3)}, tmp_path / "odd.safetensors")
    with pytest.raises(
        CheckpointError, match=r"other weights than those of a VggishNet: embeddings\.4\.bias is \(3,\), not \(128,\)"
    ):
        vggish.open_vggish(tmp_path / "odd.safetensors", CPU, thin_vggish())
    torch.save({"other": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"it lacks embeddings\.0\.bias, .* and 15 more"):
        vggish.open_vggish(tmp_path / "other.pth", CPU, thin_vggish())


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"model": Trap()}, tmp_path / "trap.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("trap.pth", "text.pth"):
        with pytest.raises(CheckpointError, match="holds no weights"):
            open_embedder(f"panns:{tmp_path / name}", device="cpu")
    assert not (tmp_path / "sprung").exists()
