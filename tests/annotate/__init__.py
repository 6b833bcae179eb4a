"""`annotate`: verdicts as packet comments."""
