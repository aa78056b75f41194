"""Lightning callbacks: one class, one job."""
