"""The T5 text encoder, as the `config.json` of its own folder describes it."""

from reference.spec.errors import InputError
from reference.spec.model import T5Spec
from reference.spec.section import Section


def read_t5(top: Section) -> T5Spec:
    """The encoder's shape."""
    top.choice("model_type", ("t5",), "t5")
    top.choice("feed_forward_proj", ("relu",), "relu")
    spec = T5Spec(
        d_model=top.positive("d_model"),
        d_kv=top.positive("d_kv"),
        d_ff=top.positive("d_ff"),
        num_layers=top.positive("num_layers"),
        num_heads=top.positive("num_heads"),
        vocab_size=top.positive("vocab_size"),
        relative_attention_num_buckets=top.positive("relative_attention_num_buckets"),
        relative_attention_max_distance=top.positive("relative_attention_max_distance", 128),
        layer_norm_epsilon=top.take("layer_norm_epsilon", float),
    )
    for name, value in (("pad_token_id", 0), ("eos_token_id", 1)):
        if (found := top.take(name, int, value)) != value:
            raise InputError(f"{top.file}: '{name}' is {found}, T5's tokenizer contract wants {value}")
    # A Hugging Face config carries dozens of decoder, training and bookkeeping keys; the shape above is complete
    # for the encoder, and the weight loader checks it against every tensor.
    return spec
