"""Captures out: which segments get another signature, under which key, and the capture written again with them."""
