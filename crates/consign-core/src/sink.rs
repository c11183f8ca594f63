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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_disk_is_reported_and_the_part_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".a.part");
        std::fs::write(&path, "").unwrap();
        // A file that is always full stands in for the part.
        let file = File::from_std(std::fs::File::options().write(true).open("/dev/full").unwrap());
        let mut part = Part { file, path: path.clone(), whole: false };
        let mut written = Ok(());
        for _ in 0..2 {
            written = written.and(part.write(Bytes::from(vec![0; 1 << 20])).await);
        }
        let finished = part.finish(&folder.path().join("a")).await;
        assert_eq!(written.and(finished).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(!path.exists() && !folder.path().join("a").exists());
    }

    #[tokio::test]
    async fn what_was_written_is_forgotten_at_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::new(folder.path(), "a").await.unwrap();
        part.write(Bytes::from_static(b"something long")).await.unwrap();
        part.restart().await.unwrap();
        part.write(Bytes::from_static(b"short")).await.unwrap();
        part.finish(&folder.path().join("a")).await.unwrap();
        assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"short");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
