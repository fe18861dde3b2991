"""The example scenes of ``hip/``, as descriptions; ``shipped`` lists them."""
