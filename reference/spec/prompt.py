"""Text to token ids and mask, with the SentencePiece model alone (no torch, no transformers)."""

from pathlib import Path

import numpy as np

from reference.spec.errors import InputError
from reference.spec.files import require_content
from reference.spec.paths import require_text
from reference.spec.tensors import Array

PAD_ID, EOS_ID, UNK_ID = 0, 1, 2


class Tokenizer:
    """T5's tokenizer: SentencePiece pieces, cut to leave room for EOS, EOS, then padding.

    Truncation is in token space and keeps EOS, as Hugging Face's `truncation=True` does.
    """

    def __init__(self, spiece: Path, max_length: int, vocab_size: int | None = None) -> None:
        """Load `spiece`. Raises InputError if it is missing, damaged, not T5's kind, or larger than `vocab_size`."""
        if not spiece.is_file():
            raise InputError(f"{spiece}: no such file; expected the SentencePiece model of the T5 folder")
        require_content(spiece)
        require_text(spiece)
        import sentencepiece  # whoever brings token ids does without

        self._pieces = sentencepiece.SentencePieceProcessor()
        try:
            self._pieces.Load(str(spiece))
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"{spiece}: not a readable SentencePiece model ({reason}); copy it again") from None
        ids = (self._pieces.pad_id(), self._pieces.eos_id(), self._pieces.unk_id())
        if ids != (PAD_ID, EOS_ID, UNK_ID):
            raise InputError(f"{spiece}: pad, eos, unk ids are {ids}, T5 wants {(PAD_ID, EOS_ID, UNK_ID)}")
        size = self._pieces.GetPieceSize()
        if vocab_size is not None and size > vocab_size:
            raise InputError(f"{spiece}: has {size} pieces, but the T5 config has room for {vocab_size}")
        self.max_length = max_length

    def count(self, text: str) -> int:
        """Tokens `text` has before truncation, EOS included. Raises InputError for halves of characters."""
        return len(self._ids(text)) + 1

    def _ids(self, text: str) -> list[int]:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            half = text[error.start].encode("ascii", "backslashreplace").decode()
            raise InputError(f"prompt: has {half}, half a character, at place {error.start}; give it as UTF-8") from None
        return list(self._pieces.EncodeAsIds(text))

    def __call__(self, text: str) -> tuple[Array, Array]:
        """`(input_ids, attention_mask)`, both int32 (1, max_length)."""
        ids = [*self._ids(text)[: self.max_length - 1], EOS_ID]
        padded = np.full((1, self.max_length), PAD_ID, dtype=np.int32)
        padded[0, : len(ids)] = ids
        mask = np.zeros_like(padded)
        mask[0, : len(ids)] = 1
        return padded, mask
