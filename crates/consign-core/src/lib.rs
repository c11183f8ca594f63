//! The job engine of consign: submit, wait, watch, cancel and download, without any provider in it.
