"""What a surface needs before it is kept: no shards, even triangles, no knots."""
