"""The Report and its forms: text, JSON, JSON Lines."""
