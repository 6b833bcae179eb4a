"""A capture to share: other addresses, no payload, published keys, and the same failures for the same reasons."""
