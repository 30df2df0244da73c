"""The models in MLX, layer by layer, channels last. Parameter names and module paths are the reference's.

Written against MLX's own documentation and `reference/model/`, which it is held to. `mlx.core` is imported here and nowhere
else in the project but in the quantizer; import this package only where MLX is installed (`parity/runtimes/mlx_.py` asks).
Nothing is compiled: `mx.compile`, and with it `mlx.nn`'s own SiLU and GELU, calls a C++ compiler when it runs on a CPU.
"""
