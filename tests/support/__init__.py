"""What the tests stand on: our server, a real one beside it, a raw protocol client, and the comparison of the two."""
