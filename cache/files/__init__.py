"""Files on disk: written atomically, staged, locked, opened and digested with care."""
