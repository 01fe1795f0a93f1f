"""The interface of the reference's server, for programs that speak with it."""
