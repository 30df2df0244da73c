"""Whether names and order of a foreign file's inputs agree with what shapes and probing say they are.

A caller by name and a caller by position, as Arm's app is, must both hand every input what it is for.
"""

import re

from litert_pipeline.binding import Binding, Match
from litert_pipeline.bundle import Bundle
from parity.bundles.app import ORDERS
from parity.measure.verdict import ARTIFACT, Verdict

# What people call our inputs.
NAMES: dict[str, tuple[str, ...]] = {
    "input_ids": ("input_ids", "ids", "tokens"),
    "attention_mask": ("attention_mask", "mask"),
    "seconds_start": ("seconds_start", "start"),
    "seconds_total": ("seconds_total", "seconds", "audio_len"),
    "x": ("x", "sample", "noisy_latents"),
    "t": ("t", "timestep", "time", "sigma"),
    "cross_attention_cond": ("cross_attention_cond", "cross_attn_cond", "cross_attention_input", "encoder_hidden_states"),
    "global_cond": ("global_cond", "global_embed", "global_conditioning"),
    "latents": ("latents", "latent", "z", "sampled"),
}
DECORATION = re.compile(r"^serving_default_|^main_|:\d+$")
NUMBERED = re.compile(r"args_(\d+)$")
REASON = "a caller by name and one by position must feed the same"


def order_checks(bundle: Bundle, label: str) -> list[Verdict]:
    """One verdict per file made elsewhere: how many of its inputs are not what their name or place says."""
    return [
        _verdict(bundle, label, stage, swapped_inputs(stage, entry.binding))
        for stage, entry in bundle.manifest.stages.items()
        if entry.binding is not None
    ]


def swapped_inputs(stage: str, binding: Binding) -> list[str]:
    """A sentence about every input whose name, number or place contradicts what it is."""
    found = [sentence for match in binding.inputs if (sentence := _misnamed(match) or _renumbered(match))]
    return found or _misplaced(stage, binding)


def _misnamed(match: Match) -> str | None:
    for name in (match.theirs.name, match.tensor_name):
        plain = DECORATION.sub("", DECORATION.sub("", name)).lower()
        called = next((ours for ours, names in NAMES.items() if plain in names), match.ours.name)
        if called != match.ours.name:
            return f"input {match.position} is called '{name}' and takes {match.ours.name}"
    return None


def _renumbered(match: Match) -> str | None:
    """The signature's number of an argument beside the graph's own."""
    numbers = {found[1] for name in (match.theirs.name, match.tensor_name) if (found := _number(name))}
    if len(numbers) < 2:
        return None
    return f"the signature's '{match.theirs.name}' is the graph's '{match.tensor_name}', which takes {match.ours.name}"


def _misplaced(stage: str, binding: Binding) -> list[str]:
    """Numbered arguments in another order than their numbers', unless it is one the app is written for."""
    placed = sorted(binding.inputs, key=lambda match: match.position)
    numbers = [int(found[1]) for match in placed if (found := _number(match.theirs.name))]
    known = tuple(match.ours.name for match in placed) in ORDERS.get(stage, ())
    if len(numbers) < len(placed) or numbers == sorted(numbers) or known:
        return []
    return [
        f"input {match.position} is '{match.theirs.name}', which takes {match.ours.name}"
        for match, number in zip(placed, numbers, strict=True)
        if number != match.position
    ]


def _number(name: str) -> re.Match[str] | None:
    return NUMBERED.search(DECORATION.sub("", name))


def _verdict(bundle: Bundle, label: str, stage: str, swapped: list[str]) -> Verdict:
    file = bundle.manifest.stages[stage].file
    cause = f"; inputs are swapped in {file}: {', '.join(swapped)}" if swapped else ""
    return Verdict(
        stage=stage, variant=label, case="-", ladder=ARTIFACT, metric="swapped_inputs",
        value=float(len(swapped)), limit=0.0, why=REASON + cause,
    )  # fmt: skip
