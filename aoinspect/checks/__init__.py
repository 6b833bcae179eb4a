"""Checks of captures against a policy, a baseline or expectations: which there are, and running them."""
