"""The truth of a clip in words: captions to train on, and prompts that training never uses."""

from musicldm.corpus.captions.captions import caption, captions, frames
from musicldm.corpus.captions.prompts import EvaluationPrompt, evaluation_prompts

__all__ = ["EvaluationPrompt", "caption", "captions", "evaluation_prompts", "frames"]
