"""Reading and writing: NIfTI, the Zarr schema, downloads."""
