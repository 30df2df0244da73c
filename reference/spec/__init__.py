"""Everything both pipelines must agree on. Imports numpy, sentencepiece and soundfile, never torch."""
