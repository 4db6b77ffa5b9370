"""The HTTP calls, one module for each area; each class lists its endpoints."""
