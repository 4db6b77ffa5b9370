"""Long proofs, run by `script/prove NAME`. What they found is in docs/reference."""
