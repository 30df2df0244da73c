"""Parity: is the converted model still the same model?"""
