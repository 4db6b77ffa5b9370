"""`gaia release`: files up, signatures on, and back again."""
