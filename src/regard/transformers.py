"""transformers models on regard's attention by name: `register()`, then `attn_implementation="regard"`.

`regard.use(model)` reaches any model for one block of code instead, and changes no configuration.
"""

from regard.bridges.transformers_named import register, unregister

__all__ = ["register", "unregister"]
