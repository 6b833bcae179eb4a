"""What a capture means: from octets to verdicts, one stage a module, each over a whole batch."""
