"""The rendered demo data set: known people, known motions, known joints."""
