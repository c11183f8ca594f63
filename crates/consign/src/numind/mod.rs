//! NuMind: structured extraction and Markdown from documents and text.
