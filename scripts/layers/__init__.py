"""The rules of `scripts/check-layers`: which part of the sources may use which."""
