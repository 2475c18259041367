"""Every byte in or out: areas, catalogues, pixels, cadastres, models, the store, outputs."""
