"""The object's outline in photographs: made from photographs and cameras, or by a user's model."""
