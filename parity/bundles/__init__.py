"""Bundles made elsewhere: what their files hold, and which of their tensors stand for ours."""
