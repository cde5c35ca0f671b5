"""The page of stage ``report``: what it reads, what it computes, how it draws."""
