"""Repositories in memory and the contracts that every repository keeps."""
