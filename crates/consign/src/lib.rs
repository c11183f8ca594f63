//! One facade over the job APIs of AI and compute clouds: submit, wait, watch, cancel, download.
