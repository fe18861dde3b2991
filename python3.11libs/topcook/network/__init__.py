"""From a scene to a graph that can be cooked."""
