"""Safe opening of users' files, tiling, stretch, footprints and georeferenced writing."""
