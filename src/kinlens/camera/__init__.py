"""The device: frames from a camera to vectors on a bus."""
