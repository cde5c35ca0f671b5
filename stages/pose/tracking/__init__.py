"""Who is who through a clip, and who counts."""
