"""The plugins that come with acestep-core. They use only the public API, like anybody's."""
