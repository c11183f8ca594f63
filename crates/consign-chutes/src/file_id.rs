//! Ids of output files, computed from job and name as the service does.
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use crate::api_key::uuid;

/// The id of an output file of a job: the UUID of version 5 of its declared name in the namespace of the job's id.
/// `None` if the job's id is no UUID.
///
/// ```
/// let id = consign_chutes::file_id("0b8e6c0e-7a53-4c64-9d57-5a1f6f1f0a01", "model.bin");
/// assert_eq!(id.as_deref(), Some("295d1372-fdbb-5650-9130-4a2527f63aa1"));
/// ```
pub fn file_id(job_id: &str, name: &str) -> Option<String> {
    let hex: String = job_id.chars().filter(|c| *c != '-').collect();
    if hex.len() != 32 || !hex.is_ascii() {
        return None;
    }
    let mut bytes = Vec::with_capacity(16 + name.len());
    for at in (0..32).step_by(2) {
        bytes.push(u8::from_str_radix(&hex[at..at + 2], 16).ok()?);
    }
    bytes.extend_from_slice(name.as_bytes());
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &bytes);
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_ref()[..16]);
    id[6] = id[6] & 0x0f | 0x50;
    id[8] = id[8] & 0x3f | 0x80;
    Some(uuid(&id.iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_is_a_namespace() {
        for bad in
            ["", "j", "0b8e6c0e-7a53-4c64-9d57-5a1f6f1f0a0", "0b8e6c0e-7a53-4c64-9d57-5a1f6f1f0a0g", "éééééééééééééééé"]
        {
            assert_eq!(file_id(bad, "x"), None, "{bad}");
        }
    }
}
