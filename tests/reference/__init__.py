"""The whole verification told a second time, for tests only: one Python object a segment, straight from the RFCs.

Nothing here imports anything of `aoinspect` or `dissectors`, nor numpy; a test holds that.
"""
