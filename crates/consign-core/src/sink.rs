//! Where a download goes: memory, or a file that takes its name only when it is whole.
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use consign_http::BoxFuture;
use tokio::fs::File;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// Where content goes.
pub(crate) trait Sink: Send {
    /// Forgets everything written.
    fn restart(&mut self) -> BoxFuture<'_, io::Result<()>>;
    /// Adds to what was written.
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, io::Result<()>>;
    /// The place, for a message.
    fn path(&self) -> &Path;
}

/// Content in memory.
#[derive(Default)]
pub(crate) struct Memory(pub(crate) BytesMut);

impl Sink for Memory {
    fn restart(&mut self) -> BoxFuture<'_, io::Result<()>> {
        self.0.clear();
        Box::pin(std::future::ready(Ok(())))
    }
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, io::Result<()>> {
        self.0.extend_from_slice(&chunk);
        Box::pin(std::future::ready(Ok(())))
    }
    fn path(&self) -> &Path {
        Path::new("memory")
    }
}

/// A file under a name of its own until it is whole; removed if it never is.
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    whole: bool,
}

impl Part {
    /// A new part in `folder`, called after `name`, which must be a safe file name.
    pub(crate) async fn new(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(format!(".{name}.{:016x}.part", fastrand::u64(..)));
        // Should this future be dropped here, the file is made all the same; the part that comes back
        // to nobody then removes it.
        let made = tokio::task::spawn_blocking(move || {
            let file = std::fs::File::options().write(true).create_new(true).open(&path)?;
            Ok(Self { file: File::from_std(file), path, whole: false })
        });
        made.await.map_err(io::Error::other)?
    }
    /// Puts the whole file in its place.
    pub(crate) async fn finish(mut self, name: &Path) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        tokio::fs::rename(&self.path, name).await?;
        self.whole = true;
        Ok(())
    }
}

impl Sink for Part {
    fn restart(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            self.file.set_len(0).await?;
            self.file.rewind().await.map(drop)
        })
    }
    fn write(&mut self, chunk: Bytes) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move { self.file.write_all(&chunk).await })
    }
    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole {
            // Nothing more can be done if it cannot be removed; its name says what it is.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
