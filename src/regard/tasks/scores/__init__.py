"""How answers are scored: one file a family of measures, each made by the field's own library where there is one.

A measure is a value (`Measure`): called, it gives a `Metric` with its 95 % interval and its protocol; its `gain` is how
much better one method's answers are than another's. Nothing is imported here: most families need their own library.
"""
