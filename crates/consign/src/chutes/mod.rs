//! Chutes: jobs of deployed chutes on GPU nodes.
