"""What a surface still needs before it carries textures: shards removed, even triangles, no knots."""
