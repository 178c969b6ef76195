"""The tests, in four tiers: plans (no marker), door, contract, real. CONTRIBUTING.md says how to run each."""
