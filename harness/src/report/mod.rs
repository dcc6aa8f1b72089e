//! The report page: one self-contained HTML file made from a run summary and its history.
