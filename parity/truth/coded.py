"""What a codec makes of a whole sound, in float64 and at once."""

from dataclasses import asdict
from hashlib import sha256

import torch

from litert_pipeline.build.convert import source_of
from parity.truth.store import Store
from reference.codec_stages import CodecStages
from reference.spec.tensors import Array, Tensors
from reference.spec.trace import crossed


def coded(model: CodecStages, store: Store, audio: Array, frames: int) -> Tensors:
    """`latents` of (1, audio channel, sample) audio, and the `decoded` sound of the first `frames` of them."""
    described = {
        "kind": "truth of a codec at once", "model": asdict(source_of(model)), "spec": repr(model.spec),
        "audio": sha256(audio.tobytes()).hexdigest(), "frames": frames,
    }  # fmt: skip

    def compute() -> Tensors:
        exact = model.whole.to(torch.float64).codec()
        latents = exact.encoder(audio)
        return {"latents": latents, "decoded": exact.decoder(crossed(latents[..., :frames]))}

    return store.kept(described, compute)
