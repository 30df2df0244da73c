"""Faults that the norm of an error hides: in one place, at one frequency, or next to the truth itself."""

from collections.abc import Callable

import numpy as np

from parity.faults.fault import DERIVED, Fault
from parity.faults.injection import InStage
from parity.faults.wiring import Change, answering, fed_where
from reference.spec.tensors import Array

# Parts of a whole sound of any model; the times in the sentences are those of the seeded one, of 1.86 s.
WINDOWS = 5  # that meet at seams
SHORT, LONG = 1 / 372, 1 / 93  # 5 ms and 20 ms
LATE = 1 / 62  # 30 ms, of an echo
BLEEDING = 1 / 8  # 0.23 s
ONE_STEP = 0.0  # the least there is
CLICK, ECHO, WHISTLE = 0.15, 10 ** (-27 / 20), 10 ** (-46 / 20)
LOUD_LATENT, LOUD_SAMPLE = 3.5, 0.65  # the largest of one of the usual cases is beyond it


def drawn(like: Array) -> Array:
    """White noise, the same every time."""
    return np.random.Generator(np.random.Philox(7)).standard_normal(like.shape).astype(np.float32)


def signs(like: Array) -> Array:
    return np.sign(drawn(like))


def rms(array: Array) -> np.float32:
    return np.float32(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


def samples(share: float, sound: Array) -> int:
    """So much of a sound."""
    return int(np.rint(share * sound.shape[-1]))


def clicks(sound: Array) -> Array:
    clicked, seam = sound.copy(), sound.shape[-1] // WINDOWS
    clicked[..., seam - 1 :: seam] += np.float32(CLICK)
    return clicked


def in_the_middle(change: Change, share: float) -> Change:
    """Only so much of the time of it, one step at least."""

    def changed(array: Array) -> Array:
        start, width = array.shape[-1] // 2, max(1, samples(share, array))
        spoiled = array.copy()
        spoiled[..., start : start + width] = change(array)[..., start : start + width]
        return spoiled

    return changed


def echoed(sound: Array) -> Array:
    delay = samples(LATE, sound)
    late = np.roll(sound, delay, axis=-1)
    late[..., :delay] = 0
    return sound + np.float32(ECHO) * late


def growing(sound: Array) -> Array:
    return sound * np.linspace(1, 1.05, sound.shape[-1], dtype=np.float32)


def panned(sound: Array) -> Array:
    return sound * np.array([[1.015], [0.985]], np.float32)


def bleeding(sound: Array) -> Array:
    """5 % of the first channel are in the second."""
    return sound + np.float32(0.05) * sound[:, :1] * np.array([[0], [1]], np.float32)


def whistle(sound: Array) -> Array:
    times = np.arange(sound.shape[-1], dtype=np.float64)
    return (sound + WHISTLE * np.sin(2 * np.pi * 4900 / 44100 * times)).astype(np.float32)


def faded_in(sound: Array) -> Array:
    faded, width = sound.copy(), samples(LONG, sound)
    faded[..., :width] *= np.linspace(0, 1, width, dtype=np.float32)
    return faded


def hissing(array: Array) -> Array:
    return array + rms(array) * drawn(array)


def crackling(array: Array) -> Array:
    return array + rms(array) * signs(array)


def one_value(latents: Array) -> Array:
    spoiled = latents.copy()
    spoiled.flat[latents.size // 2] += 4 * rms(latents)
    return spoiled


def one_channel(change: Change) -> Change:
    """Only the fourth channel of it."""

    def changed(latents: Array) -> Array:
        spoiled = latents.copy()
        spoiled[:, 3] = change(latents)[:, 3]
        return spoiled

    return changed


def tenth_more(latents: Array) -> Array:
    return latents * np.float32(1.1)


def louder_than(peak: float) -> Callable[[Array], bool]:
    return lambda array: float(np.abs(array).max()) > peak


def sound(change: Change) -> InStage:
    return InStage(stage="decoder", wrong=answering("audio", change))


def velocity(change: Change) -> InStage:
    return InStage(stage="dit", wrong=answering("velocity", change))


def encoding(change: Change) -> InStage:
    return InStage(stage="encoder", wrong=answering("init_latents", change))


SHAPES = (
    Fault(
        name="seam_clicks", stage="decoder", site="graph", sentence="a click of 0.15 where windows meet",
        source="audio.cpp#620, audio.cpp#429", inject=sound(clicks),
    ),
    Fault(
        name="dropout", stage="decoder", site="runtime", sentence="5 ms are silent",
        source=DERIVED, inject=sound(in_the_middle(np.zeros_like, SHORT)),
    ),
    Fault(
        name="echo", stage="decoder", site="graph", sentence="an echo of -27 dB, 30 ms late",
        source=DERIVED, inject=sound(echoed),
    ),
    Fault(
        name="gain_drift", stage="decoder", site="graph", sentence="the gain rises by 5 % from beginning to end",
        source=DERIVED, inject=sound(growing),
    ),
    Fault(
        name="panned", stage="decoder", site="graph", sentence="3 % further left", source=DERIVED, inject=sound(panned),
    ),
    Fault(
        name="bleeding", stage="decoder", site="runtime", sentence="5 % of the left are in the right for 0.23 s",
        source=DERIVED, inject=sound(in_the_middle(bleeding, BLEEDING)),
    ),
    Fault(
        name="crosstalk", stage="decoder", site="graph", sentence="5 % of the first channel are in the second",
        source=DERIVED, inject=sound(bleeding),
    ),
    Fault(
        name="whistle", stage="decoder", site="graph", sentence="a tone of 4.9 kHz at -46 dBFS",
        source="chatterbox#536", inject=sound(whistle),
    ),
    Fault(
        name="faded_in", stage="decoder", site="graph", sentence="the first 20 ms fade in", source=DERIVED,
        inject=sound(faded_in),
    ),
    Fault(
        name="hiss", stage="decoder", site="graph", sentence="white noise, as loud as the sound", source="chatterbox#536",
        inject=sound(hissing),
    ),
    Fault(
        name="crackle", stage="decoder", site="runtime", sentence="5 ms of noise", source=DERIVED,
        inject=sound(in_the_middle(crackling, SHORT)),
    ),
    Fault(
        name="hiss_when_loud", stage="decoder", site="graph", sentence="white noise where a latent is large",
        source=DERIVED,
        inject=InStage(stage="decoder", wrong=fed_where("latents", louder_than(LOUD_LATENT), answering("audio", hissing))),
    ),
    Fault(
        name="velocity_noise", stage="dit", site="graph", sentence="noise is added to every velocity", source=DERIVED,
        inject=velocity(hissing),
    ),
    Fault(
        name="velocity_noise_late", stage="dit", site="graph", sentence="noise is added to the velocity of the last step",
        source="SA3 #86: worst step of quantized DiTs",
        inject=InStage(stage="dit", wrong=fed_where("t", lambda t: float(t[0]) < 0.3, answering("velocity", hissing))),
    ),
    Fault(
        name="velocity_value", stage="dit", site="runtime", sentence="one value of every velocity is wrong",
        source="onnxruntime#26669", inject=velocity(one_value),
    ),
    Fault(
        name="velocity_frame", stage="dit", site="graph", sentence="one latent frame of every velocity is noise",
        source=DERIVED, inject=velocity(in_the_middle(crackling, ONE_STEP)),
    ),
    Fault(
        name="velocity_channel", stage="dit", site="weights", sentence="one latent channel of every velocity is noise",
        source="SA3 #86: worst step of quantized DiTs", inject=velocity(one_channel(crackling)),
    ),
    Fault(
        name="velocity_gain", stage="dit", site="weights", sentence="one latent channel of every velocity is 10 % too large",
        source="SA3 #86: worst step of quantized DiTs", inject=velocity(one_channel(tenth_more)),
    ),
    Fault(
        name="encoder_noise_added", stage="encoder", site="graph", sentence="noise is added to the latents",
        source=DERIVED, inject=encoding(hissing),
    ),
    Fault(
        name="encoder_noise_when_loud", stage="encoder", site="graph", sentence="noise is added where a sample is large",
        source=DERIVED,
        inject=InStage(
            stage="encoder", wrong=fed_where("audio", louder_than(LOUD_SAMPLE), answering("init_latents", hissing))
        ),
    ),
    Fault(
        name="encoder_value", stage="encoder", site="runtime", sentence="one latent is wrong", source="onnxruntime#26669",
        inject=encoding(one_value),
    ),
    Fault(
        name="encoder_frame", stage="encoder", site="graph", sentence="one latent frame is noise", source=DERIVED,
        inject=encoding(in_the_middle(crackling, ONE_STEP)),
    ),
    Fault(
        name="encoder_channel", stage="encoder", site="weights", sentence="one latent channel is noise", source=DERIVED,
        inject=encoding(one_channel(crackling)),
    ),
    Fault(
        name="encoder_gain", stage="encoder", site="weights", sentence="one latent channel is 10 % too large",
        source=DERIVED, inject=encoding(one_channel(tenth_more)),
    ),
)  # fmt: skip
