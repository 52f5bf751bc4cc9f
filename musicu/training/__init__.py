"""Distillation of the encoder; needs the extra ``musicu[train]`` (torch)."""
