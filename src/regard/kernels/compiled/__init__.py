"""`Focus` on a CPU in compiled loops (numba): the same steps as kernels/focus_look.py, each byte of a sketch read once.

One file a step: judging.py scores all keys by their codes, picking.py finds the keys that are read one by one, keys.py
reads those keys, values.py their values and sums up. `look.py` runs them lane by lane, in as many threads as torch has.
Few queries on a whole cache (kernels/loops.py): few.py, splits.py, attending.py, on tiles.py and vectors.py; pool.py
lends them torch's threads.
Nothing here is imported before it is needed (kernels/focus_way.py): numba takes a second to load, and may be missing.
"""
