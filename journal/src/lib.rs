//! A crash-safe write-ahead log with group commit over a small disk seam.
