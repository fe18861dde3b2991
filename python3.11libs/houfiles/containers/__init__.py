"""What members are packed in: archives of scenes, index data of asset libraries."""
