"""Geometry and small generative models as plain array code, with hand-written gradients."""
