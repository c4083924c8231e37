"""`backbeat demo` and `backbeat chaos`: a service to watch and to break, and an inbox for the messages."""
