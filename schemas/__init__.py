"""The typed records that cross a boundary, and the words they share. No I/O, no Bytewax."""
