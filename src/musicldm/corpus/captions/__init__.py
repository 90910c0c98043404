"""The truth of a clip in words: captions to train on, and prompts that training never uses."""

from musicldm.corpus.captions.captions import EvaluationPrompt, caption, captions, evaluation_prompts, frames

__all__ = ["EvaluationPrompt", "caption", "captions", "evaluation_prompts", "frames"]
