"""The HTTP door: routes, keys, limits, signed URLs, and the server that runs them."""
