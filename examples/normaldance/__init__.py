"""A small music-streaming service to watch and to break: real database, cache, streams, uploads, sockets."""
