"""A folder to a report: every figure against what the metrics give on the same features, and what is left out."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from scipy.stats import variation

from musicldm.beats.beats import Beats
from musicldm.beats.tracker import BeatTracker
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare
from musicldm.errors import DataError, InvalidInputError
from musicldm.evaluation.clips import Piece
from musicldm.evaluation.collection import Collection, pairs_by_name
from musicldm.evaluation.evaluate import Options, evaluate
from musicldm.evaluation.features import ClipFeatures, FeatureOptions
from musicldm.evaluation.figures.novelty import percentile_figures
from musicldm.evaluation.metrics.frechet import Gaussian, frechet_distance
from musicldm.evaluation.metrics.similarity import Nearest
from musicldm.evaluation.report.content import EvaluationReport
from musicldm.evaluation.report.page import page, training_of_judges
from musicldm.evaluation.report.plots import Histogram, histogram
from musicldm.listeners.embedders import open_embedder
from musicldm.listeners.judges import DEFAULT_FOLDER
from musicldm.machine.parallel import WorkerPool
from musicldm.novelty.build import build_index
from musicldm.novelty.calibration import Calibration
from tests.tiny_model import build_tiny_model
from tests.tolerances import embeddings

from .conftest import PROMPTS, RATE, tone, write_music


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Path:
    """gen: six clips, and three that cannot be heard; real: eight; data: real, prepared with the model's embeddings."""
    root = tmp_path_factory.mktemp("evaluate")
    gen = write_music(root / "gen", 6)
    soundfile.write(gen / "silent.wav", np.zeros(2 * RATE), RATE)
    soundfile.write(gen / "short.wav", tone(300, 0.5), RATE)
    (gen / "words.flac").write_text("words")
    write_music(root / "real", 8, first=230)
    settings = PrepareSettings(seconds=1.0, normalize="none", beats="metadata")
    prepare(root / "real", root / "data", settings, model=tiny_model_dir, device="cpu", pool=WorkerPool(workers=1))
    return root


def options(folders: Path, tiny_model_dir: Path, judges_dir: Path, **changed: object) -> Options:
    chosen = {"reference": folders / "real", "training": folders / "data", "judges": judges_dir, **changed}
    return Options(folders / "gen", embedders=(str(tiny_model_dir),), device="cpu", beats="none", **chosen)


def test_default_judges_are_an_embedder_beside_the_default_one(folders: Path) -> None:
    chosen = Options(folders / "gen", judges=Path("default"), beats="none").features
    assert chosen.judges == str(DEFAULT_FOLDER)
    assert chosen.embedders == ("default", str(DEFAULT_FOLDER))


@pytest.fixture(scope="module")
def report(folders: Path, tiny_model_dir: Path, judges_dir: Path) -> EvaluationReport:
    return evaluate(options(folders, tiny_model_dir, judges_dir))


def value(report: EvaluationReport, metric: str, by: str = "") -> float:
    return next(one.estimate.mean for one in report.figures if one.metric == metric and by in one.by)


def test_every_figure_is_there_and_says_who_made_it(report):
    assert {one.metric for one in report.figures} >= {
        "Fréchet distance (FAD)", "KL", "inception score", "judged clean", "CLAP score", "R@1", "R@5", "median rank",
        "genre as asked", "drums as asked", "SIM_AA@90", "SIM_AA@95", "similarity to the nearest",
        "loudness", "silent share", "clipped share", "bandwidth", "key clarity",
    }  # fmt: skip
    assert {one.by for one in report.figures if one.section != "sound"} >= {one.name for one in report.embedders}
    assert all(one.estimate.low <= one.estimate.mean <= one.estimate.high for one in report.figures)
    assert [one.section for one in report.figures] == sorted(
        (one.section for one in report.figures), key=["quality", "prompts", "novelty", "rhythm", "sound"].index
    )


def test_figures_are_those_of_the_metrics(report, folders, tiny_model_dir):
    """The clips read and embedded here by hand."""
    clap = open_embedder(str(tiny_model_dir), device="cpu")
    from musicldm.audio.reading import read

    def heard(folder: Path, count: int) -> np.ndarray:
        waves = [read(folder / f"{index}.wav", clap.identity.sample_rate)[0] for index in range(count)]
        return clap.audio(np.stack(waves))

    mine, theirs, texts = heard(folders / "gen", 6), heard(folders / "real", 8), clap.text(PROMPTS)
    expected = frechet_distance(Gaussian.of(mine), Gaussian.of(theirs))
    assert value(report, "Fréchet distance (FAD)", "CLAP") == pytest.approx(expected, rel=1e-3, abs=2 * embeddings())
    assert value(report, "CLAP score") == pytest.approx(float((mine * texts).sum(axis=1).mean()), abs=2 * embeddings())
    assert [one.clap_score for one in report.clips] == pytest.approx((mine * texts).sum(axis=1), abs=2 * embeddings())
    ahead = mine @ texts.T - (mine * texts).sum(axis=1, keepdims=True)
    near = 2 * 2 * embeddings()  # ties fall as the processor rounds
    best, worst = (ahead > near).sum(axis=1) + 1, (ahead >= -near).sum(axis=1)
    assert np.median(best) <= value(report, "median rank") <= np.median(worst)
    assert np.median(worst) - np.median(best) <= 1


def test_stored_embeddings_of_training_data_give_what_fresh_ones_give(report, folders, tiny_model_dir, judges_dir):
    stored = [one.similarity for one in report.clips]
    raw = evaluate(options(folders, tiny_model_dir, judges_dir, training=folders / "real", reference=None, judges=None))
    # The prepared clips are the first second of the 1.2 s that are heard here.
    assert [one.similarity for one in raw.clips] == pytest.approx(stored, abs=0.05)
    assert all(one.nearest.endswith(".wav") for one in report.clips)
    copies = evaluate(
        options(folders, tiny_model_dir, judges_dir, training=folders / "gen", reference=None, judges=None)
    )
    assert [one.nearest for one in copies.clips] == [one.name for one in copies.clips]
    assert value(copies, "SIM_AA@95") == 1


def test_an_index_gives_the_similarities_of_its_training_set(folders, tiny_model_dir, judges_dir, tmp_path):
    embedder = open_embedder(str(tiny_model_dir), device="cpu")
    made = build_index(folders / "real", tmp_path / "index", embedder, opened_as=str(tiny_model_dir))
    chosen = options(folders, tiny_model_dir, judges_dir, training=made.folder, judges=None)
    by_index, by_music = evaluate(chosen), evaluate(replace(chosen, training=folders / "real"))
    assert [one.similarity for one in by_index.clips] == pytest.approx(
        [one.similarity for one in by_music.clips], abs=0.02
    )
    figures = {one.metric: one for one in by_index.figures}
    usual = [made.calibration.percentile(one.similarity) for one in by_index.clips]
    assert figures["percentile of the similarity"].estimate.mean == pytest.approx(np.mean(usual))
    near = [one.similarity > np.quantile(made.calibration.similarities, 0.95) for one in by_index.clips]
    assert figures["nearer than 19 in 20 training clips"].estimate.mean == pytest.approx(np.mean(near))
    # The reference is the training set itself, whose clips are their own nearest.
    assert figures["nearer than 19 in 20 training clips"].beside == 1
    assert "percentile of the similarity" not in {one.metric for one in by_music.figures}
    assert page(by_index, made.folder).count("<audio") == page(by_music, folders / "real").count("<audio")


def test_an_index_is_asked_about_its_own_embeddings_only(folders, tiny_model_dir, judges_dir, tmp_path):
    embedder = open_embedder(str(tiny_model_dir), device="cpu")
    made = build_index(folders / "real", tmp_path / "index", embedder, opened_as=str(tiny_model_dir))
    other = build_tiny_model(tmp_path / "other", seed=9)
    chosen = options(folders, tiny_model_dir, judges_dir, training=made.folder, judges=None, reference=None)
    both = evaluate(replace(chosen, embedders=(str(other), str(tiny_model_dir))))
    assert {one.by for one in both.figures if one.section == "novelty"} == {embedder.identity.name}
    assert [one.similarity for one in both.clips] == [one.similarity for one in evaluate(chosen).clips]


def test_similarities_are_measured_by_those_of_the_training_set():
    """Quantiles of the training set from 0 to 1 in equal steps: a similarity of x is the percentile 100 x."""
    steps = tuple(np.linspace(0, 1, 201))
    usual = Calibration(steps, steps, steps, clips=50, fingerprinted=50, doubles=0.0)
    near = Nearest(np.array([0.5, 0.94, 0.96, 0.995]), np.zeros(4, np.int64), 50)
    nobody = Nearest(np.zeros(0), np.zeros(0, np.int64), 50)
    percentile, share = percentile_figures(near, nobody, usual, "CLAP")
    assert percentile.estimate.mean == pytest.approx(84.875)
    assert share.estimate.mean == 0.5
    assert percentile.beside is share.beside is None


def test_an_index_of_another_embedder_is_refused(folders, tiny_model_dir, judges_dir, tmp_path):
    embedder = open_embedder(str(tiny_model_dir), device="cpu")
    other = replace(embedder, identity=replace(embedder.identity, weights="0" * 16))
    made = build_index(folders / "real", tmp_path / "index", other, opened_as="elsewhere")
    with pytest.raises(DataError, match=r"made with .* \(0{16}\), and the embedders are .*give --embedder elsewhere"):
        evaluate(options(folders, tiny_model_dir, judges_dir, training=made.folder))


def test_a_clip_that_cannot_be_evaluated_is_named_and_stops_nothing(report):
    assert {one.file: one.reason for one in report.left_out} == {
        "silent.wav": "silent", "short.wav": "too short", "words.flac": "unreadable",
    }  # fmt: skip
    assert (report.generated.clips, report.generated.left_out, report.generated.prompts) == (6, 3, 6)


def test_weak_figures_are_warned_of(report):
    text = "\n".join(report.warnings)
    assert "6 generated embeddings of 32 numbers" in text
    assert "6 clips for 2 classes" in text
    assert len(set(report.warnings)) == len(report.warnings)


def test_only_what_prompts_ask_for_is_judged_and_the_judges_card_stands_beside(report):
    figures = {one.metric: one for one in report.figures}
    assert "lead as asked" not in figures
    assert "quality as asked" not in figures
    assert (figures["genre as asked"].beside, figures["genre as asked"].estimate.n) == (0.9, 6)
    assert figures["judged clean"].beside_what == "reference"
    hits = [one.verdict["genre"] == ("ambient" if i % 2 else "techno") for i, one in enumerate(report.clips)]
    assert figures["genre as asked"].estimate.mean == np.mean(hits)


def test_a_genre_that_judges_do_not_know_is_left_out_with_a_warning(tmp_path, judges_dir):
    gen = write_music(tmp_path / "gen", 2)
    lines = [
        {"file_name": "0.wav", "text": "a", "genre": "polka"},
        {"file_name": "1.wav", "text": "b", "genre": "techno"},
    ]
    (gen / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = evaluate(Options(gen, judges=judges_dir, embedders=(), device="cpu", beats="none"))
    assert next(one for one in found.figures if one.metric == "genre as asked").estimate.n == 1
    assert "1 clips ask for a genre that the judges do not know: polka" in found.warnings


def test_the_json_holds_figures_embedders_and_clips(report):
    content = json.loads(report.to_json())
    figure = next(one for one in content["figures"] if one["metric"] == "CLAP score")
    assert figure["value"] == value(report, "CLAP score")
    assert {"low", "high", "n", "better", "by", "beside", "note"} <= set(figure)
    assert content["embedders"][0]["weights"] == report.embedders[0].weights
    assert content["clips"][0]["signal"]["bandwidth"] > 0


class _Assets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.links += [content for name, content in attributes if name in ("src", "href")]
        if tag not in ("meta", "br", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing(report, folders):
    text = page(report, folders / "data")
    seen = _Assets()
    seen.feed(text)
    assert seen.open == []
    # Six clips, and five of them once more beside the training clips that they are nearest to.
    assert len(seen.links) == 6 + 2 * 5
    assert all(link.startswith("data:audio/ogg;base64,T2dnUw") for link in seen.links)  # "OggS"
    assert "url(" not in text
    assert report.embedders[0].weights in text
    for warning in report.warnings:
        assert warning.split(":")[0] in text


def test_names_and_prompts_are_escaped_on_the_page(tmp_path, tiny_model_dir):
    gen = write_music(tmp_path / "<b>", 2, prompts=False)
    (gen / "metadata.jsonl").write_text('{"file_name": "0.wav", "text": "<script>alert(1)</script>"}\n')
    text = page(evaluate(Options(gen, embedders=(str(tiny_model_dir),), device="cpu", beats="none")))
    assert "<script" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text


def test_the_tempo_is_compared_with_the_named_one(tmp_path, tiny_model_dir):
    (tmp_path / "gen").mkdir()
    rng = np.random.default_rng(0)
    for index, bpm in enumerate((120, 100)):
        wave = 0.001 * rng.standard_normal(8 * RATE)
        for start in np.arange(0.1, 7.8, 60 / bpm):
            at = int(start * RATE)
            wave[at : at + 800] += 0.5 * rng.standard_normal(800) * np.exp(-np.arange(800) / 120)
        soundfile.write(tmp_path / "gen" / f"{index}.wav", wave, RATE)
    (tmp_path / "p.txt").write_text("techno at 120 BPM\ntechno at 130 BPM\n")
    (tmp_path / "real").mkdir()
    soundfile.write(tmp_path / "real" / "a.wav", wave, RATE)
    (tmp_path / "real" / "metadata.jsonl").write_text('{"file_name": "a.wav", "text": "x", "bpm": 100.2}')
    chosen = Options(tmp_path / "gen", tmp_path / "real", prompts=tmp_path / "p.txt", embedders=())
    found = evaluate(replace(chosen, device="cpu", beats="none"))
    assert next(one.beside for one in found.figures if one.metric == "tempo within 4 %") == 1
    assert [one.bpm_asked for one in found.clips] == [120, 130]
    assert [one.bpm_heard for one in found.clips] == pytest.approx([120, 100], rel=0.02)
    assert value(found, "tempo within 4 %") == 0.5
    assert value(found, "tempo error") == pytest.approx(100 * (1 - 100 / 130) / 2, abs=1)


def test_the_beats_of_the_tracker_are_measured(tmp_path, monkeypatch):
    heard = {"0": np.arange(8) * 0.5, "1": np.cumsum([0.5, 0.5, 0.4, 0.5, 0.6])}
    lengths = {round(1.2 * RATE): heard["0"], round(1.5 * RATE): heard["1"]}

    class Told:
        def __call__(self, wave, sample_rate):
            return Beats.of(lengths[len(wave)], [])

    monkeypatch.setattr(BeatTracker, "from_pretrained", lambda name, device: Told())
    gen = write_music(tmp_path / "gen", 1)
    soundfile.write(gen / "1.wav", tone(300, 1.5), RATE)
    found = evaluate(Options(gen, embedders=(), device="cpu", beats="told"))
    gaps = np.diff(heard["1"])
    assert value(found, "variation of beat distances", "beat tracker told") == pytest.approx(50 * variation(gaps))
    assert [one.bpm_tracked for one in found.clips] == pytest.approx([120, 120])
    assert value(found, "beat distances within 4 %") == pytest.approx(100 * (1 + 2 / 4) / 2)


def test_pairs_are_found_by_path_or_by_a_unique_name():
    def clips(*names: str) -> Collection:
        return Collection(Path(), tuple(ClipFeatures(Piece(name, Path()), 1.0) for name in names))

    assert pairs_by_name(clips("a.wav", "x/b.flac", "c.wav"), clips("y/b.mp3", "a.ogg")) == [(0, 1), (1, 0)]
    twice = clips("x/a.wav", "y/a.wav")
    assert pairs_by_name(twice, clips("y/a.mp3", "z/a.mp3")) == [(1, 0)]
    assert pairs_by_name(clips("a.wav"), clips("b.wav")) == []


def test_a_folder_without_a_usable_clip_is_refused(tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(2 * RATE), RATE)
    with pytest.raises(DataError, match=r"none of 1 clips can be heard; silent\.wav is silent: peak 0"):
        evaluate(Options(tmp_path, embedders=(), device="cpu", beats="none"))


def test_a_length_below_a_second_is_refused():
    with pytest.raises(InvalidInputError, match=r"seconds 0\.5: at least 1"):
        FeatureOptions(seconds=0.5)


def test_a_histogram_draws_its_shares():
    svg = ElementTree.fromstring(histogram(Histogram("a < b", "Hz", [0, 0, 0, 1], [1.0], marks=[0.5])))
    mine, theirs = svg.findall("g")
    heights = [float(bar.get("height")) for bar in mine]
    assert len(heights) == 2
    assert heights[0] == pytest.approx(3 * heights[1], abs=0.2)
    assert len(theirs.findall("rect")) == 1
    assert histogram(Histogram("none", "", [float("nan")])) == ""


def test_the_card_of_judges_says_whether_they_were_trained_on_reconstructions():
    assert (
        training_of_judges({"clips": {"train": 9}})
        == "trained on 9 clips, without a codec's reconstructions among them"
    )
    old = {"clips": {"train": 9}, "held_out_reconstructed": {"genre": 1.0}}
    new = {"clips": {"train": 9}, "reconstructions": {"clips": 3, "model": "x"}}
    assert "with a codec's" in training_of_judges(old)
    assert "with a codec's" in training_of_judges(new)
    assert "without a codec's" in training_of_judges({"clips": {"train": 9}, "reconstructions": None})
