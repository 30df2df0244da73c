"""The reference with T5 as stable-audio-tools runs it: transformers' encoder in float16, hidden from `.float()`.

Bundles made with upstream's scripts carry it. The other stages are the reference's float32 ones; upstream's
`model_half`, a float16 autoencoder, is turned off by those scripts too.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from litert_pipeline.bundle import Bundle
from parity.runtimes.torch_ import open_stage as open_ours
from reference.spec.generation import Stage
from reference.spec.stages import CONDITIONER, signatures
from reference.spec.tensors import Array, Tensors

if TYPE_CHECKING:
    from reference.pipeline import Model


class UpstreamConditioner:
    """The stage `conditioner`, T5 in float16. Source: stable-audio-tools `models/conditioners.py`, `T5Conditioner`."""

    def __init__(self, model: "Model") -> None:
        import torch

        from litert_pipeline.build.export import quiet

        with quiet():  # loading draws a progress bar
            from transformers import T5EncoderModel

            # Cast after loading, as upstream does: asked for float16, transformers keeps some layers in float32.
            loaded: Any = T5EncoderModel.from_pretrained(model.t5_folder, dtype=torch.float32)
        self.t5 = loaded.half()
        embedders = model.modules[CONDITIONER].get_submodule("conditioners")
        self.numbers = {name: embedders.get_submodule(name) for name in model.spec.number_names}
        self.signature = signatures(model.spec)[CONDITIONER]

    def __call__(self, feed: Mapping[str, Array]) -> Tensors:
        import torch

        fed = {name: torch.from_numpy(array) for name, array in self.signature.bind(feed).items()}
        ids, mask = fed["input_ids"], fed["attention_mask"]
        with torch.inference_mode():
            text = self.t5(input_ids=ids, attention_mask=mask).last_hidden_state * mask[:, :, None].float()
            numbers = [embed(fed[name]) for name, embed in self.numbers.items()]
            cross = torch.cat([text, *(number[:, None, :] for number in numbers)], dim=1)
        return {"cross_attention_cond": cross.numpy(), "global_cond": torch.cat(numbers, dim=-1).numpy()}


def open_stage(
    model: "Model", bundle: Bundle | None, stage: str, compute: str | None, threads: int
) -> AbstractContextManager[Stage]:
    """A stage of the model dir as upstream runs it; needs no bundle."""
    if stage == CONDITIONER:
        return nullcontext(UpstreamConditioner(model))
    return open_ours(model, bundle, stage, compute, threads)
