"""Goldilocks: notes on bowls of porridge."""
